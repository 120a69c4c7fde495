/* Rows, indexes, transactions and the change feed, in memory. */
#include <errno.h>
#include <signal.h>
#include "db/cell.h"
#include "lib/fault.h"
#include "tests/db/fixture.h"

static struct db *db;

static void setup(void)
{
    db = must_open(NULL);
}

static void teardown(void)
{
    db_close(db);
}

/* ---- rows ---- */

START_TEST(a_fresh_row_has_the_models_initial_values_and_a_uuid)
{
    struct txn *t = db_begin(db);
    const struct vm *vm = vm_create(t);
    const struct model_class *c = &model_classes[CLASS_VM];

    for (unsigned i = 0; i < c->n_fields; i++) {
        const struct model_field *f = &c->fields[i];

        if (field_has_cell(f) && (int)i != c->uuid_field)
            ck_assert(value_equal(f->type, cell_load(&vm->row, f), f->initial));
    }
    ck_assert(uuid_is_valid(vm->uuid));
    ck_assert_str_eq(vm->name_label, "");
    ck_assert(!ref_is_null(vm->row.ref));
    must_commit(t);
    ck_assert_uint_eq(vm->row.created, db_generation(db));
    ck_assert_uint_eq(vm->row.modified, db_generation(db));
}
END_TEST

START_TEST(every_stored_class_can_be_created_and_deleted)
{
    for (unsigned cls = 0; cls < CLASS_COUNT; cls++) {
        struct ref ref = ref_new();
        struct txn *t;

        if (!model_classes[cls].stored)
            continue;
        t = db_begin(db);
        ck_assert(ref_equal(db_create(t, cls, ref)->ref, ref));
        must_commit(t);
        ck_assert_uint_eq(db_count(db, cls), 1);
        delete_row(db, cls, ref);
        ck_assert_ptr_null(db_get(db, cls, ref));
        ck_assert_uint_eq(db_count(db, cls), 0);
    }
}
END_TEST

START_TEST(values_are_copied_in)
{
    char name[] = "first";
    struct txn *t = db_begin(db);
    const struct vm *vm = vm_create(t);
    void *mem = talloc_new(NULL);
    struct map *m = map_with(mem, NULL, "k", "v");

    vm_set_name_label(t, vm, name);
    vm_set_other_config(t, vm, m);
    memset(name, 'x', 5);
    talloc_free(mem);
    must_commit(t);
    ck_assert_str_eq(vm->name_label, "first");
    ck_assert_str_eq(map_get(vm->other_config, "k"), "v");
}
END_TEST

START_TEST(values_that_a_transaction_replaced_stay_readable_to_its_end)
{
    struct ref ref = make_vm(db, "");
    struct txn *t = db_begin(db);
    const struct vm *vm = db_vm(db, ref);
    const struct set *first, *second;
    void *mem = talloc_new(NULL);

    vm_set_tags(t, vm, set_of_strings(mem, 2, "a", "b"));
    first = vm->tags;
    vm_set_tags(t, vm, set_with_string(mem, first, "c"));
    second = vm->tags;
    vm_set_tags(t, vm, set_without_string(mem, second, "a"));
    ck_assert_uint_eq(set_count(first), 2);
    ck_assert_str_eq(second->v[2].s, "c");
    must_commit(t);
    ck_assert_uint_eq(set_count(db_vm(db, ref)->tags), 2);
    talloc_free(mem);
}
END_TEST

START_TEST(equal_values_are_kept_once)
{
    struct txn *t = db_begin(db);
    const struct vm *a = vm_create(t), *b = vm_create(t);
    void *mem = talloc_new(NULL);

    vm_set_platform(t, a, map_with(mem, NULL, "acpi", "1"));
    vm_set_platform(t, b, map_with(mem, NULL, "acpi", "1"));
    vm_set_name_label(t, a, "same");
    vm_set_name_label(t, b, "same");
    ck_assert_ptr_eq(a->platform, b->platform);
    ck_assert_ptr_eq(a->name_label, b->name_label);
    vm_set_platform(t, b, map_with(mem, NULL, "acpi", "0"));
    ck_assert_str_eq(map_get(a->platform, "acpi"), "1");
    must_commit(t);
    talloc_free(mem);
}
END_TEST

