/* VM.create: a VM from a whole record; VM.destroy. */
#include <stdio.h>
#include <talloc.h>
#include "xapid/field.h"
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/vm/memory.h"
#include "xapid/vm/vm.h"

void vm_give_mac_seed(struct txn *t, const struct vm *vm)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    char seed[UUID_TEXT_SIZE];

    uuid_new(seed);
    vm_set_other_config(t, vm, map_with(mem, vm->other_config, "mac_seed", seed));
}

/* DUPLICATE_MAC_SEED: its VIFs would get another VM's addresses. */
static int check_mac_seed(struct call *c, const char *seed, struct err *e)
{
    if (!seed)
        return 0;
    DB_FOREACH_VM (c->db, vm) {
        const char *other = map_get(vm->other_config, "mac_seed");
        if (other && strcmp(other, seed) == 0)
            return err_duplicate_mac_seed(e, seed);
    }
    return 0;
}

static int check_refs(struct call *c, const struct vm_create_args *a, struct err *e)
{
    if (!ref_is_null(a->affinity) && !call_row(c, CLASS_HOST, a->affinity, e))
        return -1;
    if (!ref_is_null(a->suspend_SR) && !call_row(c, CLASS_SR, a->suspend_SR, e))
        return -1;
    if (!ref_is_null(a->appliance) && !call_row(c, CLASS_VM_APPLIANCE, a->appliance, e))
        return -1;
    return 0;
}

static struct ref record(struct call *c, struct txn *t, const struct vm_create_args *a)
{
    const struct vm *vm = vm_create(t);
    const struct vm_metrics *metrics = vm_metrics_create(t);

    call_set_members(c, t, &vm->row, a);
    vm_set_metrics(t, vm, metrics->row.ref);
    vm_set_power_state(t, vm, VM_POWER_STATE_HALTED);
    vm_set_domid(t, vm, -1);
    vm_set_suspend_vdi(t, vm, REF_NULL);
    vm_set_memory_target(t, vm, 0);
    if (!map_get(vm->other_config, "mac_seed"))
        vm_give_mac_seed(t, vm);
    return vm->row.ref;
}

int co_vm_create(struct call *c, const struct vm_create_args *a, union value *ret, struct err *e)
{
    struct memory_limits m = {a->memory_static_min, a->memory_dynamic_min, a->memory_dynamic_max,
                              a->memory_static_max};

    if (check_refs(c, a, e) < 0 || check_mac_seed(c, map_get(a->other_config, "mac_seed"), e) < 0 ||
        memory_check_limits(&m, e) < 0 || vcpus_check(a->VCPUs_max, a->VCPUs_at_startup, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    ret->r = record(c, t, a);
    return db_commit(t, e);
}

/* ---- destroy ---- */

static void delete_referrers(struct txn *t, enum model_class_id cls, unsigned field, struct ref target)
{
    const struct row *row;

    while ((row = db_first_referrer(txn_db(t), cls, field, target)))
        db_delete(t, row);
}

void vm_delete_rows(struct txn *t, const struct vm *vm)
{
    struct db *db = txn_db(t);
    const struct row *metrics = db_get(db, CLASS_VM_METRICS, vm->metrics);
    const struct row *guest = db_get(db, CLASS_VM_GUEST_METRICS, vm->guest_metrics);
    const struct vm *child;

    delete_referrers(t, CLASS_VBD, VBD_F_VM, vm->row.ref);
    delete_referrers(t, CLASS_VIF, VIF_F_VM, vm->row.ref);
    delete_referrers(t, CLASS_CONSOLE, CONSOLE_F_VM, vm->row.ref);
    delete_referrers(t, CLASS_VTPM, VTPM_F_VM, vm->row.ref);
    delete_referrers(t, CLASS_VUSB, VUSB_F_VM, vm->row.ref);
    delete_referrers(t, CLASS_VGPU, VGPU_F_VM, vm->row.ref);
    delete_referrers(t, CLASS_CRASHDUMP, CRASHDUMP_F_VM, vm->row.ref);
    while ((child = (const struct vm *)db_first_referrer(db, CLASS_VM, VM_F_PARENT, vm->row.ref)))
        vm_set_parent(t, child, vm->parent);
    while ((child = (const struct vm *)db_first_referrer(db, CLASS_VM, VM_F_SNAPSHOT_OF, vm->row.ref)))
        vm_set_snapshot_of(t, child, REF_NULL);
    if (metrics)
        db_delete(t, metrics);
    if (guest)
        db_delete(t, guest);
    db_delete(t, &vm->row);
}

int co_vm_destroy(struct call *c, const struct vm_destroy_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_VM, a->self, VM_OPERATIONS_DESTROY, &op, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    vm_delete_rows(t, db_vm(c->db, a->self));
    return db_commit(t, e);
}
