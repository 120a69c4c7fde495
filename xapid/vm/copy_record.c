/* The rows of a VM that is made from another. */
#include "xapid/vm/copy_record.h"
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "xapid/network/vif.h"
#include "xapid/reftext.h"
#include "xapid/vm/image.h"
#include "xapid/vm/record.h"
#include "xapid/vm/vm.h"

/* What a copy does not take over: what it is, where it runs, what it belongs to. */
static const unsigned vm_own_fields[] = {
    VM_F_UUID,
    VM_F_ALLOWED_OPERATIONS,
    VM_F_CURRENT_OPERATIONS,
    VM_F_NAME_LABEL,
    VM_F_POWER_STATE,
    VM_F_IS_DEFAULT_TEMPLATE,
    VM_F_SUSPEND_VDI,
    VM_F_RESIDENT_ON,
    VM_F_SCHEDULED_TO_BE_RESIDENT_ON,
    VM_F_MEMORY_TARGET,
    VM_F_DOMID,
    VM_F_METRICS,
    VM_F_GUEST_METRICS,
    VM_F_LAST_BOOTED_RECORD,
    VM_F_IS_A_SNAPSHOT,
    VM_F_SNAPSHOT_OF,
    VM_F_SNAPSHOT_TIME,
    VM_F_TRANSPORTABLE_SNAPSHOT_ID,
    VM_F_SNAPSHOT_INFO,
    VM_F_SNAPSHOT_METADATA,
    VM_F_BLOBS,
    VM_F_BLOCKED_OPERATIONS,
    VM_F_PARENT,
    VM_F_IS_VMSS_SNAPSHOT,
    VM_F_SNAPSHOT_SCHEDULE,
    VM_F_ATTACHED_PCIS,
    VM_F_REQUIRES_REBOOT,
    VM_F_HA_ALWAYS_RUN,
    VM_F_HA_RESTART_PRIORITY,
};
static const unsigned vbd_own_fields[] = {
    VBD_F_UUID, VBD_F_ALLOWED_OPERATIONS, VBD_F_CURRENT_OPERATIONS, VBD_F_VM,
    VBD_F_VDI,  VBD_F_CURRENTLY_ATTACHED};
static const unsigned vif_own_fields[] = {VIF_F_UUID, VIF_F_ALLOWED_OPERATIONS, VIF_F_CURRENT_OPERATIONS,
                                          VIF_F_VM, VIF_F_CURRENTLY_ATTACHED};

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Give a new row all that the other has but its own fields and what is not stored. */
static void copy_fields(struct txn *t, const struct row *to, const struct row *from, const unsigned *own,
                        unsigned n)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct model_class *cls = &model_classes[to->cls];

    for (unsigned f = 0; f < cls->n_fields; f++) {
        bool is_own = cls->fields[f].derived || cls->fields[f].removed;
        for (unsigned i = 0; i < n && !is_own; i++)
            is_own = own[i] == f;
        if (!is_own)
            db_set(t, to, f, db_field(txn_db(t), mem, from, &cls->fields[f]));
    }
}

/* A number that tells a guest it is a copy: two random halves. */
static void give_generation_id(struct txn *t, const struct vm *vm)
{
    struct ref r = ref_new();
    CLEANUP_TALLOC char *text =
        talloc_asprintf(NULL, "%lld:%lld", (long long)(int64_t)r.hi, (long long)(int64_t)r.lo);

    if (text_of(vm->generation_id)[0] && strcmp(vm->generation_id, "0:0") != 0)
        vm_set_generation_id(t, vm, text);
}