/* ---- indexes ---- */

START_TEST(rows_are_walked_in_order_of_creation)
{
    struct ref a = make_vm(db, "a"), b = make_vm(db, "b"), c = make_vm(db, "c");
    const struct row *row = db_first(db, CLASS_VM);

    rename_vm(db, a, "z");
    ck_assert(ref_equal(row->ref, a));
    ck_assert(ref_equal((row = db_next(row))->ref, b));
    ck_assert(ref_equal((row = db_next(row))->ref, c));
    ck_assert_ptr_null(db_next(row));
}
END_TEST

START_TEST(rows_are_found_by_uuid_and_name)
{
    struct ref a = make_vm(db, "same"), b = make_vm(db, "same");
    char uuid[UUID_TEXT_SIZE];
    void *mem = talloc_new(NULL);
    const struct set *found;

    strcpy(uuid, db_vm(db, b)->uuid);
    ck_assert(ref_equal(db_get_by_uuid(db, CLASS_VM, uuid)->ref, b));
    ck_assert_ptr_null(db_get_by_uuid(db, CLASS_VDI, uuid));
    found = db_get_by_name_label(db, mem, CLASS_VM, "same");
    ck_assert_uint_eq(found->n, 2);
    ck_assert(ref_equal(found->v[0].r, a) && ref_equal(found->v[1].r, b));
    rename_vm(db, a, "other");
    found = db_get_by_name_label(db, mem, CLASS_VM, "same");
    ck_assert_uint_eq(found->n, 1);
    delete_row(db, CLASS_VM, b);
    ck_assert_ptr_null(db_get_by_uuid(db, CLASS_VM, uuid));
    ck_assert_uint_eq(db_get_by_name_label(db, mem, CLASS_VM, "same")->n, 0);
    ck_assert_uint_eq(db_get_by_name_label(db, mem, CLASS_VBD, "same")->n, 0);
    talloc_free(mem);
}
END_TEST

START_TEST(a_derived_set_shows_the_rows_that_refer)
{
    struct ref vm = make_vm(db, "vm");
    struct txn *t = db_begin(db);
    const struct vbd *first = vbd_create(t), *second = vbd_create(t);
    const struct model_field *f = &model_classes[CLASS_VM].fields[VM_F_VBDS];
    void *mem = talloc_new(NULL);
    const struct set *vbds;

    vbd_set_vm(t, second, vm);
    vbd_set_vm(t, first, vm);
    must_commit(t);
    vbds = db_field(db, mem, db_get(db, CLASS_VM, vm), f).set;
    ck_assert_uint_eq(vbds->n, 2);
    ck_assert(ref_equal(vbds->v[0].r, first->row.ref));
    ck_assert(ref_equal(vbds->v[1].r, second->row.ref));
    talloc_free(mem);
}
END_TEST

START_TEST(referrers_can_be_deleted_while_they_are_walked)
{
    struct ref vm = make_vm(db, "vm");
    struct txn *t = db_begin(db);
    unsigned n = 0;

    for (int i = 0; i < 100; i++)
        vbd_set_vm(t, vbd_create(t), vm);
    must_commit(t);
    t = db_begin(db);
    for (const struct row *row = db_first_referrer(db, CLASS_VBD, VBD_F_VM, vm); row;
         row = db_next_referrer(db, row, VBD_F_VM, vm), n++)
        db_delete(t, row);
    ck_assert_uint_eq(n, 100);
    ck_assert_ptr_null(db_first_referrer(db, CLASS_VBD, VBD_F_VM, vm));
    must_commit(t);
    ck_assert_uint_eq(db_count(db, CLASS_VBD), 0);
}
END_TEST

