/* Which host a VM is put on, and why a host will not do. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "tests/in_fiber.h"
#include "tests/xapid/hosts.h"
#include "xapid/host/bootstrap.h"
#include "xapid/host/cpu_features.h"
#include "xapid/host/host_agent.h"
#include "xapid/reftext.h"
#include "xapid/storage/sr.h"
#include "xapid/vm/placement.h"
#include "xapid/vm/share.h"
#include "xapid/vm/spec.h"

static struct hosts h;
static void *ctx;

static void set_up(void)
{
    ctx = talloc_new(NULL);
    hosts_open(&h);
}

static void tear_down(void)
{
    hosts_close(&h);
    talloc_free(ctx);
}

/* Host i refuses the VM with this code; "" when it takes it. */
static void check_refusal(struct ref vm, unsigned i, const char *code)
{
    CLEANUP_ERR struct err e = {0};
    int rc = placement_check(&h.x, hosts_vm(&h, vm), h.host[i], false, &e);

    ck_assert_str_eq(rc < 0 ? e.code : "", code);
}

/* The number of the host that is chosen; -1 with the error's code. */
static int choose(struct ref vm, struct ref prefer, char code[64])
{
    CLEANUP_ERR struct err e = {0};
    struct ref host;

    code[0] = '\0';
    if (placement_choose(&h.x, hosts_vm(&h, vm), prefer, false, &host, &e) < 0) {
        snprintf(code, 64, "%s", e.code);
        return -1;
    }
    for (int i = 0; i < 3; i++)
        if (ref_equal(h.host[i], host))
            return i;
    ck_abort_msg("no host of the pool");
    return -1;
}

static int choice(struct ref vm)
{
    char code[64];
    return choose(vm, REF_NULL, code);
}

START_TEST(any_host_will_do_for_a_vm_on_shared_storage)
{
    struct ref vm = hosts_add_vm(&h, "vm", h.shared, h.network);

    for (unsigned i = 0; i < 3; i++)
        check_refusal(vm, i, "");
}
END_TEST

START_TEST(disks_must_be_on_storage_that_the_host_has_attached)
{
    struct ref vm = hosts_add_vm(&h, "vm", h.local[1], h.network);

    check_refusal(vm, 0, "VM_REQUIRES_SR");
    check_refusal(vm, 1, "");
    ck_assert_int_eq(choice(vm), 1);
    struct txn *t = hosts_begin(&h);
    pbd_set_currently_attached(t, pbd_of_host(h.x.db, h.local[1], h.host[1]), false);
    hosts_commit(t);
    check_refusal(vm, 1, "VM_REQUIRES_SR");
}
END_TEST

START_TEST(the_image_of_a_suspended_vm_counts_too)
{
    struct ref vm = hosts_add_vm(&h, "vm", h.shared, REF_NULL);
    struct txn *t = hosts_begin(&h);
    const struct vdi *image = vdi_create(t);

    vdi_set_sr(t, image, h.local[2]);
    vm_set_suspend_vdi(t, hosts_vm(&h, vm), image->row.ref);
    vm_set_power_state(t, hosts_vm(&h, vm), VM_POWER_STATE_SUSPENDED);
    hosts_commit(t);
    check_refusal(vm, 0, "VM_REQUIRES_SR");
    ck_assert_int_eq(choice(vm), 2);
}
END_TEST

START_TEST(networks_need_an_interface_where_any_host_has_one)
{
    struct ref vm = hosts_add_vm(&h, "vm", h.shared, h.network);
    struct txn *t = hosts_begin(&h);

    FOREACH_REFERRER (h.x.db, pif, pif, PIF, HOST, h.host[1])
        pif_set_network(t, pif, h.internal);
    hosts_commit(t);
    check_refusal(vm, 1, "VM_REQUIRES_NETWORK");
    check_refusal(vm, 2, "");
}
END_TEST

START_TEST(guests_on_an_internal_network_stay_together)
{
    struct ref first = hosts_add_vm(&h, "first", h.shared, h.internal);
    struct ref second = hosts_add_vm(&h, "second", h.shared, h.internal);

    check_refusal(second, 0, "");
    hosts_run(&h, first, h.host[2]);
    check_refusal(second, 0, "HOST_CANNOT_ATTACH_NETWORK");
    ck_assert_int_eq(choice(second), 2);
}
END_TEST

