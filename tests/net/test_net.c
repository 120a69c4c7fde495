/* Bridges, taps and NAT, made in a network namespace of the test's own. */
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include "lib/fault.h"
#include "net/link.h"
#include "net/net.h"
#include "net/nft.h"
#include "tests/in_fiber.h"
#include "tests/net/namespace.h"

enum { SKIPPED = 77 };

static char state_dir[64];
static const struct net_network plain = {.bridge = "xtest0", .mtu = 1500};
static const struct net_network natted = {
    .bridge = "xtest1", .mtu = 1500, .nat = true, .subnet = "10.77.3.1/24"};
static const struct net_filter open_nic = {.mode = NET_UNLOCKED};
static const char vif_a[] = "11111111-2222-4333-8444-555555555555",
                  vif_b[] = "11111111-2222-4333-8444-666666666666";

static void set_up(void)
{
    strcpy(state_dir, "/tmp/xapid-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(state_dir));
}

static void tear_down(void)
{
    CLEANUP_FREE char *command = NULL;
    ck_assert_int_gt(asprintf(&command, "rm -rf %s", state_dir), 0);
    ck_assert_int_eq(system(command), 0);
}

static void co_open(void)
{
    CLEANUP_ERR struct err e = {0};
    struct net_facts facts;

    ck_assert_int_eq(co_net_open(state_dir, &facts, &e), 0);
    ck_assert(facts.root);
}

static void co_taps(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    char a[16], b[16], again[16];
    const char *alive[] = {vif_b};

    co_open();
    ck_assert_int_eq(co_net_network_up(&plain, &e), 0);
    ck_assert_int_eq(co_net_tap_create("xtest0", vif_a, 1400, &open_nic, a, &e), 0);
    ck_assert_int_eq(co_net_tap_create("xtest0", vif_a, 1400, &open_nic, again, &e), 0);
    ck_assert_int_eq(co_net_tap_create("xtest0", vif_b, 0, &open_nic, b, &e), 0);
    ck_assert_str_eq(a, again);
    ck_assert_str_ne(a, b);
    ck_assert(link_exists(a) && link_exists(b));
    ck_assert_int_eq(co_net_sweep(alive, 1, &e), 0);
    ck_assert(!link_exists(a) && link_exists(b));
    ck_assert_int_eq(co_net_tap_destroy(vif_b, &e), 0);
    ck_assert_int_eq(co_net_tap_destroy(vif_b, &e), 0);
    ck_assert(!link_exists(b));
    ck_assert_int_eq(co_net_network_down("xtest0", &e), 0);
    ck_assert(!link_exists("xtest0"));
}

START_TEST(taps_are_made_swept_and_removed)
{
    run_in_fiber(co_taps, NULL);
}
END_TEST

static void co_failures(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    char ifname[16];

    co_open();
    ck_assert_int_lt(co_net_tap_create("xnowhere", vif_a, 0, &open_nic, ifname, &e), 0);
    ck_assert(err_is(&e, "INTERNAL_ERROR"));
    ck_assert(!link_exists(ifname));
    err_clear(&e);
    fault_arm(FAULT_NETWORK, 1);
    ck_assert_int_lt(co_net_network_up(&plain, &e), 0);
    fault_disarm();
    ck_assert(!link_exists("xtest0"));
}

START_TEST(a_failed_step_leaves_no_link)
{
    run_in_fiber(co_failures, NULL);
}
END_TEST

static void co_nat(void *unused)
{
    CLEANUP_ERR struct err e = {0};

    co_open();
    ck_assert_msg(co_net_network_up(&natted, &e) == 0, "%s", e.code ? e.params[0] : "");
    ck_assert_msg(co_net_network_up(&natted, &e) == 0, "%s", e.code ? e.params[0] : "");
    ck_assert(link_subnet_in_use("10.77.3.9/24", "other"));
    ck_assert(!link_subnet_in_use("10.77.3.9/24", "xtest1"));
    ck_assert_int_eq(system("nft list table ip xapid_xtest1 | grep -q masquerade"), 0);
    ck_assert_int_eq(access("/run/xapid/dnsmasq-xtest1.pid", F_OK), 0);
    ck_assert(nft_table_exists(NFT_IP, "xapid_xtest1") && !nft_table_exists(NFT_IP, "xapid_xtest"));
    ck_assert_int_eq(system("nft flush ruleset"), 0);
    ck_assert(!nft_table_exists(NFT_IP, "xapid_xtest1"));
    ck_assert_int_eq(co_net_network_up(&natted, &e), 0);
    ck_assert(nft_table_exists(NFT_IP, "xapid_xtest1"));
    ck_assert_int_eq(co_net_network_down("xtest1", &e), 0);
    ck_assert_int_ne(system("nft list table ip xapid_xtest1 2>/dev/null"), 0);
    ck_assert_int_ne(access("/run/xapid/dnsmasq-xtest1.pid", F_OK), 0);
}

START_TEST(a_nat_network_has_masquerading_and_dhcp)
{
    run_in_fiber(co_nat, NULL);
}
END_TEST

int main(void)
{
    if (enter_namespace() < 0) {
        puts("needs root and network namespaces: skipped");
        return SKIPPED;
    }
    Suite *s = suite_create("net");
    TCase *t = tcase_create("links");

    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, taps_are_made_swept_and_removed);
    tcase_add_test(t, a_failed_step_leaves_no_link);
    tcase_add_test(t, a_nat_network_has_masquerading_and_dhcp);
    suite_add_tcase(s, t);
    return run_suite(s);
}
