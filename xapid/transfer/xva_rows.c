#include "xapid/transfer/xva_rows.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "xapid/network/mac.h"
#include "xapid/network/network.h"
#include "xapid/network/vif.h"
#include "xapid/reftext.h"
#include "xapid/storage/device.h"
#include "xapid/storage/vbd.h"
#include "xapid/vm/memory.h"
#include "xapid/vm/vm.h"

/* What a VM does not bring along: what it is to its old pool, where it ran, what has a meaning there only. */
static const unsigned vm_own[] = {
    VM_F_UUID,
    VM_F_ALLOWED_OPERATIONS,
    VM_F_CURRENT_OPERATIONS,
    VM_F_POWER_STATE,
    VM_F_IS_DEFAULT_TEMPLATE,
    VM_F_IS_CONTROL_DOMAIN,
    VM_F_SUSPEND_VDI,
    VM_F_RESIDENT_ON,
    VM_F_SCHEDULED_TO_BE_RESIDENT_ON,
    VM_F_MEMORY_TARGET,
    VM_F_MEMORY_OVERHEAD,
    VM_F_DOMID,
    VM_F_METRICS,
    VM_F_GUEST_METRICS,
    VM_F_LAST_BOOTED_RECORD,
    VM_F_BLOBS,
    VM_F_ATTACHED_PCIS,
    VM_F_REQUIRES_REBOOT,
    VM_F_HA_ALWAYS_RUN,
    VM_F_HA_RESTART_PRIORITY,
    VM_F_PENDING_GUIDANCES,
    VM_F_PENDING_GUIDANCES_RECOMMENDED,
    VM_F_PENDING_GUIDANCES_FULL,
};
static const unsigned vbd_own[] = {VBD_F_UUID,
                                   VBD_F_ALLOWED_OPERATIONS,
                                   VBD_F_CURRENT_OPERATIONS,
                                   VBD_F_CURRENTLY_ATTACHED,
                                   VBD_F_USERDEVICE,
                                   VBD_F_EMPTY};
static const unsigned vif_own[] = {
    VIF_F_UUID, VIF_F_ALLOWED_OPERATIONS, VIF_F_CURRENT_OPERATIONS, VIF_F_CURRENTLY_ATTACHED, VIF_F_DEVICE,
    VIF_F_MAC};

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Each is looked for among all that are here. */
enum { MAX_NETWORKS = 1000 };

/* ---- looking the archive over ---- */

static int check_mac_seed(struct call *c, const struct xva_record *vm, struct err *e)
{
    const struct wire *config = wire_member(vm->snapshot, "other_config");
    const char *seed = config && config->kind == WIRE_STRUCT ? wire_member_string(config, "mac_seed") : NULL;

    if (!seed || xva_flag(vm, "is_a_snapshot"))
        return 0;
    DB_FOREACH_VM (c->db, other) {
        const char *theirs = map_get(other->other_config, "mac_seed");
        if (theirs && strcmp(theirs, seed) == 0)
            return err_duplicate_mac_seed(e, seed);
    }
    return 0;
}

static int check_vm(struct call *c, const struct xva_record *vm, const struct xva_rules *rules, struct err *e)
{
    struct memory_limits m;
    int64_t max = 0, at_startup = 0;

    if (!xva_number(vm, "memory_static_min", &m.static_min) ||
        !xva_number(vm, "memory_dynamic_min", &m.dynamic_min) ||
        !xva_number(vm, "memory_dynamic_max", &m.dynamic_max) ||
        !xva_number(vm, "memory_static_max", &m.static_max) || !xva_number(vm, "VCPUs_max", &max) ||
        !xva_number(vm, "VCPUs_at_startup", &at_startup))
        return err_import_error(e, "A VM of ova.xml does not tell its memory or CPUs");
    if (memory_check_limits(&m, e) < 0 || vcpus_check(max, at_startup, e) < 0)
        return -1;
    if (!rules->restore)
        return 0;
    const struct row *other = db_get_by_uuid(c->db, CLASS_VM, xva_text(vm, "uuid"));
    if (other)
        return err_duplicate_vm(e, REF_TEXT(other->ref));
    return rules->force ? 0 : check_mac_seed(c, vm, e);
}

/* Disks of drives must be in the archive, with a size. */
static int check_drive(const struct xva *x, const struct xva_record *vbd, struct err *e)
{
    const struct xva_record *vdi = xva_named(x, vbd, "VDI", CLASS_VDI);
    int64_t size;

    if (!xva_is_disk_drive(vbd) || strcmp(xva_text(vbd, "VDI"), "OpaqueRef:NULL") == 0)
        return 0;
    if (!vdi)
        return err_import_error_failed_to_find_object(e, xva_text(vbd, "VDI"));
    return xva_number(vdi, "virtual_size", &size) && size > 0
               ? 0
               : err_import_error(e, "A disk of ova.xml does not tell its size");
}

