/* PBDs: how one host reaches an SR. */
#include <string.h>
#include <talloc.h>
#include "xapid/field.h"
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/pbd.h"
#include "xapid/storage/sr.h"

int pbd_check_place(struct db *db, struct ref sr, const char *type, bool shared, struct ref host,
                    const struct map *device_config, struct err *e)
{
    const struct sm_driver *driver = sm_driver_by_type(type);

    if (!driver || !driver->co_vdi_create || map_count(device_config) == 0)
        return 0;
    DB_FOREACH_PBD (db, pbd) {
        const struct sr *other = db_sr(db, pbd->SR);
        if (other && !ref_equal(pbd->SR, sr) && (shared || other->shared || ref_equal(pbd->host, host)) &&
            strcmp(text_of(other->type), type) == 0 &&
            value_equal(&model_type_string_map, (union value){.map = pbd->device_config},
                        (union value){.map = device_config}))
            return err_sr_device_in_use(e);
    }
    return 0;
}

int co_pbd_create(struct call *c, const struct pbd_create_args *a, union value *ret, struct err *e)
{
    const struct sr *sr = (const struct sr *)call_row(c, CLASS_SR, a->SR, e);

    if (!sr || !call_row(c, CLASS_HOST, a->host, e))
        return -1;
    /* XenAPI counts this as success and answers the one there is. */
    const struct pbd *old = pbd_of_host(c->db, a->SR, a->host);
    if (old) {
        ret->r = old->row.ref;
        return 0;
    }
    if (!sr->shared && db_first_referrer(c->db, CLASS_PBD, PBD_F_SR, a->SR))
        return err_sr_not_sharable(e, REF_TEXT(a->SR), REF_TEXT(a->host));
    if (pbd_check_place(c->db, a->SR, text_of(sr->type), sr->shared, a->host, a->device_config, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    ret->r = pbd_record(t, a->SR, a->host, a->device_config);
    pbd_set_other_config(t, db_pbd(c->db, ret->r), a->other_config);
    return db_commit(t, e);
}

int co_pbd_destroy(struct call *c, const struct pbd_destroy_args *a, struct err *e)
{
    const struct pbd *pbd = (const struct pbd *)call_row(c, CLASS_PBD, a->self, e);

    if (!pbd)
        return -1;
    if (pbd->currently_attached)
        return err_operation_not_allowed(e, "The PBD is plugged");
    struct txn *t = db_begin(c->db);
    db_delete(t, &pbd->row);
    return db_commit(t, e);
}

static const struct pbd *own_pbd(struct call *c, struct ref ref, struct err *e)
{
    return (const struct pbd *)call_row(c, CLASS_PBD, ref, e);
}

int co_pbd_plug(struct call *c, const struct pbd_plug_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    const struct pbd *pbd = own_pbd(c, a->self, e);
    struct sr_handle h;

    if (!pbd)
        return -1;
    if (pbd->currently_attached)
        return 0;
    struct ref sr = pbd->SR, host = pbd->host;
    if (co_op_begin(c, CLASS_SR, sr, STORAGE_OPERATIONS_PLUG, &op, e) < 0 ||
        co_pbd_attach(c->x, a->self, e) < 0)
        return -1;
    return sr_open_at(c->x, c->mem, sr, host, &h, e) < 0 ? -1 : co_sr_rescan(c->x, &h, e);
}

/* Is its guest known to be on another host? */
static bool vm_is_elsewhere(struct db *db, struct ref ref, struct ref host)
{
    const struct vm *vm = db_vm(db, ref);
    return vm && !ref_is_null(vm->resident_on) && !ref_equal(vm->resident_on, host);
}

/* Errors: VDI_IN_USE while a guest of the host has one of the SR's disks. */
static int check_unused(struct call *c, struct ref sr, struct ref host, struct err *e)
{
    FOREACH_REFERRER (c->db, vdi, vdi, VDI, SR, sr)
        FOREACH_REFERRER (c->db, vbd, vbd, VBD, VDI, vdi->row.ref)
            if (vbd->currently_attached && !vm_is_elsewhere(c->db, vbd->VM, host))
                return err_vdi_in_use(e, REF_TEXT(vdi->row.ref), "PBD.unplug");
    return 0;
}

int co_pbd_unplug(struct call *c, const struct pbd_unplug_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    const struct pbd *pbd = own_pbd(c, a->self, e);
    struct sr_handle h;

    if (!pbd)
        return -1;
    if (!pbd->currently_attached)
        return 0;
    struct ref sr = pbd->SR, host = pbd->host;
    if (co_op_begin(c, CLASS_SR, sr, STORAGE_OPERATIONS_UNPLUG, &op, e) < 0 ||
        check_unused(c, sr, host, e) < 0 || sr_open_at(c->x, c->mem, sr, host, &h, e) < 0 ||
        co_agent_sr_detach(h.agent, &h.sm, e) < 0)
        return -1;
    return call_set_field(c, CLASS_PBD, a->self, PBD_F_CURRENTLY_ATTACHED, (union value){.b = false}, e);
}

int co_pbd_set_device_config(struct call *c, const struct pbd_set_device_config_args *a, struct err *e)
{
    return call_set_field(c, CLASS_PBD, a->self, PBD_F_DEVICE_CONFIG, (union value){.map = a->value}, e);
}