START_TEST(a_class_can_be_emptied_while_it_is_walked)
{
    struct txn *t;

    for (int i = 0; i < 10; i++)
        make_vm(db, "x");
    t = db_begin(db);
    DB_FOREACH (db, CLASS_VM, row) {
        const struct row *next = db_next(row);

        db_delete(t, row);
        if (next)
            db_delete(t, next);
    }
    must_commit(t);
    ck_assert_uint_eq(db_count(db, CLASS_VM), 0);
    ck_assert_ptr_null(db_first(db, CLASS_VM));
}
END_TEST

/* ---- transactions ---- */

START_TEST(an_aborted_transaction_leaves_no_trace)
{
    struct ref a = make_vm(db, "a"), b = make_vm(db, "b"), c = make_vm(db, "c");
    uint64_t gen = db_generation(db);
    void *mem = talloc_new(NULL);
    struct txn *t = db_begin(db);
    const struct row *row;

    vm_set_name_label(t, db_vm(db, a), "changed");
    vm_set_name_label(t, db_vm(db, a), "again");
    db_delete(t, db_get(db, CLASS_VM, b));
    vm_create(t);
    db_abort(t);
    ck_assert_uint_eq(db_generation(db), gen);
    ck_assert_str_eq(db_vm(db, a)->name_label, "a");
    ck_assert_uint_eq(db_get_by_name_label(db, mem, CLASS_VM, "again")->n, 0);
    ck_assert_uint_eq(db_get_by_name_label(db, mem, CLASS_VM, "b")->n, 1);
    row = db_first(db, CLASS_VM);
    ck_assert(ref_equal(row->ref, a));
    ck_assert(ref_equal((row = db_next(row))->ref, b));
    ck_assert(ref_equal((row = db_next(row))->ref, c));
    ck_assert_ptr_null(db_next(row));
    talloc_free(mem);
}
END_TEST

START_TEST(a_transaction_that_changes_nothing_makes_no_generation)
{
    struct ref a = make_vm(db, "a");
    uint64_t gen = db_generation(db);
    struct txn *t = db_begin(db);

    must_commit(t);
    t = db_begin(db);
    vm_set_name_label(t, db_vm(db, a), "a");
    must_commit(t);
    t = db_begin(db);
    vm_set_name_label(t, db_vm(db, a), "b");
    vm_set_name_label(t, db_vm(db, a), "a");
    db_delete(t, &vm_create(t)->row);
    must_commit(t);
    ck_assert_uint_eq(db_generation(db), gen);
}
END_TEST

START_TEST(touching_a_row_makes_a_generation)
{
    struct ref a = make_vm(db, "a");
    uint64_t gen = db_generation(db);
    struct txn *t = db_begin(db);

    db_touch(t, db_get(db, CLASS_VM, a));
    must_commit(t);
    ck_assert_uint_eq(db_vm(db, a)->row.modified, gen + 1);
    ck_assert_uint_eq(db_vm(db, a)->row.created, gen);
}
END_TEST

static void nested_begin(void)
{
    db_begin(db);
    db_begin(db);
}

static void set_after_delete(void)
{
    struct txn *t = db_begin(db);
    const struct vm *vm = vm_create(t);

    db_delete(t, &vm->row);
    vm_set_name_label(t, vm, "x");
}

static void set_derived(void)
{
    struct txn *t = db_begin(db);

    db_set(t, &vm_create(t)->row, VM_F_VBDS, (union value){0});
}

static void create_twice(void)
{
    struct txn *t = db_begin(db);

    db_create(t, CLASS_VM, (struct ref){1, 1});
    db_create(t, CLASS_VM, (struct ref){1, 1});
}

static void co_wait_in_transaction(void *unused)
{
    db_begin(db);
    co_yield();
}

static void wait_inside(void)
{
    run_in_fiber(co_wait_in_transaction, NULL);
}

