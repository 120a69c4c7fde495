/* Guests that move between two hosts, with a fault at each step: two simulated hosts in one process, whose
 * agents are called directly. Whatever fails, one guest runs, where the database says, and nothing is left
 * over. */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fault.h"
#include "tests/in_fiber.h"
#include "tests/xapid/two_hosts.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/bootstrap.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/sr.h"
#include "xapid/vm/lifecycle.h"

static void co_to_and_fro(void *arg)
{
    struct ref vm = co_start("vm", h.shared, 0);
    int64_t domid = hosts_vm(&h, vm)->domid;

    co_check_at(vm, 0);
    MUST(co_pool_migrate(vm, 1, e));
    co_check_at(vm, 1);
    ck_assert_int_gt(hosts_vm(&h, vm)->domid, domid);
    MUST(co_pool_migrate(vm, 1, e));
    co_check_at(vm, 1);
    MUST(co_pool_migrate(vm, 0, e));
    co_check_at(vm, 0);
    struct call c = new_call();
    MUST(co_vm_hard_shutdown(&c, &(struct vm_hard_shutdown_args){vm}, e));
    ck_assert_int_eq(co_state(0, vm), HV_STATE_GONE);
}

START_TEST(a_guest_moves_to_and_fro)
{
    run(co_to_and_fro);
}
END_TEST

static void co_with_disk(void *arg)
{
    struct ref vm = co_start("vm", h.local[0], 0);
    struct ref before = disk_of(vm);
    CLEANUP_ERR struct err refused = {0};

    ck_assert_int_eq(co_pool_migrate(vm, 1, &refused), -1);
    ck_assert_str_eq(refused.code, "VM_REQUIRES_SR");
    MUST(co_send(vm, 1, e));
    co_check_at(vm, 1);
    ck_assert(!db_vdi(h.x.db, before));
    const struct vdi *vdi = db_vdi(h.x.db, disk_of(vm));
    ck_assert(ref_equal(vdi->SR, h.local[1]));
    ck_assert_str_eq(vdi->name_label, "disk");
    ck_assert_uint_eq(files_in("local-a"), 0);
    ck_assert_uint_eq(files_in("local-b"), 1);
}

START_TEST(its_disk_goes_along)
{
    run(co_with_disk);
}
END_TEST

/* ---- faults ---- */

typedef int co_mover(struct ref vm, unsigned host, struct err *e);

/* Move with the 1st, 2nd, 3rd … point of these kinds failing, until there is none left. */
static unsigned co_sweep(struct ref vm, unsigned kinds, co_mover *co_move)
{
    unsigned n = 0, failures = 0;

    for (bool fired = true; fired;) {
        CLEANUP_ERR struct err failure = {0};
        unsigned from = host_of(vm);
        fault_arm(kinds, ++n);
        int rc = co_move(vm, !from, &failure);
        fired = fault_fired();
        fault_disarm();
        co_let_settle();
        failures += rc < 0;
        co_check_at(vm, host_of(vm));
        check_storage(vm);
        if (rc < 0 && host_of(vm) == from)
            MUST(co_move(vm, !from, e));
        ck_assert_uint_eq(host_of(vm), !from);
        ck_assert_uint_lt(n, 200);
    }
    return failures;
}

static void co_faults(void *arg)
{
    struct ref vm = co_start("vm", h.shared, 0);

    ck_assert_uint_gt(co_sweep(vm, FAULT_QMP, co_pool_migrate), 2);
    ck_assert_uint_gt(co_sweep(vm, FAULT_DB, co_pool_migrate), 1);
    co_sweep(vm, FAULT_STORAGE, co_pool_migrate);
    co_sweep(vm, FAULT_WAIT, co_pool_migrate);
}

START_TEST(a_fault_at_any_step_leaves_one_guest)
{
    run(co_faults);
}
END_TEST

static void co_faults_with_disk(void *arg)
{
    struct ref vm = co_start("vm", h.local[0], 0);

    ck_assert_uint_gt(co_sweep(vm, FAULT_QMP, co_send), 2);
    ck_assert_uint_gt(co_sweep(vm, FAULT_DB, co_send), 1);
    ck_assert_uint_gt(co_sweep(vm, FAULT_STORAGE, co_send), 1);
    co_sweep(vm, FAULT_WAIT, co_send);
}