START_TEST(hosts_that_are_off_or_disabled_take_none)
{
    struct ref vm = hosts_add_vm(&h, "vm", h.shared, h.network);
    struct txn *t = hosts_begin(&h);

    host_set_enabled(t, hosts_host(&h, 0), false);
    host_metrics_set_live(t, db_host_metrics(h.x.db, hosts_host(&h, 1)->metrics), false);
    hosts_commit(t);
    host_agent_drop(&h.x, h.host[2]);
    check_refusal(vm, 0, "HOST_DISABLED");
    check_refusal(vm, 1, "HOST_NOT_LIVE");
    check_refusal(vm, 2, "HOST_OFFLINE");
    char code[64];
    ck_assert_int_eq(choose(vm, REF_NULL, code), -1);
    ck_assert_str_eq(code, "NO_HOSTS_AVAILABLE");
}
END_TEST

START_TEST(the_most_free_memory_wins)
{
    hosts_run(&h, hosts_add_vm(&h, "a", REF_NULL, REF_NULL), h.host[0]);
    hosts_run(&h, hosts_add_vm(&h, "b", REF_NULL, REF_NULL), h.host[2]);
    ck_assert_int_eq(choice(hosts_add_vm(&h, "vm", h.shared, h.network)), 1);
}
END_TEST

START_TEST(a_host_without_room_is_not_chosen)
{
    struct ref vm = hosts_add_vm(&h, "vm", h.shared, h.network);
    struct txn *t = hosts_begin(&h);

    vm_set_affinity(t, hosts_vm(&h, vm), h.host[1]);
    hosts_commit(t);
    ck_assert_int_eq(choice(vm), 1);
    for (unsigned i = 0; i < 6; i++)
        hosts_run(&h, hosts_add_vm(&h, "filler", REF_NULL, REF_NULL), h.host[1]);
    check_refusal(vm, 1, "HOST_NOT_ENOUGH_FREE_MEMORY");
    ck_assert_int_ne(choice(vm), 1);
}
END_TEST

START_TEST(affinity_comes_before_memory_and_groups)
{
    struct ref vm = hosts_add_vm(&h, "vm", h.shared, h.network);
    struct ref other = hosts_add_vm(&h, "other", REF_NULL, REF_NULL);
    struct txn *t = hosts_begin(&h);
    const struct vm_group *group = vm_group_create(t);
    struct set *groups = set_with_ref(ctx, NULL, group->row.ref);

    vm_group_set_placement(t, group, PLACEMENT_POLICY_ANTI_AFFINITY);
    vm_set_groups(t, hosts_vm(&h, vm), groups);
    vm_set_groups(t, hosts_vm(&h, other), groups);
    vm_set_affinity(t, hosts_vm(&h, vm), h.host[2]);
    hosts_commit(t);
    hosts_run(&h, other, h.host[2]);
    ck_assert_int_eq(choice(vm), 2);
    char code[64];
    ck_assert_int_eq(choose(vm, h.host[0], code), 0);
}
END_TEST

START_TEST(members_of_an_anti_affinity_group_spread)
{
    struct ref vms[3];
    struct txn *t = hosts_begin(&h);
    struct set *groups = set_with_ref(ctx, NULL, vm_group_create(t)->row.ref);

    vm_group_set_placement(t, db_vm_group(h.x.db, groups->v[0].r), PLACEMENT_POLICY_ANTI_AFFINITY);
    hosts_commit(t);
    /* Hosts 1 and 2 have the less memory the higher their number. */
    for (unsigned i = 0; i < 3; i++)
        for (unsigned n = 0; n < i; n++)
            hosts_run(&h, hosts_add_vm(&h, "filler", REF_NULL, REF_NULL), h.host[i]);
    for (unsigned i = 0; i < 3; i++) {
        vms[i] = hosts_add_vm(&h, "vm", h.shared, h.network);
        t = hosts_begin(&h);
        vm_set_groups(t, hosts_vm(&h, vms[i]), groups);
        hosts_commit(t);
        ck_assert_int_eq(choice(vms[i]), (int)i);
        hosts_run(&h, vms[i], h.host[i]);
    }
}
END_TEST

START_TEST(what_is_being_started_counts_as_there)
{
    struct ref vm = hosts_add_vm(&h, "vm", REF_NULL, REF_NULL);
    CLEANUP_ERR struct err e = {0};
    int64_t before = host_free_memory(h.x.db, h.host[1], NULL);

    ck_assert_int_eq(placement_reserve(&h.x, vm, h.host[1], &e), 0);
    int64_t reserved = host_free_memory(h.x.db, h.host[1], NULL);
    ck_assert_int_eq(before - reserved, GIB + vm_memory_overhead(hosts_vm(&h, vm)));
    hosts_run(&h, vm, h.host[1]);
    ck_assert_int_eq(host_free_memory(h.x.db, h.host[1], NULL), reserved);
    placement_release(&h.x, vm);
    ck_assert_int_eq(host_free_memory(h.x.db, h.host[1], NULL), reserved);
}
END_TEST

