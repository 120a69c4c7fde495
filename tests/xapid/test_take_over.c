/* What a host brings into a pool, and what is gone with it. */
#include <check.h>
#include <stdlib.h>
#include "tests/in_fiber.h"
#include "tests/xapid/hosts.h"
#include "xapid/pool/take_over.h"

static struct hosts pool;
static struct db *from; /* the joining host's */
static struct ref host, vm, network, own_network, sr, vdi, vif, vbd;
static uint32_t before[CLASS_COUNT];

static void make_host(struct txn *t)
{
    const struct host *h = host_create(t);
    const struct host_metrics *m = host_metrics_create(t);
    const struct pif *pif = pif_create(t);

    host = h->row.ref;
    host_set_name_label(t, h, "joiner");
    host_set_metrics(t, h, m->row.ref);
    host_metrics_set_live(t, m, true);
    network = network_create(t)->row.ref;
    network_set_name_label(t, db_network(from, network), db_network(pool.x.db, pool.network)->name_label);
    own_network = network_create(t)->row.ref;
    network_set_name_label(t, db_network(from, own_network), "only there");
    pif_set_host(t, pif, host);
    pif_set_network(t, pif, network);
    session_create(t);
}

static void make_storage(struct txn *t)
{
    const struct pbd *pbd = pbd_create(t);
    const struct sr *s = sr_create(t);
    const struct vdi *v = vdi_create(t);

    sr = s->row.ref;
    vdi = v->row.ref;
    vdi_set_sr(t, v, sr);
    pbd_set_sr(t, pbd, sr);
    pbd_set_host(t, pbd, host);
    pbd_set_currently_attached(t, pbd, true);
}

static void make_vm(struct txn *t)
{
    const struct vm *v = vm_create(t), *template = vm_create(t);
    const struct vm_metrics *m = vm_metrics_create(t);
    const struct vbd *drive = vbd_create(t);
    const struct vif *nic = vif_create(t);

    vm = v->row.ref;
    vm_set_metrics(t, v, m->row.ref);
    vm_set_affinity(t, v, host);
    vm_set_is_default_template(t, template, true);
    vbd = drive->row.ref;
    vbd_set_vm(t, drive, vm);
    vbd_set_vdi(t, drive, vdi);
    vbd_set_type(t, drive, VBD_TYPE_DISK);
    vif = nic->row.ref;
    vif_set_vm(t, nic, vm);
    vif_set_network(t, nic, network);
    nic = vif_create(t);
    vif_set_vm(t, nic, template->row.ref);
    vif_set_network(t, nic, network);
}

static void count(uint32_t counts[CLASS_COUNT])
{
    for (unsigned cls = 0; cls < CLASS_COUNT; cls++)
        counts[cls] = model_classes[cls].stored ? db_count(pool.x.db, cls) : 0;
}

static void set_up(void)
{
    CLEANUP_ERR struct err e = {0};

    hosts_open(&pool);
    ck_assert_int_eq(db_open(NULL, &from, &e), 0);
    struct txn *t = db_begin(from);
    make_host(t);
    make_storage(t);
    make_vm(t);
    hosts_commit(t);
    count(before);
}

static void tear_down(void)
{
    db_close(from);
    hosts_close(&pool);
}

static void take_over(void)
{
    struct txn *t = hosts_begin(&pool);

    take_over_rows(t, from);
    hosts_commit(t);
}

START_TEST(what_belongs_to_the_host_comes_along)
{
    struct db *db = pool.x.db;

    take_over();
    ck_assert_str_eq(db_host(db, host)->uuid, db_host(from, host)->uuid);
    ck_assert_str_eq(db_host(db, host)->name_label, "joiner");
    ck_assert(ref_equal(db_vm(db, vm)->affinity, host));
    ck_assert(ref_equal(db_vbd(db, vbd)->VDI, vdi) && ref_equal(db_vdi(db, vdi)->SR, sr));
    ck_assert_ptr_nonnull(db_vm_metrics(db, db_vm(db, vm)->metrics));
    ck_assert(!db_host_metrics(db, db_host(db, host)->metrics)->live);
    ck_assert(!((const struct pbd *)db_first_referrer(db, CLASS_PBD, PBD_F_SR, sr))->currently_attached);
}
END_TEST