START_TEST(nor_does_a_disk_get_lost_or_left)
{
    run(co_faults_with_disk);
}
END_TEST

/* ---- daemons that die on the way ---- */

static struct hv_passage passage_between(struct ref vm, unsigned from)
{
    struct hv_passage p = {.address = "127.0.0.1"};
    memcpy(p.source, hosts_host(&h, from)->uuid, sizeof p.source);
    memcpy(p.destination, hosts_host(&h, !from)->uuid, sizeof p.destination);
    return p;
}

/* All steps before the decision, as if the coordinator had died then. */
static void co_pass_over(struct ref vm)
{
    struct agent_vm_spec spec = {.vm = {.name = "vm", .vcpus = 1, .memory = 1 << 20, .domid = 99}};
    struct hv_passage p = passage_between(vm, 0);
    struct hv_reception reception;

    memcpy(spec.vm.uuid, hosts_vm(&h, vm)->uuid, sizeof spec.vm.uuid);
    MUST(co_agent_vm_receive(agents[1], &spec, &p, &reception, e));
    MUST(co_agent_vm_move_prepare(agents[0], spec.vm.uuid, &p, NULL, NULL, e));
    MUST(co_agent_vm_move_switch(agents[1], spec.vm.uuid, e));
    MUST(co_agent_vm_move_finish(agents[0], spec.vm.uuid, e));
}

static void co_adopt(unsigned host, struct ref vm, enum hv_passage_state passage, int64_t domid)
{
    struct host_guests *g = talloc_zero(NULL, struct host_guests);
    const struct hv_vm_facts facts = {.state = HV_STATE_PAUSED, .passage = passage, .domid = domid};

    host_guests_add(g, hosts_vm(&h, vm)->uuid, &facts);
    MUST(co_host_adopt(&h.x, h.host[host], g, e));
    talloc_free(g);
}

static void co_undecided(void *arg)
{
    struct ref vm = co_start("vm", h.shared, 0);

    co_pass_over(vm);
    co_adopt(1, vm, HV_PASSAGE_ARRIVING, 99);
    co_adopt(0, vm, HV_PASSAGE_LEFT, hosts_vm(&h, vm)->domid);
    co_check_at(vm, 0);
}

START_TEST(what_was_not_decided_is_taken_back_by_whoever_finds_it)
{
    run(co_undecided);
}
END_TEST

static void co_decided(void *arg)
{
    struct ref vm = co_start("vm", h.shared, 0);

    co_pass_over(vm);
    struct txn *t = hosts_begin(&h);
    vm_set_resident_on(t, hosts_vm(&h, vm), h.host[1]);
    vm_set_domid(t, hosts_vm(&h, vm), 99);
    hosts_commit(t);
    co_adopt(0, vm, HV_PASSAGE_LEFT, 1);
    co_adopt(1, vm, HV_PASSAGE_ARRIVING, 99);
    co_check_at(vm, 1);
}

START_TEST(what_was_decided_goes_on)
{
    run(co_decided);
}
END_TEST

/* A host that is back with a guest that was started anew elsewhere meanwhile. */
static void co_old_guest(void *arg)
{
    struct ref vm = co_start("vm", h.shared, 0);
    struct call c = new_call();
    int64_t old = hosts_vm(&h, vm)->domid;

    h.x.agent = NULL;
    struct txn *t = hosts_begin(&h);
    host_metrics_set_live(t, db_host_metrics(h.x.db, hosts_host(&h, 0)->metrics), false);
    hosts_commit(t);
    MUST(co_vm_power_state_reset(&c, &(struct vm_power_state_reset_args){vm}, e));
    MUST(co_vm_start_on(&c, &(struct vm_start_on_args){.vm = vm, .host = h.host[1]}, e));
    h.x.agent = agents[0];
    co_adopt(0, vm, HV_PASSAGE_NONE, old);
    co_check_at(vm, 1);
}

START_TEST(a_guest_from_before_is_ended_where_it_comes_back)
{
    run(co_old_guest);
}
END_TEST

/* ---- emptying a host ---- */