int xva_check(struct call *c, const struct xva *x, const struct xva_rules *rules, struct err *e)
{
    unsigned vms = 0, networks = 0;

    XVA_FOREACH(x, network, NETWORK)
    networks++;
    if (networks > MAX_NETWORKS)
        return err_import_error(e, "There are too many networks in the archive");
    XVA_FOREACH(x, vm, VM)
    {
        vms += xva_is_imported(vm);
        if (xva_is_imported(vm) && check_vm(c, vm, rules, e) < 0)
            return -1;
    }
    XVA_FOREACH(x, vbd, VBD)
    if (check_drive(x, vbd, e) < 0)
        return -1;
    return vms > 0 ? 0 : err_import_error(e, "There is no VM in the archive");
}

/* ---- fields ---- */

struct making {
    struct call *call;
    struct txn *txn;
    struct arriving *arriving;
    const struct xva *xva;
    const struct xva_rules *rules;
};

/* The row that a text such as "Ref:7" stands for; the null one when it has none here. */
static struct ref ref_of(const struct making *m, enum model_class_id cls, const struct wire *w)
{
    const struct xva_record *r = w->kind == WIRE_STRING ? xva_find(m->xva, cls, w->s) : NULL;

    return r ? r->ref : REF_NULL;
}

/* References in sets and maps are the derived ones, or mean something to the old pool only. */
static int convert(const struct making *m, const struct model_field *f, const struct wire *w,
                   union value *ret, struct err *e)
{
    CLEANUP_ERR struct err why = {0};

    if (f->type->kind == KIND_REF) {
        ret->r = ref_of(m, f->type->cls, w);
        return 0;
    }
    if (wire_to_value(m->call->mem, f->type, w, f->name, ret, &why) < 0)
        return err_import_error(e,
                                talloc_asprintf(m->call->mem, "ova.xml: %s", err_text(m->call->mem, &why)));
    return 0;
}

static bool has_refs(const struct model_type *t)
{
    return (t->kind == KIND_SET && t->elem->kind == KIND_REF) ||
           (t->kind == KIND_MAP && (t->elem->kind == KIND_REF || t->key->kind == KIND_REF));
}

/* Give a row what the record says, but for its own fields. */
static int set_fields(const struct making *m, const struct row *row, const struct xva_record *r,
                      const unsigned *own, size_t n, struct err *e)
{
    const struct model_class *cls = &model_classes[row->cls];

    for (unsigned f = 0; f < cls->n_fields; f++) {
        const struct model_field *field = &cls->fields[f];
        const struct wire *w = wire_member(r->snapshot, field->name);
        bool skip = !w || field->derived || field->removed || field->internal || has_refs(field->type);
        union value v;
        for (size_t i = 0; i < n && !skip; i++)
            skip = own[i] == f;
        if (skip)
            continue;
        if (convert(m, field, w, &v, e) < 0)
            return -1;
        db_set(m->txn, row, f, v);
    }
    return 0;
}

/* With restore: the uuid of the archive, if it is one and nobody has it. */
static void restore_uuid(const struct making *m, const struct row *row, const struct xva_record *r)
{
    const char *uuid = xva_text(r, "uuid");

    if (m->rules->restore && uuid_is_valid(uuid) && !db_get_by_uuid(m->call->db, row->cls, uuid))
        db_set(m->txn, row, (unsigned)model_classes[row->cls].uuid_field, (union value){.s = uuid});
}

/* ---- networks, SRs, hosts: what is here already ---- */

static struct ref find_network(struct db *db, const struct xva_record *r)
{
    const char *name = xva_text(r, "name_label"), *bridge = xva_text(r, "bridge");

    DB_FOREACH_NETWORK (db, network)
        if (strcmp(text_of(network->name_label), name) == 0)
            return network->row.ref;
    DB_FOREACH_NETWORK (db, network)
        if (bridge[0] && strcmp(text_of(network->bridge), bridge) == 0)
            return network->row.ref;
    return REF_NULL;
}

static void make_network(const struct making *m, struct xva_record *r)
{
    const struct network *network = network_create(m->txn);
    char bridge[16];
    int64_t mtu;

    network_choose_bridge(m->call->db, network->row.ref, bridge);
    network_set_bridge(m->txn, network, bridge);
    network_set_name_label(m->txn, network, xva_text(r, "name_label"));
    network_set_name_description(m->txn, network, xva_text(r, "name_description"));
    network_set_managed(m->txn, network, true);
    if (xva_number(r, "MTU", &mtu) && mtu >= 68 && mtu <= 65535)
        network_set_mtu(m->txn, network, mtu);
    r->ref = network->row.ref;
}

