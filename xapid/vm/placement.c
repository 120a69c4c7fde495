#include "xapid/vm/placement.h"
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "db/setters.gen.h"
#include "lib/log.h"
#include "xapid/host/cpu_features.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/sr.h"
#include "xapid/vm/move.h"
#include "xapid/vm/share.h"
#include "xapid/vm/squeeze.h"

/* ---- memory ---- */

static int check_memory(struct xapid *x, const struct vm *vm, struct ref host, struct err *e)
{
    int64_t needed = vm_memory_needed(x->db, vm), available = host_free_memory(x->db, host, vm);

    return needed <= available ? 0 : memory_refuse(needed, available, e);
}

/* ---- processors ---- */

static int check_cpus(struct xapid *x, const struct vm *vm, struct ref host, struct err *e)
{
    uint32_t cpus = 0;
    char a[24], b[24];

    FOREACH_REFERRER (x->db, host_cpu, cpu, HOST_CPU, HOST, host)
        cpus++;
    if (cpus == 0 || vm->VCPUs_at_startup <= cpus)
        return 0;
    snprintf(a, sizeof a, "%lld", (long long)vm->VCPUs_at_startup);
    snprintf(b, sizeof b, "%u", cpus);
    return err_host_not_enough_pcpus(e, a, b);
}

/* A guest that has begun keeps the processor it began with. */
static int check_guest_features(struct xapid *x, const struct vm *vm, struct ref host, struct err *e)
{
    const struct map *has = db_host(x->db, host)->cpu_info, *wants = vm->last_boot_CPU_flags;
    const char *vendor = map_get(has, "vendor"), *booted_vendor = map_get(wants, "vendor");
    const char *features = map_get(has, "features_hvm"), *booted = map_get(wants, "features");

    if (!booted || !features)
        return 0;
    if (vendor && booted_vendor && strcmp(vendor, booted_vendor) != 0)
        return err_vm_incompatible_with_this_host(e, REF_TEXT(vm->row.ref), REF_TEXT(host),
                                                  "its processors are of another vendor");
    if (!cpu_features_cover(features, booted))
        return err_vm_incompatible_with_this_host(e, REF_TEXT(vm->row.ref), REF_TEXT(host),
                                                  "its processors lack features that the guest uses");
    return 0;
}

static int check_features(struct xapid *x, const struct vm *vm, struct ref host, struct err *e)
{
    return vm->power_state == VM_POWER_STATE_HALTED ? 0 : check_guest_features(x, vm, host, e);
}

/* ---- what the host reaches ---- */

static int check_image(struct xapid *x, const struct vm *vm, struct ref host, struct err *e)
{
    const struct vdi *image =
        vm->power_state == VM_POWER_STATE_SUSPENDED ? db_vdi(x->db, vm->suspend_VDI) : NULL;

    if (image && !sr_is_attached_at(x->db, image->SR, host))
        return err_vm_requires_sr(e, REF_TEXT(vm->row.ref), REF_TEXT(image->SR));
    return 0;
}

static int check_disks(struct xapid *x, const struct vm *vm, struct ref host, struct err *e)
{
    FOREACH_REFERRER (x->db, vbd, vbd, VBD, VM, vm->row.ref) {
        const struct vdi *vdi = db_vdi(x->db, vbd->VDI);
        if (!ref_is_null(vbd->VDI) && !vdi)
            return err_handle_invalid(e, "VDI", REF_TEXT(vbd->VDI));
        if (vdi && !sr_is_attached_at(x->db, vdi->SR, host))
            return err_vm_requires_sr(e, REF_TEXT(vm->row.ref), REF_TEXT(vdi->SR));
    }
    return 0;
}

static bool has_pif(struct db *db, struct ref network, struct ref host, bool *ret_anywhere)
{
    *ret_anywhere = false;
    FOREACH_REFERRER (db, pif, pif, PIF, NETWORK, network) {
        *ret_anywhere = true;
        if (ref_equal(pif->host, host))
            return true;
    }
    return false;
}

/* Guests on a network without an interface only reach each other on one host. */
static bool is_used_elsewhere(struct db *db, const struct network *network, const struct vm *vm,
                              struct ref host)
{
    if (map_get(network->other_config, "is_host_internal_management_network"))
        return false;
    FOREACH_REFERRER (db, vif, vif, VIF, NETWORK, network->row.ref) {
        const struct vm *other = vif->currently_attached ? db_vm(db, vif->VM) : NULL;
        if (other && other != vm && !ref_is_null(other->resident_on) && !ref_equal(other->resident_on, host))
            return true;
    }
    return false;
}