static void co_evacuate(void *arg)
{
    struct call c = new_call();
    struct ref vms[3] = {co_start("a", h.shared, 0), co_start("b", h.shared, 0), co_start("c", h.shared, 0)};
    struct ref stuck = co_start("stuck", h.local[0], 0);
    CLEANUP_ERR struct err refused = {0};
    union value ret;

    struct txn *t = hosts_begin(&h);
    host_metrics_set_live(t, db_host_metrics(h.x.db, hosts_host(&h, 2)->metrics), false);
    hosts_commit(t);
    c.message = model_message_by_name("host.get_vms_which_prevent_evacuation");
    MUST(co_host_get_vms_which_prevent_evacuation(
        &c, &(struct host_get_vms_which_prevent_evacuation_args){h.host[0]}, &ret, e));
    ck_assert_uint_eq(map_count(ret.map), 1);
    ck_assert(ref_equal(ret.map->e[0].k.r, stuck));
    ck_assert_str_eq(ret.map->e[0].v.set->v[0].s, "NO_HOSTS_AVAILABLE");
    ck_assert_int_eq(co_host_evacuate(&c, &(struct host_evacuate_args){.host = h.host[0]}, &refused), -1);
    ck_assert_str_eq(refused.code, "CANNOT_EVACUATE_HOST");
    MUST(co_vm_hard_shutdown(&c, &(struct vm_hard_shutdown_args){stuck}, e));
    MUST(co_host_evacuate(&c, &(struct host_evacuate_args){.host = h.host[0]}, e));
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(host_of(vms[i]), 1);
        ck_assert_int_eq(co_state(1, vms[i]), HV_STATE_RUNNING);
    }
}

START_TEST(a_host_is_evacuated)
{
    run(co_evacuate);
}
END_TEST

/* ---- what is down ---- */

static void co_down(void *arg)
{
    struct call c = new_call();
    struct ref vm = co_new_vm("vm", h.shared), before = disk_of(vm);
    union value ret;

    MUST(co_send(vm, 0, e));
    ck_assert(!db_vdi(h.x.db, before));
    check_storage(vm);
    ck_assert(ref_equal(db_vdi(h.x.db, disk_of(vm))->SR, h.local[0]));
    MUST(co_vdi_pool_migrate(&c, &(struct vdi_pool_migrate_args){.vdi = disk_of(vm), .sr = h.shared}, &ret,
                             e));
    ck_assert(ref_equal(ret.r, disk_of(vm)));
    check_storage(vm);
    ck_assert(ref_equal(db_vdi(h.x.db, ret.r)->SR, h.shared));
}

START_TEST(the_disks_of_a_vm_that_is_down_move)
{
    run(co_down);
}
END_TEST

/* ---- a disk goes to other storage, its guest does not ---- */

static void add_guest(const char *uuid, const struct hv_vm_facts *f, void *arg)
{
    host_guests_add(arg, uuid, f);
}

static bool co_is_copying(struct ref vm)
{
    struct agent_device *devices;
    bool copying = false;
    unsigned n;

    MUST(co_agent_vm_devices(agents[host_of(vm)], ctx, hosts_vm(&h, vm)->uuid, &devices, &n, e));
    for (unsigned i = 0; i < n; i++)
        copying |= devices[i].copying;
    return copying;
}

static int co_relocate(struct ref vm, struct ref *ret, struct err *e)
{
    struct call c = new_call();
    struct ref disk = disk_of(vm), sr = db_vdi(h.x.db, disk)->SR;
    union value made;
    const struct vdi_pool_migrate_args a = {.vdi = disk,
                                            .sr = ref_equal(sr, h.shared) ? h.local[host_of(vm)] : h.shared};
    int rc = co_vdi_pool_migrate(&c, &a, &made, e);

    if (rc == 0)
        *ret = made.r;
    return rc;
}

/* With the 1st, 2nd, 3rd … point of these kinds failing: the guest goes on, and there is one disk. */
static unsigned co_sweep_relocation(struct ref vm, unsigned kinds)
{
    unsigned n = 0, failures = 0;

    for (bool fired = true; fired;) {
        CLEANUP_ERR struct err failure = {0};
        struct ref before = disk_of(vm), made = before;
        fault_arm(kinds, ++n);
        int rc = co_relocate(vm, &made, &failure);
        fired = fault_fired();
        fault_disarm();
        co_let_settle();
        failures += rc < 0;
        co_check_at(vm, host_of(vm));
        check_storage(vm);
        ck_assert(ref_equal(disk_of(vm), rc < 0 ? before : made));
        ck_assert_uint_eq(map_count(db_vdi(h.x.db, disk_of(vm))->current_operations), 0);
    }
    return failures;
}