static void mark_snapshot(struct txn *t, const struct vm *vm, const struct vm *source)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);

    vm_set_is_a_snapshot(t, vm, true);
    vm_set_is_a_template(t, vm, true);
    vm_set_snapshot_of(t, vm, source->row.ref);
    vm_set_snapshot_time(t, vm, clock_wall());
    vm_set_snapshot_info(t, vm,
                         map_with(mem,
                                  map_with(mem, NULL, "power-state-at-snapshot",
                                           model_enum_vm_power_state.values[source->power_state]),
                                  "disk-snapshot-type", "crash_consistent"));
    vm_set_appliance(t, vm, REF_NULL);
    vm_set_parent(t, vm, source->parent);
    vm_set_parent(t, source, vm->row.ref);
}

static const struct vm *record_vm(struct txn *t, const struct vm_copying *a, const struct vm *source)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct vm *vm = vm_create(t);
    const struct vm_metrics *metrics = vm_metrics_create(t);

    copy_fields(t, &vm->row, &source->row, vm_own_fields, COUNT(vm_own_fields));
    vm_set_name_label(t, vm, a->name);
    vm_set_metrics(t, vm, metrics->row.ref);
    vm_set_power_state(t, vm, VM_POWER_STATE_HALTED);
    vm_set_domid(t, vm, -1);
    if (a->kind == VM_COPY_SNAPSHOT) {
        mark_snapshot(t, vm, source);
        return vm;
    }
    vm_set_other_config(t, vm, map_without(mem, vm->other_config, "default_template"));
    vm_give_mac_seed(t, vm);
    give_generation_id(t, vm);
    return vm;
}

static const struct copied_disk *find_disk(const struct copied_disks *disks, struct ref vbd)
{
    for (unsigned i = 0; i < disks->n; i++)
        if (ref_equal(disks->disks[i].vbd, vbd))
            return &disks->disks[i];
    return NULL;
}

/* The copy of a disk; REF_NULL when it was left out. */
static struct ref record_disk(struct txn *t, const struct vm_copying *a, const struct copied_disk *d)
{
    const struct vdi *source = db_vdi(txn_db(t), d->source);
    const struct vdi *vdi = vdi_record(t, d->sr, &d->sm, &(struct vdi_names){0});

    if (source)
        vdi_inherit(t, vdi, source);
    if (a->kind == VM_COPY_SNAPSHOT)
        vdi_mark_snapshot(t, vdi, d->source, clock_wall());
    return vdi->row.ref;
}

static void record_drives(struct txn *t, const struct vm_copying *a, const struct vm *vm,
                          const struct copied_disks *disks)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct set *vbds = db_referrers(txn_db(t), mem, CLASS_VBD, VBD_F_VM, a->source);

    for (uint32_t i = 0; i < set_count(vbds); i++) {
        const struct vbd *from = db_vbd(txn_db(t), vbds->v[i].r);
        const struct copied_disk *d = find_disk(disks, from->row.ref);
        if (from->type != VBD_TYPE_CD && !d)
            continue;
        const struct vbd *vbd = vbd_create(t);
        copy_fields(t, &vbd->row, &from->row, vbd_own_fields, COUNT(vbd_own_fields));
        vbd_set_vm(t, vbd, vm->row.ref);
        vbd_set_vdi(t, vbd, d ? record_disk(t, a, d) : from->VDI);
    }
}

/* A snapshot keeps the addresses, and so does what goes on from a memory in which they are; another VM gets
 * its own. */
static void record_nics(struct txn *t, const struct vm_copying *a, const struct vm *vm)
{
    bool keeps = a->kind == VM_COPY_SNAPSHOT || vm->power_state == VM_POWER_STATE_SUSPENDED;
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct set *vifs = db_referrers(txn_db(t), mem, CLASS_VIF, VIF_F_VM, a->source);

    for (uint32_t i = 0; i < set_count(vifs); i++) {
        const struct vif *from = db_vif(txn_db(t), vifs->v[i].r);
        const struct vif *vif = vif_create(t);
        copy_fields(t, &vif->row, &from->row, vif_own_fields, COUNT(vif_own_fields));
        vif_set_vm(t, vif, vm->row.ref);
        if (!keeps)
            vif_generate_mac(t, vif, vm);
    }
}