START_TEST(templates_sessions_and_known_networks_stay_behind)
{
    uint32_t after[CLASS_COUNT];

    take_over();
    count(after);
    ck_assert_uint_eq(after[CLASS_VM], before[CLASS_VM] + 1);
    ck_assert_uint_eq(after[CLASS_VIF], before[CLASS_VIF] + 1);
    ck_assert_uint_eq(after[CLASS_SESSION], before[CLASS_SESSION]);
    ck_assert_uint_eq(after[CLASS_POOL], before[CLASS_POOL]);
    ck_assert_uint_eq(after[CLASS_NETWORK], before[CLASS_NETWORK] + 1);
}
END_TEST

START_TEST(networks_are_the_pools)
{
    struct db *db = pool.x.db;

    take_over();
    ck_assert(ref_equal(db_vif(db, vif)->network, pool.network));
    ck_assert(ref_equal(((const struct pif *)db_first_referrer(db, CLASS_PIF, PIF_F_HOST, host))->network,
                        pool.network));
    ck_assert_str_eq(db_network(db, own_network)->name_label, "only there");
    ck_assert_str_ne(db_network(db, own_network)->bridge, db_network(db, pool.network)->bridge);
}
END_TEST

START_TEST(joining_again_changes_nothing_more)
{
    uint32_t once[CLASS_COUNT], twice[CLASS_COUNT];

    take_over();
    count(once);
    take_over();
    count(twice);
    ck_assert_mem_eq(once, twice, sizeof once);
}
END_TEST

START_TEST(what_a_host_takes_away_is_what_it_brought_but_its_vms)
{
    struct db *db = pool.x.db;
    uint32_t after[CLASS_COUNT];

    take_over();
    struct txn *t = hosts_begin(&pool);
    drop_host_rows(t, host);
    hosts_commit(t);
    count(after);
    ck_assert_uint_eq(after[CLASS_HOST], before[CLASS_HOST]);
    ck_assert_uint_eq(after[CLASS_HOST_METRICS], before[CLASS_HOST_METRICS]);
    ck_assert_uint_eq(after[CLASS_PIF], before[CLASS_PIF]);
    ck_assert_uint_eq(after[CLASS_SR], before[CLASS_SR]);
    ck_assert_uint_eq(after[CLASS_PBD], before[CLASS_PBD]);
    ck_assert_uint_eq(after[CLASS_VDI], before[CLASS_VDI]);
    ck_assert_uint_eq(after[CLASS_VBD], before[CLASS_VBD]);
    ck_assert_ptr_nonnull(db_vm(db, vm));
    ck_assert(ref_is_null(db_vm(db, vm)->affinity));
}
END_TEST

START_TEST(storage_of_several_hosts_stays)
{
    struct txn *t = hosts_begin(&pool);

    drop_host_rows(t, pool.host[2]);
    hosts_commit(t);
    ck_assert_ptr_nonnull(db_sr(pool.x.db, pool.shared));
    ck_assert_ptr_null(db_sr(pool.x.db, pool.local[2]));
    ck_assert_ptr_nonnull(db_sr(pool.x.db, pool.local[1]));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("take over");
    TCase *t = tcase_create("rows");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, what_belongs_to_the_host_comes_along);
    tcase_add_test(t, templates_sessions_and_known_networks_stay_behind);
    tcase_add_test(t, networks_are_the_pools);
    tcase_add_test(t, joining_again_changes_nothing_more);
    tcase_add_test(t, what_a_host_takes_away_is_what_it_brought_but_its_vms);
    tcase_add_test(t, storage_of_several_hosts_stays);
    suite_add_tcase(s, t);
    return run_suite(s);
}