static void settle_surroundings(const struct making *m)
{
    XVA_FOREACH(m->xva, r, NETWORK)
    if (!m->rules->finish) {
        r->ref = find_network(m->call->db, r);
        if (ref_is_null(r->ref))
            make_network(m, r);
    }
    for (struct xva_record *r = m->xva->records; r < m->xva->records + m->xva->n; r++)
        if (r->cls == CLASS_SR || r->cls == CLASS_HOST) {
            const struct row *row = db_get_by_uuid(m->call->db, r->cls, xva_text(r, "uuid"));
            r->ref = row ? row->ref : REF_NULL;
        }
}

/* ---- disks ---- */

static int make_disk_row(const struct making *m, struct arriving_disk *d, struct err *e)
{
    static const unsigned wanted[] = {VDI_F_NAME_LABEL, VDI_F_NAME_DESCRIPTION, VDI_F_TYPE,
                                      VDI_F_SHARABLE,   VDI_F_READ_ONLY,        VDI_F_OTHER_CONFIG,
                                      VDI_F_TAGS,       VDI_F_XENSTORE_DATA};
    struct ref sr = ref_is_null(d->sr) ? m->rules->sr : d->sr;
    const struct vdi *vdi = vdi_record(m->txn, sr, &d->sm, &(struct vdi_names){0});

    d->record->ref = vdi->row.ref;
    for (unsigned i = 0; i < COUNT(wanted); i++) {
        const struct model_field *f = &model_classes[CLASS_VDI].fields[wanted[i]];
        const struct wire *w = wire_member(d->record->snapshot, f->name);
        union value v;
        if (!w)
            continue;
        if (convert(m, f, w, &v, e) < 0)
            return -1;
        db_set(m->txn, &vdi->row, wanted[i], v);
    }
    return 0;
}

/* A CD is what an SR of CDs here has under the same name. */
static struct ref find_cd(struct db *db, const struct xva_record *r)
{
    DB_FOREACH_SR (db, sr)
        if (strcmp(text_of(sr->content_type), "iso") == 0)
            FOREACH_REFERRER (db, vdi, vdi, VDI, SR, sr->row.ref)
                if (strcmp(text_of(vdi->uuid), xva_text(r, "uuid")) == 0 ||
                    strcmp(text_of(vdi->location), xva_text(r, "location")) == 0)
                    return vdi->row.ref;
    return REF_NULL;
}

/* Snapshots of disks that came along. */
static void mark_snapshot(const struct making *m, const struct xva_record *r)
{
    const struct xva_record *of = xva_named(m->xva, r, "snapshot_of", CLASS_VDI);
    const struct wire *when = wire_member(r->snapshot, "snapshot_time");
    CLEANUP_ERR struct err ignored = {0};
    union value time = {0};

    if (!xva_flag(r, "is_a_snapshot"))
        return;
    if (when)
        (void)wire_to_value(m->call->mem, &model_type_datetime, when, "snapshot_time", &time, &ignored);
    vdi_mark_snapshot(m->txn, db_vdi(m->call->db, r->ref), of ? of->ref : REF_NULL, time.i);
}

static int settle_disks(const struct making *m, struct err *e)
{
    for (unsigned i = 0; i < m->arriving->n; i++)
        if (make_disk_row(m, &m->arriving->disks[i], e) < 0)
            return -1;
    for (unsigned i = 0; i < m->arriving->n; i++)
        mark_snapshot(m, m->arriving->disks[i].record);
    XVA_FOREACH(m->xva, r, VDI)
    if (ref_is_null(r->ref) && !r->is_disk)
        r->ref = find_cd(m->call->db, r);
    return 0;
}

/* ---- VMs and their devices ---- */

static void create_vm_row(const struct making *m, struct xva_record *r)
{
    const struct vm *vm = vm_create(m->txn);
    const struct vm_metrics *metrics = vm_metrics_create(m->txn);

    restore_uuid(m, &vm->row, r);
    vm_set_metrics(m->txn, vm, metrics->row.ref);
    vm_set_power_state(m->txn, vm, VM_POWER_STATE_HALTED);
    vm_set_domid(m->txn, vm, -1);
    r->ref = vm->row.ref;
}

static int fill_vm(const struct making *m, const struct xva_record *r, struct err *e)
{
    const struct vm *vm = db_vm(m->call->db, r->ref);

    if (set_fields(m, &vm->row, r, vm_own, COUNT(vm_own), e) < 0)
        return -1;
    if (!m->rules->restore)
        vm_give_mac_seed(m->txn, vm);
    /* What a snapshot was taken of is not here: it is a template of its own then. */
    if (vm->is_a_snapshot && ref_is_null(vm->snapshot_of)) {
        vm_set_is_a_snapshot(m->txn, vm, false);
        vm_set_is_a_template(m->txn, vm, true);
    }
    return 0;
}