int vm_copy_record(struct call *c, const struct vm_copying *a, const struct copied_disks *disks,
                   struct ref *ret, struct err *e)
{
    const struct vm *source = (const struct vm *)call_row(c, CLASS_VM, a->source, e);

    if (!source)
        return -1;
    struct txn *t = db_begin(c->db);
    const struct vm *vm = record_vm(t, a, source);
    if (disks->image.uuid[0]) {
        image_record(t, vm, &disks->image_sr, &disks->image);
        vm_set_power_state(t, vm, VM_POWER_STATE_SUSPENDED);
    }
    record_drives(t, a, vm, disks);
    record_nics(t, a, vm);
    if (disks->image.uuid[0] && a->kind == VM_COPY_CLONE)
        vm_record_suspended(t, vm);
    *ret = vm->row.ref;
    return db_commit(t, e);
}

/* ---- back to a snapshot ---- */

/* Drives and NICs of the VM go; its disks' rows stay. */
static void drop_devices(struct txn *t, const struct vm *vm)
{
    const struct row *row;

    while ((row = db_first_referrer(txn_db(t), CLASS_VBD, VBD_F_VM, vm->row.ref)))
        db_delete(t, row);
    while ((row = db_first_referrer(txn_db(t), CLASS_VIF, VIF_F_VM, vm->row.ref)))
        db_delete(t, row);
}

/* All snapshots of the disk that is replaced are snapshots of the new one now. */
static void move_snapshots(struct txn *t, const struct copied_disk *d)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct vdi *made = (const struct vdi *)db_get_by_uuid(txn_db(t), CLASS_VDI, d->sm.uuid);
    const struct vdi *snapshot = db_vdi(txn_db(t), d->source);
    const struct set *all;

    if (!made || !snapshot)
        return;
    all = db_referrers(txn_db(t), mem, CLASS_VDI, VDI_F_SNAPSHOT_OF, snapshot->snapshot_of);
    for (uint32_t i = 0; i < set_count(all); i++)
        vdi_set_snapshot_of(t, db_vdi(txn_db(t), all->v[i].r), made->row.ref);
}

/* The settings that the snapshot has taken over; what makes it a snapshot stays its own. */
static void take_settings(struct txn *t, const struct vm *vm, const struct vm *snapshot)
{
    unsigned own[COUNT(vm_own_fields) + 2];

    memcpy(own, vm_own_fields, sizeof vm_own_fields);
    own[COUNT(vm_own_fields)] = VM_F_IS_A_TEMPLATE;
    own[COUNT(vm_own_fields) + 1] = VM_F_APPLIANCE;
    copy_fields(t, &vm->row, &snapshot->row, own, COUNT(own));
    vm_set_parent(t, vm, snapshot->row.ref);
}

int vm_revert_record(struct call *c, struct ref ref, struct ref from, const struct copied_disks *disks,
                     const struct vdi_doomed *old, unsigned n_old, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);
    const struct vm *snapshot = vm ? (const struct vm *)call_row(c, CLASS_VM, from, e) : NULL;
    struct vm_copying drives = {.kind = VM_COPY_CLONE, .source = from},
                      nics = {.kind = VM_COPY_SNAPSHOT, .source = from};

    if (!snapshot)
        return -1;
    struct txn *t = db_begin(c->db);
    take_settings(t, vm, snapshot);
    drop_devices(t, vm);
    record_drives(t, &drives, vm, disks);
    record_nics(t, &nics, vm);
    for (unsigned i = 0; i < disks->n; i++)
        move_snapshots(t, &disks->disks[i]);
    for (unsigned i = 0; i < n_old; i++)
        vdi_doomed_delete_row(t, &old[i]);
    if (disks->image.uuid[0]) {
        image_record(t, vm, &disks->image_sr, &disks->image);
        vm_record_suspended(t, vm);
    }
    vm_post_message(t, vm, "VM_SNAPSHOT_REVERTED");
    return db_commit(t, e);
}