static void co_relocate_faults(void *arg)
{
    struct ref vm = co_start("vm", h.shared, 0);

    ck_assert_uint_gt(co_sweep_relocation(vm, FAULT_QMP), 2);
    ck_assert_uint_ge(co_sweep_relocation(vm, FAULT_DB), 1);
    ck_assert_uint_gt(co_sweep_relocation(vm, FAULT_STORAGE), 1);
    co_sweep_relocation(vm, FAULT_WAIT);
}

START_TEST(a_disk_goes_to_other_storage_while_its_guest_runs)
{
    run(co_relocate_faults);
}
END_TEST

static void co_take_over(unsigned host)
{
    struct host_guests *guests = talloc_zero(ctx, struct host_guests);

    MUST(co_agent_vm_list(agents[host], add_guest, guests, e));
    MUST(co_host_adopt(&h.x, h.host[host], guests, e));
}

/* What a daemon that died before (even) or after (odd) the record left is settled by that when the guests are
 * taken over. */
static void co_relocate_interrupted(void *arg)
{
    struct ref vm = co_start("vm", h.shared, 1), before = disk_of(vm);
    const struct vbd *vbd = drive_of(vm);
    struct call c = new_call();
    union value made;

    MUST(co_vdi_create(&c, &(struct vdi_create_args){.SR = h.local[1], .virtual_size = 1 << 20}, &made, e));
    for (unsigned i = 0; i < 2; i++) {
        struct ref wanted = i ? made.r : before;
        struct agent_disk copy = {.location = db_vdi(h.x.db, made.r)->location};
        struct agent_device *devices;
        struct sr_handle sr;
        unsigned n;

        MUST(sr_open_at(&h.x, ctx, h.local[1], h.host[1], &sr, e));
        copy.sr = sr.sm;
        memcpy(copy.vbd_uuid, vbd->uuid, sizeof copy.vbd_uuid);
        MUST(co_agent_vm_mirror_disk(agents[1], hosts_vm(&h, vm)->uuid, &copy, NULL, NULL, e));
        MUST(co_agent_vm_hold(agents[1], hosts_vm(&h, vm)->uuid, e));
        ck_assert(co_is_copying(vm));
        struct txn *t = hosts_begin(&h);
        vbd_set_vdi(t, vbd, wanted);
        hosts_commit(t);
        co_take_over(1);
        ck_assert(!co_is_copying(vm));
        co_check_at(vm, 1);
        MUST(co_agent_vm_devices(agents[1], ctx, hosts_vm(&h, vm)->uuid, &devices, &n, e));
        ck_assert_uint_eq(n, 1);
        ck_assert_str_eq(devices[0].location, db_vdi(h.x.db, wanted)->location);
    }
}

START_TEST(a_disk_that_was_on_its_way_is_where_it_is_recorded)
{
    run(co_relocate_interrupted);
}
END_TEST

static void co_refuse_relocation(struct ref vm, struct ref sr, const char *code)
{
    const struct vdi_pool_migrate_args a = {.vdi = disk_of(vm), .sr = sr};
    struct call c = new_call();
    CLEANUP_ERR struct err e = {0};
    union value ret;

    ck_assert_int_eq(co_vdi_pool_migrate(&c, &a, &ret, &e), -1);
    ck_assert_str_eq(e.code, code);
    check_storage(vm);
}

static void co_relocate_refused(void *arg)
{
    struct ref vm = co_start("vm", h.shared, 0);

    co_refuse_relocation(vm, h.local[1], "VM_REQUIRES_SR");
    struct txn *t = hosts_begin(&h);
    vbd_set_mode(t, drive_of(vm), VBD_MODE_RO);
    hosts_commit(t);
    co_refuse_relocation(vm, h.local[0], "VDI_IN_USE");
}

START_TEST(a_disk_goes_only_where_its_guest_reaches_it)
{
    run(co_relocate_refused);
}
END_TEST

