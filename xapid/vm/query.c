/* Questions about a VM. */
#include <stdio.h>
#include <talloc.h>
#include "xapid/handlers.gen.h"
#include "xapid/implicit.h"
#include "xapid/network/vif.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/device.h"
#include "xapid/storage/vbd.h"
#include "xapid/vm/placement.h"

static struct set *numbers_set(void *mem, unsigned n)
{
    struct set *set = talloc_zero_size(mem, sizeof *set + n * sizeof set->v[0]);
    return set;
}

int co_vm_get_allowed_vbd_devices(struct call *c, const struct vm_get_allowed_vbd_devices_args *a,
                                  union value *ret, struct err *e)
{
    struct set *set = numbers_set(c->mem, DEVICE_COUNT);

    if (!call_row(c, CLASS_VM, a->vm, e))
        return -1;
    for (int i = 0; i < DEVICE_COUNT; i++)
        if (!vbd_device_is_taken(c->db, a->vm, i, NULL))
            set->v[set->n++].s = talloc_asprintf(c->mem, "%d", i);
    ret->set = set;
    return 0;
}

int co_vm_get_allowed_vif_devices(struct call *c, const struct vm_get_allowed_vif_devices_args *a,
                                  union value *ret, struct err *e)
{
    struct set *set = numbers_set(c->mem, VIF_DEVICE_COUNT);

    if (!call_row(c, CLASS_VM, a->vm, e))
        return -1;
    for (int i = 0; i < VIF_DEVICE_COUNT; i++)
        if (!vif_device_is_taken(c->db, a->vm, i))
            set->v[set->n++].s = talloc_asprintf(c->mem, "%d", i);
    ret->set = set;
    return 0;
}

int co_vm_assert_can_boot_here(struct call *c, const struct vm_assert_can_boot_here_args *a, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, a->self, e);
    return vm ? placement_check(c->x, vm, a->host, false, e) : -1;
}

int co_vm_get_possible_hosts(struct call *c, const struct vm_get_possible_hosts_args *a, union value *ret,
                             struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, a->vm, e);
    struct set *hosts = NULL;

    if (!vm)
        return -1;
    DB_FOREACH_HOST (c->db, host) {
        CLEANUP_ERR struct err why = {0};
        if (placement_check(c->x, vm, host->row.ref, false, &why) == 0)
            hosts = set_with_ref(c->mem, hosts, host->row.ref);
    }
    ret->set = hosts;
    return 0;
}

int co_vm_assert_operation_valid(struct call *c, const struct vm_assert_operation_valid_args *a,
                                 struct err *e)
{
    const struct row *vm = call_row(c, CLASS_VM, a->self, e);
    return vm ? op_check(c->db, vm, (int)a->op, e) : -1;
}

int co_vm_update_allowed_operations(struct call *c, const struct vm_update_allowed_operations_args *a,
                                    struct err *e)
{
    const struct row *vm = call_row(c, CLASS_VM, a->self, e);

    if (!vm)
        return -1;
    struct txn *t = db_begin(c->db);
    op_refresh(t, vm);
    return db_commit(t, e);
}

/* Agile: could run on any host, since all it needs is shared. */
int co_vm_assert_agile(struct call *c, const struct vm_assert_agile_args *a, struct err *e)
{
    if (!call_row(c, CLASS_VM, a->self, e))
        return -1;
    FOREACH_REFERRER (c->db, vbd, vbd, VBD, VM, a->self) {
        const struct vdi *vdi = db_vdi(c->db, vbd->VDI);
        const struct sr *sr = vdi ? db_sr(c->db, vdi->SR) : NULL;
        if (sr && !sr->shared)
            return err_ha_constraint_violation_sr_not_shared(e, REF_TEXT(vdi->SR));
    }
    return 0;
}

int co_vm_get_boot_record(struct call *c, const struct vm_get_boot_record_args *a, struct enc *out,
                          struct err *e)
{
    const struct row *vm = call_row(c, CLASS_VM, a->self, e);

    if (vm)
        implicit_write_record(out, c->db, vm);
    return vm ? 0 : -1;
}

int co_vm_get_cooperative(struct call *c, const struct vm_get_cooperative_args *a, union value *ret,
                          struct err *e)
{
    ret->b = true;
    return call_row(c, CLASS_VM, a->self, e) ? 0 : -1;
}

int co_vm_get_secureboot_readiness(struct call *c, const struct vm_get_secureboot_readiness_args *a,
                                   union value *ret, struct err *e)
{
    ret->i = VM_SECUREBOOT_READINESS_NOT_SUPPORTED;
    return call_row(c, CLASS_VM, a->self, e) ? 0 : -1;
}
