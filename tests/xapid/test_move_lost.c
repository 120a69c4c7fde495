/* Guests that move between two hosts, whose destination fails once all has been decided. */
#include <check.h>
#include <talloc.h>
#include "tests/in_fiber.h"
#include "tests/xapid/two_hosts.h"
#include "xapid/storage/sr.h"

static void co_refused_at_last(void *arg)
{
    struct ref vm = co_start("vm", h.shared, 0);
    CLEANUP_ERR struct err failure = {0};

    ck_assert_int_eq(co_pool_migrate(vm, 1, &failure), -1);
    co_let_settle();
    co_check_at(vm, 0);
    MUST(co_pool_migrate(vm, 1, e));
    co_check_at(vm, 1);
}

START_TEST(a_guest_that_is_lost_on_arrival_goes_back)
{
    script = "accept fail=1 error=VM_BAD_POWER_STATE\n";
    run(co_refused_at_last);
}
END_TEST

START_TEST(one_that_is_not_accepted_goes_back)
{
    script = "accept fail=1,2,3,4,5\n";
    run(co_refused_at_last);
}
END_TEST

static void co_refused_with_disk(void *arg)
{
    struct ref vm = co_start("vm", h.local[0], 0), disk = disk_of(vm);
    CLEANUP_ERR struct err failure = {0};
    const char *uuid = talloc_strdup(ctx, db_vdi(h.x.db, disk)->uuid);

    ck_assert_int_eq(co_send(vm, 1, &failure), -1);
    ck_assert_str_eq(failure.code, "VM_MIGRATE_FAILED");
    co_let_settle();
    co_check_at(vm, 0);
    check_storage(vm);
    ck_assert(ref_equal(disk_of(vm), disk));
    const struct vdi *now = db_vdi(h.x.db, disk);
    ck_assert_str_eq(now->uuid, uuid);
    ck_assert_str_eq(now->name_label, "disk");
    ck_assert(ref_equal(now->SR, h.local[0]));
    ck_assert_int_eq(now->virtual_size, 1 << 20);
    ck_assert_int_eq(map_count(now->current_operations), 0);
    MUST(co_send(vm, 1, e));
    co_check_at(vm, 1);
    check_storage(vm);
}

START_TEST(so_it_does_with_disks_that_went_along)
{
    script = "accept fail=1 error=VM_BAD_POWER_STATE\n";
    run(co_refused_with_disk);
}
END_TEST

/* What it has written there its guest at the source knows nothing of. */
static void co_lost_after_it_ran(void *arg)
{
    struct ref vm = co_start("vm", h.shared, 0);
    CLEANUP_ERR struct err failure = {0};

    ck_assert_int_eq(co_pool_migrate(vm, 1, &failure), -1);
    ck_assert_str_eq(failure.code, "VM_HALTED");
    ck_assert_int_eq(co_state(0, vm), HV_STATE_GONE);
    ck_assert_uint_eq(host_of(vm), 1);
    MUST(co_agent_vm_stop(agents[1], hosts_vm(&h, vm)->uuid, e));
}

START_TEST(one_that_may_have_run_there_does_not)
{
    script = "accept fail=1 error=VM_HALTED\n";
    run(co_lost_after_it_ran);
}
END_TEST

static void co_accepted_at_last(void *arg)
{
    struct ref vm = co_start("vm", h.local[0], 0);

    MUST(co_send(vm, 1, e));
    co_check_at(vm, 1);
    check_storage(vm);
}

START_TEST(one_that_is_accepted_late_is_there)
{
    script = "accept fail=1,2,3\n";
    run(co_accepted_at_last);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("move");
    TCase *t = tcase_create("lost on arrival");
    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_test(t, a_guest_that_is_lost_on_arrival_goes_back);
    tcase_add_test(t, one_that_is_not_accepted_goes_back);
    tcase_add_test(t, so_it_does_with_disks_that_went_along);
    tcase_add_test(t, one_that_may_have_run_there_does_not);
    tcase_add_test(t, one_that_is_accepted_late_is_there);
    suite_add_tcase(s, t);
    return run_suite(s);
}
