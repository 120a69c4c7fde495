/* VM.provision: make the disks that a template asks for, and the copy of the template into a VM. */
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/device.h"
#include "xapid/storage/vbd.h"
#include "xapid/storage/vdi.h"
#include "xapid/vm/provision_xml.h"

struct new_disk {
    struct provision_disk want;
    struct ref sr;
    int device;
    struct sm_vdi sm;
};

/* The SR that a disk is to lie on, by uuid or as the pool has it. */
static int choose_sr(struct call *c, const struct provision_disk *d, struct ref *ret, struct err *e)
{
    const struct pool *pool = db_pool(c->db, c->x->pool);
    const struct row *sr =
        d->sr[0] ? db_get_by_uuid(c->db, CLASS_SR, d->sr) : db_get(c->db, CLASS_SR, pool->default_SR);

    if (!sr)
        return d->sr[0] ? err_uuid_invalid(e, "SR", d->sr)
                        : err_default_sr_not_found(e, REF_TEXT(pool->default_SR));
    *ret = sr->ref;
    return 0;
}

static int plan(struct call *c, const struct vm *vm, struct new_disk **ret, unsigned *ret_n, struct err *e)
{
    const char *xml = map_get(vm->other_config, "disks");
    struct provision_disk *disks = NULL;
    unsigned n = 0;

    if (xml && provision_parse(c->mem, xml, &disks, &n, e) < 0)
        return -1;
    struct new_disk *list = talloc_zero_array(c->mem, struct new_disk, n + 1);
    for (unsigned i = 0; i < n; i++) {
        list[i].want = disks[i];
        list[i].device = device_number(disks[i].device);
        if (list[i].device < 0)
            return err_invalid_device(e, disks[i].device);
        if (vbd_device_is_taken(c->db, vm->row.ref, list[i].device, NULL))
            return err_device_already_exists(e, disks[i].device);
        if (choose_sr(c, &disks[i], &list[i].sr, e) < 0)
            return -1;
    }
    *ret = list;
    *ret_n = n;
    return 0;
}

static int co_make_disk(struct call *c, struct new_disk *d, struct undo *u, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct vdi_making_args how = {.how = VDI_MAKE_NEW, .size = d->want.size};
    struct sr_handle h;

    if (co_op_begin(c, CLASS_SR, d->sr, STORAGE_OPERATIONS_VDI_CREATE, &op, e) < 0 ||
        sr_open(c->x, c->mem, d->sr, &h, e) < 0)
        return -1;
    return co_vdi_make(c->x, &h, c->mem, &how, u, &d->sm, e);
}

static void record_disk(struct txn *t, const struct vm *vm, const struct new_disk *d)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const char *name = talloc_asprintf(mem, "%s %d", text_of(vm->name_label), d->device);
    const struct vdi *vdi =
        vdi_record(t, d->sr, &d->sm, &(struct vdi_names){name, "Created by template provisioner"});
    const struct vbd *vbd = vbd_create(t);
    const struct sr *sr = db_sr(txn_db(t), d->sr);

    vdi_set_type(t, vdi, strcmp(d->want.type, "system") == 0 ? VDI_TYPE_SYSTEM : VDI_TYPE_USER);
    if (sr)
        sr_set_virtual_allocation(t, sr, sr->virtual_allocation + d->sm.virtual_size);
    vbd_set_vm(t, vbd, vm->row.ref);
    vbd_set_vdi(t, vbd, vdi->row.ref);
    vbd_set_userdevice(t, vbd, talloc_asprintf(mem, "%d", d->device));
    vbd_set_bootable(t, vbd, d->want.bootable);
    vbd_set_mode(t, vbd, VBD_MODE_RW);
    vbd_set_type(t, vbd, VBD_TYPE_DISK);
    vbd_set_empty(t, vbd, false);
    vbd_set_unpluggable(t, vbd, true);
    vbd_set_other_config(t, vbd, map_with(mem, NULL, "owner", "true"));
}

static int record(struct call *c, struct ref ref, const struct new_disk *disks, unsigned n, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);

    if (!vm)
        return -1;
    const struct vm_metrics *metrics = db_vm_metrics(c->db, vm->metrics);
    struct txn *t = db_begin(c->db);
    for (unsigned i = 0; i < n; i++)
        record_disk(t, vm, &disks[i]);
    vm_set_is_a_template(t, vm, false);
    vm_set_other_config(t, vm, map_without(mem, vm->other_config, "disks"));
    if (metrics)
        vm_metrics_set_install_time(t, metrics, clock_wall());
    return db_commit(t, e);
}

static int co_make_and_record(struct call *c, struct ref vm, struct new_disk *disks, unsigned n,
                              struct undo *u, struct err *e)
{
    for (unsigned i = 0; i < n; i++)
        if (co_make_disk(c, &disks[i], u, e) < 0)
            return -1;
    return record(c, vm, disks, n, e);
}

int co_vm_provision(struct call *c, const struct vm_provision_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct new_disk *disks = NULL;
    struct undo undo = {0};
    unsigned n = 0;

    if (co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_PROVISION, &op, e) < 0 ||
        plan(c, db_vm(c->db, a->vm), &disks, &n, e) < 0)
        return -1;
    if (co_make_and_record(c, a->vm, disks, n, &undo, e) < 0) {
        co_undo_run(&undo);
        return -1;
    }
    undo_disarm(&undo);
    for (unsigned i = 0; i < n; i++)
        co_vdi_made(c->x, disks[i].sm.uuid);
    return 0;
}