int placement_check_network(struct xapid *x, const struct vm *vm, struct ref ref, struct ref host,
                            struct err *e)
{
    const struct network *network = db_network(x->db, ref);
    bool anywhere;

    if (!network)
        return err_vm_requires_network(e, REF_TEXT(vm->row.ref), REF_TEXT(ref));
    if (has_pif(x->db, ref, host, &anywhere))
        return 0;
    if (anywhere)
        return err_vm_requires_network(e, REF_TEXT(vm->row.ref), REF_TEXT(ref));
    if (is_used_elsewhere(x->db, network, vm, host))
        return err_host_cannot_attach_network(e, REF_TEXT(host), REF_TEXT(ref));
    return 0;
}

static int check_networks(struct xapid *x, const struct vm *vm, struct ref host, struct err *e)
{
    FOREACH_REFERRER (x->db, vif, vif, VIF, VM, vm->row.ref)
        if (placement_check_network(x, vm, vif->network, host, e) < 0)
            return -1;
    return 0;
}

/* ---- one host ---- */

static int check_host(struct xapid *x, struct ref ref, struct err *e)
{
    const struct host *host = db_host(x->db, ref);
    const struct host_metrics *metrics = host ? db_host_metrics(x->db, host->metrics) : NULL;

    if (!host)
        return err_handle_invalid(e, "host", REF_TEXT(ref));
    if (!metrics || !metrics->live)
        return err_host_not_live(e);
    if (!host_is_reachable(x, ref))
        return err_host_offline(e, REF_TEXT(ref));
    return host->enabled ? 0 : err_host_disabled(e, REF_TEXT(ref));
}

int placement_check_without_storage(struct xapid *x, const struct vm *vm, struct ref host, struct err *e)
{
    return check_host(x, host, e) < 0 || check_networks(x, vm, host, e) < 0 ||
                   check_features(x, vm, host, e) < 0 || check_memory(x, vm, host, e) < 0
               ? -1
               : 0;
}

int placement_check_arrival(struct xapid *x, const struct vm *vm, struct ref host, struct err *e)
{
    return placement_check_without_storage(x, vm, host, e) < 0 ? -1 : check_guest_features(x, vm, host, e);
}

int placement_check(struct xapid *x, const struct vm *vm, struct ref host, bool force, struct err *e)
{
    if (check_host(x, host, e) < 0 || check_disks(x, vm, host, e) < 0 || check_image(x, vm, host, e) < 0 ||
        placement_check_without_storage(x, vm, host, e) < 0)
        return -1;
    return force ? 0 : check_cpus(x, vm, host, e);
}

/* ---- the best of all ---- */

struct candidate {
    struct ref host;
    bool preferred;
    unsigned companions; /* VMs of the same anti-affinity groups that it has */
    int64_t free;
};

static bool share_anti_affinity(struct db *db, const struct vm *vm, const struct vm *other)
{
    for (uint32_t i = 0; i < set_count(vm->groups); i++) {
        const struct vm_group *group = db_vm_group(db, vm->groups->v[i].r);
        if (group && group->placement == PLACEMENT_POLICY_ANTI_AFFINITY &&
            set_has_ref(other->groups, group->row.ref))
            return true;
    }
    return false;
}

static unsigned count_companions(struct db *db, const struct vm *vm, struct ref host)
{
    unsigned n = 0;

    if (set_count(vm->groups) == 0)
        return 0;
    FOREACH_REFERRER (db, vm, other, VM, RESIDENT_ON, host)
        n += other != vm && share_anti_affinity(db, vm, other);
    FOREACH_REFERRER (db, vm, other, VM, SCHEDULED_TO_BE_RESIDENT_ON, host)
        n += other != vm && !ref_equal(other->resident_on, host) && share_anti_affinity(db, vm, other);
    return n;
}

static bool is_better(const struct candidate *a, const struct candidate *b)
{
    if (a->preferred != b->preferred)
        return a->preferred;
    if (a->companions != b->companions)
        return a->companions < b->companions;
    return a->free > b->free;
}