static void (*const misuses[])(void) = {nested_begin, set_after_delete, set_derived, create_twice,
                                        wait_inside};

START_TEST(misuse_aborts_the_process)
{
    misuses[_i]();
}
END_TEST

static void free_a_name(struct txn *t, const struct row *row, void *arg)
{
    unsigned *visited = arg;

    ++*visited;
    if (row->cls == CLASS_VBD && !row->deleted)
        vm_set_name_description(t, db_vm(txn_db(t), ((const struct vbd *)row)->VM), "has a disk");
}

static void hook(struct txn *t, void *arg)
{
    txn_foreach(t, free_a_name, arg);
}

START_TEST(the_commit_hook_sees_the_changes_and_may_add_its_own)
{
    struct ref vm = make_vm(db, "vm");
    unsigned visited = 0;
    struct txn *t;
    uint64_t gen = db_generation(db);

    db_set_commit_hook(db, hook, &visited);
    t = db_begin(db);
    vbd_set_vm(t, vbd_create(t), vm);
    db_delete(t, &vbd_create(t)->row);
    must_commit(t);
    ck_assert_uint_eq(visited, 1);
    ck_assert_str_eq(db_vm(db, vm)->name_description, "has a disk");
    ck_assert_uint_eq(db_vm(db, vm)->row.modified, gen + 1);
}
END_TEST

START_TEST(a_commit_that_fails_is_undone)
{
    CLEANUP_ERR struct err e = {0};
    struct ref vm = make_vm(db, "a");
    struct txn *t = db_begin(db);

    fault_arm(FAULT_DB, 1);
    vm_set_name_label(t, db_vm(db, vm), "b");
    ck_assert_int_eq(db_commit(t, &e), -1);
    fault_disarm();
    ck_assert(err_is_set(&e));
    ck_assert_str_eq(db_vm(db, vm)->name_label, "a");
    rename_vm(db, vm, "c");
    ck_assert_str_eq(db_vm(db, vm)->name_label, "c");
}
END_TEST

static void co_wait_change(void *arg)
{
    uint64_t gen = db_generation(db);

    ck_assert_int_eq(co_cond_wait(db_changed(db), CLOCK_NEVER, "a change"), 0);
    ck_assert_uint_gt(db_generation(db), gen);
    *(bool *)arg = true;
}

static void co_make_change(void *unused)
{
    make_vm(db, "a");
}

START_TEST(a_commit_wakes_those_who_wait_for_changes)
{
    bool woken = false;

    fiber_spawn("waits", co_wait_change, &woken);
    run_in_fiber(co_make_change, NULL);
    ck_assert(woken);
}
END_TEST

/* ---- changes ---- */

struct seen {
    unsigned n;
    struct db_change list[64];
};

static void note(const struct db_change *c, void *arg)
{
    struct seen *seen = arg;

    ck_assert_uint_lt(seen->n, 64);
    seen->list[seen->n++] = *c;
}

START_TEST(changes_come_oldest_first_with_deletions_among_them)
{
    struct ref a = make_vm(db, "a"), b = make_vm(db, "b"), c = make_vm(db, "c");
    uint64_t gen = db_generation(db);
    struct seen seen = {0};

    rename_vm(db, b, "b2");
    delete_row(db, CLASS_VM, a);
    rename_vm(db, c, "c2");
    db_changes_since(db, gen, note, &seen);
    ck_assert_uint_eq(seen.n, 3);
    ck_assert(ref_equal(seen.list[0].ref, b) && seen.list[0].row && seen.list[0].changed == gen + 1);
    ck_assert(ref_equal(seen.list[1].ref, a) && !seen.list[1].row && seen.list[1].changed == gen + 2);
    ck_assert_uint_eq(seen.list[1].created, 1);
    ck_assert(ref_equal(seen.list[2].ref, c) && seen.list[2].row && seen.list[2].changed == gen + 3);
    seen.n = 0;
    db_changes_since(db, db_generation(db), note, &seen);
    ck_assert_uint_eq(seen.n, 0);
}
END_TEST