START_TEST(a_reservation_is_not_held_against_its_own_vm)
{
    struct ref vm = hosts_add_vm(&h, "vm", h.shared, h.network);
    CLEANUP_ERR struct err e = {0};
    struct txn *t = hosts_begin(&h);

    vm_set_memory_dynamic_max(t, hosts_vm(&h, vm), 6 * GIB);
    hosts_commit(t);
    ck_assert_int_eq(placement_reserve(&h.x, vm, h.host[1], &e), 0);
    check_refusal(vm, 1, "");
}
END_TEST

START_TEST(a_start_whose_outcome_nobody_knows_keeps_others_away)
{
    struct ref vm = hosts_add_vm(&h, "vm", h.shared, h.network);
    CLEANUP_ERR struct err e = {0};
    CLEANUP_ERR struct err lost = {0};

    ck_assert_int_eq(placement_reserve(&h.x, vm, h.host[1], &e), 0);
    struct agent *agent = host_agent(&h.x, h.host[1], &e);
    host_agent_drop(&h.x, h.host[1]);
    err_cannot_contact_host(&lost, "host");
    placement_release_after(&h.x, vm, &lost);
    ck_assert_int_eq(placement_reserve(&h.x, vm, h.host[0], &e), -1);
    ck_assert_str_eq(e.code, "HOST_OFFLINE");
    host_agent_set(&h.x, h.host[1], agent);
    struct txn *t = hosts_begin(&h);
    placement_forget_reservations(t, h.host[1]);
    hosts_commit(t);
    err_clear(&e);
    ck_assert_int_eq(placement_reserve(&h.x, vm, h.host[0], &e), 0);
}
END_TEST

START_TEST(a_guest_that_has_begun_needs_the_features_it_began_with)
{
    struct ref vm = hosts_add_vm(&h, "vm", h.shared, h.network);
    struct txn *t = hosts_begin(&h);
    const struct map *flags =
        map_with(ctx, map_with(ctx, NULL, "vendor", "GenuineIntel"), "features", "0000000f-000001ff");

    vm_set_last_boot_cpu_flags(t, hosts_vm(&h, vm), flags);
    host_set_cpu_info(t, hosts_host(&h, 2),
                      map_with(ctx, hosts_host(&h, 2)->cpu_info, "features_hvm", "000000ff-00000fff"));
    hosts_commit(t);
    check_refusal(vm, 1, "");
    hosts_run(&h, vm, h.host[0]);
    check_refusal(vm, 1, "VM_INCOMPATIBLE_WITH_THIS_HOST");
    check_refusal(vm, 2, "");
    t = hosts_begin(&h);
    host_set_cpu_info(t, hosts_host(&h, 2), map_with(ctx, hosts_host(&h, 2)->cpu_info, "vendor", "AMD"));
    hosts_commit(t);
    check_refusal(vm, 2, "VM_INCOMPATIBLE_WITH_THIS_HOST");
}
END_TEST

START_TEST(the_pool_has_what_all_its_processors_can)
{
    struct txn *t = hosts_begin(&h);

    host_set_cpu_info(t, hosts_host(&h, 1),
                      map_with(ctx, hosts_host(&h, 1)->cpu_info, "features_hvm", "00000ff3-0000000f"));
    pool_level_processors(t);
    hosts_commit(t);
    const struct map *info = ((const struct pool *)db_first(h.x.db, CLASS_POOL))->cpu_info;
    ck_assert_str_eq(map_get(info, "cpu_count"), "12");
    ck_assert_str_eq(map_get(info, "vendor"), "GenuineIntel");
    ck_assert(strncmp(map_get(info, "features_hvm"), "00000003-0000000f-00000000", 26) == 0);
}
END_TEST

static const char *seen_at(struct ref vm, unsigned host)
{
    CLEANUP_ERR struct err e = {0};
    const struct vm_start_options o = {0};
    struct agent_vm_spec spec;

    ck_assert_int_eq(vm_build_spec(&h.x, ctx, hosts_vm(&h, vm), h.host[host], &o, &spec, &e), 0);
    return spec.vm.cpu_features;
}