/* Of all hosts but `never`, which a guest that is up leaves (null: of all, for one that starts). */
static int choose(struct xapid *x, const struct vm *vm, struct ref wanted, struct ref never, bool force,
                  struct ref *ret, struct err *e)
{
    struct candidate best = {.host = REF_NULL};
    CLEANUP_ERR struct err last = {0};
    unsigned n = 0;

    DB_FOREACH_HOST (x->db, host) {
        struct candidate c = {.host = host->row.ref, .preferred = ref_equal(host->row.ref, wanted)};
        if (ref_equal(c.host, never))
            continue;
        n++;
        err_clear(&last);
        if (placement_check(x, vm, c.host, force, &last) < 0 ||
            (!ref_is_null(never) && move_check_versions(x, vm, c.host, &last) < 0))
            continue;
        c.companions = count_companions(x->db, vm, c.host);
        c.free = host_idle_memory(x->db, c.host, vm);
        if (ref_is_null(best.host) || is_better(&c, &best))
            best = c;
    }
    if (!ref_is_null(best.host)) {
        *ret = best.host;
        return 0;
    }
    if (n != 1)
        return err_no_hosts_available(e);
    err_move(e, &last);
    return -1;
}

int placement_choose(struct xapid *x, const struct vm *vm, struct ref prefer, bool force, struct ref *ret,
                     struct err *e)
{
    return choose(x, vm, ref_is_null(prefer) ? vm->affinity : prefer, REF_NULL, force, ret, e);
}

int placement_choose_other(struct xapid *x, const struct vm *vm, struct ref *ret, struct err *e)
{
    return choose(x, vm, vm->affinity, vm->resident_on, false, ret, e);
}

/* ---- reservations ---- */

int placement_reserve(struct xapid *x, struct ref ref, struct ref host, struct err *e)
{
    const struct vm *vm = db_vm(x->db, ref);

    if (!vm)
        return err_handle_invalid(e, "VM", REF_TEXT(ref));
    struct ref before = vm->scheduled_to_be_resident_on;
    if (db_host(x->db, before) && !ref_equal(before, host) && !host_is_reachable(x, before))
        return err_host_offline(e, REF_TEXT(before));
    if (check_memory(x, vm, host, e) < 0)
        return -1;
    int64_t due = vm_memory_due(x->db, vm, host_memory_share(x->db, host, vm));
    struct txn *t = db_begin(x->db);
    vm_set_scheduled_to_be_resident_on(t, vm, host);
    if (vm->power_state == VM_POWER_STATE_HALTED)
        vm_set_memory_target(t, vm, due);
    return db_commit(t, e);
}

static void forget_reservation(struct txn *t, const struct vm *vm)
{
    squeeze_look(vm->scheduled_to_be_resident_on);
    vm_set_scheduled_to_be_resident_on(t, vm, REF_NULL);
    if (vm->power_state == VM_POWER_STATE_HALTED)
        vm_set_memory_target(t, vm, 0);
}

void placement_release(struct xapid *x, struct ref ref)
{
    const struct vm *vm = db_vm(x->db, ref);
    CLEANUP_ERR struct err e = {0};

    if (!vm || ref_is_null(vm->scheduled_to_be_resident_on))
        return;
    struct txn *t = db_begin(x->db);
    forget_reservation(t, vm);
    if (db_commit(t, &e) < 0)
        log_warning("the memory meant for VM %s stays reserved: %s", vm->uuid, e.code);
}

void placement_release_after(struct xapid *x, struct ref ref, const struct err *failure)
{
    const struct vm *vm = db_vm(x->db, ref);

    if (vm && agent_outcome_unknown(failure) && !host_is_reachable(x, vm->scheduled_to_be_resident_on))
        return;
    placement_release(x, ref);
}

/* Not those of operations in progress, which release them on their own. */
void placement_forget_reservations(struct txn *t, struct ref host)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct set *vms = db_referrers(txn_db(t), mem, CLASS_VM, VM_F_SCHEDULED_TO_BE_RESIDENT_ON, host);

    for (uint32_t i = 0; i < set_count(vms); i++) {
        const struct vm *vm = db_vm(txn_db(t), vms->v[i].r);
        if (map_count(vm->current_operations) == 0)
            forget_reservation(t, vm);
    }
}