START_TEST(a_row_that_is_deleted_and_made_again_is_seen_as_both)
{
    struct ref a = make_vm(db, "a");
    uint64_t gen = db_generation(db);
    struct seen seen = {0};
    struct txn *t;

    delete_row(db, CLASS_VM, a);
    t = db_begin(db);
    db_create(t, CLASS_VM, a);
    must_commit(t);
    db_changes_since(db, gen, note, &seen);
    ck_assert_uint_eq(seen.n, 2);
    ck_assert(!seen.list[0].row && seen.list[1].row);
    ck_assert_uint_eq(seen.list[1].created, gen + 2);
}
END_TEST

START_TEST(the_oldest_deletions_are_forgotten_when_there_are_too_many)
{
    uint64_t gen = db_generation(db);
    struct ref vm;

    ck_assert_uint_eq(db_oldest_tombstone(db), gen);
    for (int i = 0; i < 10000; i++) {
        vm = make_vm(db, "x");
        delete_row(db, CLASS_VM, vm);
    }
    ck_assert_uint_eq(db_oldest_tombstone(db), gen);
    for (int i = 0; i < 3; i++) {
        vm = make_vm(db, "x");
        delete_row(db, CLASS_VM, vm);
    }
    ck_assert_uint_eq(db_oldest_tombstone(db), gen + 6);
}
END_TEST

/* ---- the seam for copies ---- */

static TCase *cases(const char *name)
{
    TCase *t = tcase_create(name);

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    return t;
}

static void add_rows(Suite *s)
{
    TCase *t = cases("rows");

    tcase_add_test(t, a_fresh_row_has_the_models_initial_values_and_a_uuid);
    tcase_add_test(t, every_stored_class_can_be_created_and_deleted);
    tcase_add_test(t, values_are_copied_in);
    tcase_add_test(t, values_that_a_transaction_replaced_stay_readable_to_its_end);
    tcase_add_test(t, equal_values_are_kept_once);
    tcase_add_test(t, rows_are_walked_in_order_of_creation);
    tcase_add_test(t, rows_are_found_by_uuid_and_name);
    tcase_add_test(t, a_derived_set_shows_the_rows_that_refer);
    tcase_add_test(t, referrers_can_be_deleted_while_they_are_walked);
    tcase_add_test(t, a_class_can_be_emptied_while_it_is_walked);
    suite_add_tcase(s, t);
}

static void add_transactions(Suite *s)
{
    TCase *t = cases("transactions");

    tcase_add_test(t, an_aborted_transaction_leaves_no_trace);
    tcase_add_test(t, a_transaction_that_changes_nothing_makes_no_generation);
    tcase_add_test(t, touching_a_row_makes_a_generation);
    tcase_add_loop_test_raise_signal(t, misuse_aborts_the_process, SIGABRT, 0,
                                     sizeof misuses / sizeof misuses[0]);
    tcase_add_test(t, the_commit_hook_sees_the_changes_and_may_add_its_own);
    tcase_add_test(t, a_commit_that_fails_is_undone);
    tcase_add_test(t, a_commit_wakes_those_who_wait_for_changes);
    suite_add_tcase(s, t);
}

static void add_changes(Suite *s)
{
    TCase *t = cases("changes");

    tcase_add_test(t, changes_come_oldest_first_with_deletions_among_them);
    tcase_add_test(t, a_row_that_is_deleted_and_made_again_is_seen_as_both);
    tcase_add_test(t, the_oldest_deletions_are_forgotten_when_there_are_too_many);
    suite_add_tcase(s, t);
}

int main(void)
{
    Suite *s = suite_create("db rows");

    add_rows(s);
    add_transactions(s);
    add_changes(s);
    return run_suite(s);
}