START_TEST(a_guest_sees_what_all_processors_can_or_what_it_began_with)
{
    struct ref vm = hosts_add_vm(&h, "vm", REF_NULL, REF_NULL);
    struct txn *t = hosts_begin(&h);
    const char *lesser = cpu_features_of_flags(ctx, "fpu lm"),
               *more = cpu_features_of_flags(ctx, "fpu lm avx2");

    for (unsigned i = 0; i < 3; i++)
        host_set_cpu_info(t, hosts_host(&h, i),
                          map_with(ctx, hosts_host(&h, i)->cpu_info, "features_hvm", i == 1 ? lesser : more));
    pool_level_processors(t);
    hosts_commit(t);
    ck_assert_str_eq(seen_at(vm, 0), lesser);
    ck_assert_ptr_null(seen_at(vm, 1)); /* all that it has */
    t = hosts_begin(&h);
    vm_set_last_boot_cpu_flags(t, hosts_vm(&h, vm), map_with(ctx, NULL, "features", more));
    hosts_commit(t);
    ck_assert_str_eq(seen_at(vm, 0), lesser);
    hosts_run(&h, vm, h.host[0]);
    ck_assert_ptr_null(seen_at(vm, 2));
}
END_TEST

START_TEST(flags_become_words_of_cpuid)
{
    ck_assert_str_eq(cpu_features_of_flags(ctx, "fpu sse4_2 lm avx2"),
                     "00000001-00100000-20000000-00000000-00000000-00000020-00000000-00000000-00000000-"
                     "00000000");
    ck_assert(cpu_features_cover("0000000f", "00000003"));
    ck_assert(!cpu_features_cover("0000000f", "00000003-00000001"));
    ck_assert(cpu_features_cover("", "00000003"));
}
END_TEST

START_TEST(storage_is_reached_through_this_host_if_it_can_be)
{
    struct sr_handle sr;
    CLEANUP_ERR struct err e = {0};

    ck_assert_int_eq(sr_open(&h.x, ctx, h.shared, &sr, &e), 0);
    ck_assert(ref_equal(sr.host, h.host[0]));
    ck_assert_int_eq(sr_open(&h.x, ctx, h.local[2], &sr, &e), 0);
    ck_assert(ref_equal(sr.host, h.host[2]));
    struct txn *t = hosts_begin(&h);
    pbd_set_currently_attached(t, pbd_of_host(h.x.db, h.shared, h.host[0]), false);
    pbd_set_currently_attached(t, pbd_of_host(h.x.db, h.shared, h.host[1]), false);
    hosts_commit(t);
    ck_assert_int_eq(sr_open(&h.x, ctx, h.shared, &sr, &e), 0);
    ck_assert(ref_equal(sr.host, h.host[2]));
    host_agent_drop(&h.x, h.host[2]);
    ck_assert_int_eq(sr_open(&h.x, ctx, h.local[2], &sr, &e), -1);
    ck_assert_str_eq(e.code, "HOST_OFFLINE");
}
END_TEST

START_TEST(every_host_has_an_interface_on_the_same_management_network)
{
    for (unsigned i = 0; i < 3; i++) {
        unsigned n = 0;
        FOREACH_REFERRER (h.x.db, pif, pif, PIF, HOST, h.host[i]) {
            ck_assert(pif->management && ref_equal(pif->network, h.network));
            n++;
        }
        ck_assert_int_eq(n, 1);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("placement");
    TCase *t = tcase_create("placement");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, any_host_will_do_for_a_vm_on_shared_storage);
    tcase_add_test(t, disks_must_be_on_storage_that_the_host_has_attached);
    tcase_add_test(t, the_image_of_a_suspended_vm_counts_too);
    tcase_add_test(t, networks_need_an_interface_where_any_host_has_one);
    tcase_add_test(t, guests_on_an_internal_network_stay_together);
    tcase_add_test(t, hosts_that_are_off_or_disabled_take_none);
    tcase_add_test(t, the_most_free_memory_wins);
    tcase_add_test(t, a_host_without_room_is_not_chosen);
    tcase_add_test(t, affinity_comes_before_memory_and_groups);
    tcase_add_test(t, members_of_an_anti_affinity_group_spread);
    tcase_add_test(t, what_is_being_started_counts_as_there);
    tcase_add_test(t, a_reservation_is_not_held_against_its_own_vm);
    tcase_add_test(t, a_start_whose_outcome_nobody_knows_keeps_others_away);
    tcase_add_test(t, a_guest_that_has_begun_needs_the_features_it_began_with);
    tcase_add_test(t, the_pool_has_what_all_its_processors_can);
    tcase_add_test(t, a_guest_sees_what_all_processors_can_or_what_it_began_with);
    tcase_add_test(t, flags_become_words_of_cpuid);
    tcase_add_test(t, storage_is_reached_through_this_host_if_it_can_be);
    tcase_add_test(t, every_host_has_an_interface_on_the_same_management_network);
    suite_add_tcase(s, t);
    return run_suite(s);
}