static void co_elsewhere(void *arg)
{
    struct ref vm = co_start("vm", h.shared, 0);
    struct call c = new_call();

    struct txn *t = hosts_begin(&h);
    vm_set_suspend_sr(t, hosts_vm(&h, vm), h.shared);
    hosts_commit(t);
    MUST(co_vm_suspend(&c, &(struct vm_suspend_args){vm}, e));
    ck_assert_int_eq(co_state(0, vm), HV_STATE_GONE);
    MUST(co_vm_resume_on(&c, &(struct vm_resume_on_args){.vm = vm, .host = h.host[1]}, e));
    co_check_at(vm, 1);
    check_storage(vm);
}

START_TEST(a_suspended_vm_is_resumed_elsewhere)
{
    run(co_elsewhere);
}
END_TEST

/* ---- what is refused ---- */

static void co_expect(struct ref vm, const struct map *disks, const struct map *options, const char *code)
{
    struct call c = new_call();
    CLEANUP_ERR struct err e = {0};
    const struct vm_assert_can_migrate_args a = {
        .vm = vm, .dest = destination(1), .live = true, .vdi_map = disks, .options = options};
    int rc = co_vm_assert_can_migrate(&c, &a, &e);

    ck_assert_str_eq(rc < 0 ? e.code : "", code);
}

static void co_refusals(void *arg)
{
    struct ref vm = co_start("vm", h.local[0], 0);
    const struct map *map = sr_map(disk_of(vm), h.local[1]);

    co_expect(vm, map, NULL, "");
    co_expect(vm, NULL, NULL, "VDI_NOT_IN_MAP");
    co_expect(vm, sr_map(disk_of(vm), h.local[2]), NULL, "VM_REQUIRES_SR");
    co_expect(vm, map, map_with(ctx, NULL, "copy", "true"), "VM_BAD_POWER_STATE");
    co_expect(vm, map, map_with(ctx, NULL, "downtime", "soon"), "INVALID_VALUE");
    struct txn *t = hosts_begin(&h);
    vdi_set_cbt_enabled(t, db_vdi(h.x.db, disk_of(vm)), true);
    hosts_commit(t);
    co_expect(vm, map, NULL, "VDI_CBT_ENABLED");
    t = hosts_begin(&h);
    vdi_set_cbt_enabled(t, db_vdi(h.x.db, disk_of(vm)), false);
    host_set_software_version(
        t, hosts_host(&h, 0),
        map_with(ctx, hosts_host(&h, 0)->software_version, "hypervisor_version", "7.2"));
    host_set_software_version(
        t, hosts_host(&h, 1),
        map_with(ctx, hosts_host(&h, 1)->software_version, "hypervisor_version", "6.9"));
    hosts_commit(t);
    co_expect(vm, map, NULL, "VM_HOST_INCOMPATIBLE_VERSION_MIGRATE");
    t = hosts_begin(&h);
    host_set_enabled(t, hosts_host(&h, 1), false);
    hosts_commit(t);
    co_expect(vm, map, NULL, "HOST_DISABLED");
    co_check_at(vm, 0);
}

START_TEST(what_cannot_go_is_told_why)
{
    run(co_refusals);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("move");
    TCase *t = tcase_create("move");
    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_test(t, a_disk_goes_to_other_storage_while_its_guest_runs);
    tcase_add_test(t, a_disk_that_was_on_its_way_is_where_it_is_recorded);
    tcase_add_test(t, a_disk_goes_only_where_its_guest_reaches_it);
    tcase_add_test(t, a_guest_moves_to_and_fro);
    tcase_add_test(t, its_disk_goes_along);
    tcase_add_test(t, a_fault_at_any_step_leaves_one_guest);
    tcase_add_test(t, nor_does_a_disk_get_lost_or_left);
    tcase_add_test(t, what_was_not_decided_is_taken_back_by_whoever_finds_it);
    tcase_add_test(t, what_was_decided_goes_on);
    tcase_add_test(t, a_guest_from_before_is_ended_where_it_comes_back);
    tcase_add_test(t, a_host_is_evacuated);
    tcase_add_test(t, the_disks_of_a_vm_that_is_down_move);
    tcase_add_test(t, a_suspended_vm_is_resumed_elsewhere);
    tcase_add_test(t, what_cannot_go_is_told_why);
    suite_add_tcase(s, t);
    return run_suite(s);
}