static int make_drive(const struct making *m, struct xva_record *r, struct ref vm, struct err *e)
{
    int number = device_number(xva_text(r, "userdevice"));
    const struct xva_record *disk = xva_named(m->xva, r, "VDI", CLASS_VDI);
    bool empty = !disk || ref_is_null(disk->ref);
    char device[16];

    if (xva_is_disk_drive(r) && empty)
        return m->rules->force || !disk ? 0 : err_import_error_attached_disks_not_found(e);
    if (number < 0 || vbd_device_is_taken(m->call->db, vm, number, NULL))
        return err_import_error(e, "Two drives of a VM have the same number, or one has none");
    const struct vbd *vbd = vbd_create(m->txn);
    restore_uuid(m, &vbd->row, r);
    if (set_fields(m, &vbd->row, r, vbd_own, COUNT(vbd_own), e) < 0)
        return -1;
    snprintf(device, sizeof device, "%d", number);
    vbd_set_userdevice(m->txn, vbd, device);
    vbd_set_empty(m->txn, vbd, empty);
    r->ref = vbd->row.ref;
    return 0;
}

/* The address of the archive for a restored NIC that has a good one. */
static void give_mac(const struct making *m, const struct vif *vif, const struct xva_record *r)
{
    char mac[MAC_TEXT_SIZE] = "";

    if (!m->rules->restore || !mac_is_valid(xva_text(r, "MAC"))) {
        vif_generate_mac(m->txn, vif, db_vm(m->call->db, vif->VM));
        return;
    }
    for (unsigned i = 0; i < sizeof mac - 1; i++)
        mac[i] = (char)tolower((unsigned char)xva_text(r, "MAC")[i]);
    vif_set_mac(m->txn, vif, mac);
}

static int make_nic(const struct making *m, struct xva_record *r, struct ref vm, struct err *e)
{
    const struct xva_record *network = xva_named(m->xva, r, "network", CLASS_NETWORK);
    int number = vif_device_number(xva_text(r, "device"));
    char device[16];

    if (!network)
        return err_import_error_failed_to_find_object(e, xva_text(r, "network"));
    if (number < 0 || vif_device_is_taken(m->call->db, vm, number))
        return err_import_error(e, "Two NICs of a VM have the same number, or one has none");
    const struct vif *vif = vif_create(m->txn);
    restore_uuid(m, &vif->row, r);
    if (set_fields(m, &vif->row, r, vif_own, COUNT(vif_own), e) < 0)
        return -1;
    snprintf(device, sizeof device, "%d", number);
    vif_set_device(m->txn, vif, device);
    give_mac(m, vif, r);
    r->ref = vif->row.ref;
    return 0;
}

static int make_devices(const struct making *m, struct err *e)
{
    XVA_FOREACH(m->xva, r, VBD)
    {
        const struct xva_record *vm = xva_named(m->xva, r, "VM", CLASS_VM);
        if (vm && !ref_is_null(vm->ref) && make_drive(m, r, vm->ref, e) < 0)
            return -1;
    }
    XVA_FOREACH(m->xva, r, VIF)
    {
        const struct xva_record *vm = xva_named(m->xva, r, "VM", CLASS_VM);
        if (vm && !ref_is_null(vm->ref) && make_nic(m, r, vm->ref, e) < 0)
            return -1;
    }
    return 0;
}

static int make_all(const struct making *m, struct err *e)
{
    settle_surroundings(m);
    if (settle_disks(m, e) < 0)
        return -1;
    /* First all, so that they may name each other. */
    XVA_FOREACH(m->xva, r, VM)
    if (xva_is_imported(r))
        create_vm_row(m, r);
    XVA_FOREACH(m->xva, r, VM)
    if (!ref_is_null(r->ref) && fill_vm(m, r, e) < 0)
        return -1;
    if (make_devices(m, e) < 0)
        return -1;
    return m->rules->finish ? m->rules->finish(m->txn, m->arriving, m->rules->arg, e) : 0;
}

int xva_make_rows(struct call *c, struct arriving *a, const struct xva_rules *rules, struct err *e)
{
    struct making m = {.call = c, .arriving = a, .xva = &a->xva, .rules = rules};

    if (!rules->metadata && !rules->finish && a->n > 0 && !call_row(c, CLASS_SR, rules->sr, e))
        return -1;
    m.txn = db_begin(c->db);
    if (make_all(&m, e) < 0 || rules->dry_run) {
        db_abort(m.txn);
        return err_is_set(e) ? -1 : 0;
    }
    return db_commit(m.txn, e);
}
