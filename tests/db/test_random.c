/* Thousands of random transactions on the real database and on a naive one; both must always agree. */
#include <talloc.h>
#include "db/db.h"
#include "db/cell.h"
#include "tests/db/naive.h"
#include "tests/db/random_value.h"
#include "tests/db/fixture.h"

static const enum model_class_id classes[] = {CLASS_VM,   CLASS_VBD,  CLASS_VDI,
                                              CLASS_TASK, CLASS_PGPU, CLASS_SR};

struct world {
    struct dice dice;
    struct db *db;
    struct naive naive;
    struct txn *txn;
    void *mem;
};

static enum model_class_id some_class(struct world *w)
{
    return classes[dice_roll(&w->dice, sizeof classes / sizeof classes[0])];
}

static const struct row *some_row(struct world *w, enum model_class_id cls)
{
    return db_get(w->db, cls, dice_ref(&w->dice));
}

static void create_one(struct world *w)
{
    enum model_class_id cls = some_class(w);
    const struct model_class *c = &model_classes[cls];
    struct ref ref = dice_ref(&w->dice);
    const struct row *row;

    if (db_get(w->db, cls, ref))
        return;
    row = db_create(w->txn, cls, ref);
    naive_create(&w->naive, cls, ref,
                 c->uuid_field >= 0 ? cell_load(row, &c->fields[c->uuid_field]).s : NULL);
}

static void set_one(struct world *w)
{
    enum model_class_id cls = some_class(w);
    const struct model_class *c = &model_classes[cls];
    const struct row *row = some_row(w, cls);
    unsigned field = dice_roll(&w->dice, c->n_fields);
    union value v;

    if (!row || !field_has_cell(&c->fields[field]))
        return;
    if (dice_roll(&w->dice, 4) == 0 && c->name_field >= 0)
        field = (unsigned)c->name_field;
    v = dice_value(&w->dice, w->mem, c->fields[field].type);
    naive_set(&w->naive, cls, row->ref, field, v);
    db_set(w->txn, row, field, v);
}

/* Set two fields, then set them back: no change. */
static void set_there_and_back(struct world *w)
{
    enum model_class_id cls = some_class(w);
    const struct model_class *c = &model_classes[cls];
    const struct row *row = some_row(w, cls);
    unsigned field = dice_roll(&w->dice, c->n_fields);
    union value before;

    if (!row || !field_has_cell(&c->fields[field]))
        return;
    before = value_copy(w->mem, c->fields[field].type, cell_load(row, &c->fields[field]));
    for (int i = 0; i < 2; i++) {
        union value v = i == 0 ? dice_value(&w->dice, w->mem, c->fields[field].type) : before;

        naive_set(&w->naive, cls, row->ref, field, v);
        db_set(w->txn, row, field, v);
    }
}

static void delete_one(struct world *w)
{
    enum model_class_id cls = some_class(w);
    const struct row *row = some_row(w, cls);

    if (!row)
        return;
    naive_delete(&w->naive, cls, row->ref);
    db_delete(w->txn, row);
}

static void touch_one(struct world *w)
{
    enum model_class_id cls = some_class(w);
    const struct row *row = some_row(w, cls);

    if (!row)
        return;
    naive_touch(&w->naive, cls, row->ref);
    db_touch(w->txn, row);
}

static void change_something(struct world *w)
{
    uint32_t what = dice_roll(&w->dice, 20);

    if (what < 4)
        create_one(w);
    else if (what < 14)
        set_one(w);
    else if (what < 16)
        set_there_and_back(w);
    else if (what < 19)
        delete_one(w);
    else
        touch_one(w);
}

static void one_transaction(struct world *w)
{
    CLEANUP_ERR struct err e = {0};

    w->txn = db_begin(w->db);
    naive_begin(&w->naive);
    for (uint32_t n = dice_roll(&w->dice, 12); n > 0; n--)
        change_something(w);
    if (dice_roll(&w->dice, 8) == 0)
        naive_compare_all(&w->naive, w->db);
    if (dice_roll(&w->dice, 4) == 0) {
        db_abort(w->txn);
        naive_abort(&w->naive);
    } else {
        ck_assert_int_eq(db_commit(w->txn, &e), 0);
        naive_commit(&w->naive);
    }
    ck_assert_uint_eq(db_generation(w->db), w->naive.generation);
}

START_TEST(random_transactions_agree_with_a_naive_database)
{
    struct world w = {.dice = {test_seed()}};
    CLEANUP_ERR struct err e = {0};

    ck_assert_int_eq(db_open(NULL, &w.db, &e), 0);
    naive_init(&w.naive, db_generation(w.db));
    for (int i = 0; i < 1500; i++) {
        w.mem = talloc_new(NULL);
        one_transaction(&w);
        if (i % 3 == 0) {
            naive_compare_all(&w.naive, w.db);
            naive_compare_changes(&w.naive, w.db, dice_roll(&w.dice, (uint32_t)w.naive.generation + 1));
        }
        talloc_free(w.mem);
    }
    naive_compare_changes(&w.naive, w.db, 0);
    naive_fini(&w.naive);
    db_close(w.db);
}
END_TEST

START_TEST(random_transactions_are_all_in_the_file)
{
    struct world w = {.dice = {test_seed()}, .db = must_open(db_path)};

    naive_init(&w.naive, db_generation(w.db));
    for (int i = 0; i < 600; i++) {
        w.mem = talloc_new(NULL);
        one_transaction(&w);
        if (dice_roll(&w.dice, 5) == 0)
            settle(w.db);
        if (dice_roll(&w.dice, 40) == 0) {
            db_close(w.db);
            loop_run();
            w.db = must_open(db_path);
            naive_restart(&w.naive, w.db);
            naive_compare_all(&w.naive, w.db);
        }
        talloc_free(w.mem);
    }
    naive_compare_all(&w.naive, w.db);
    naive_fini(&w.naive);
    db_close(w.db);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("db random");
    TCase *t = tcase_create("against a naive database");

    tcase_add_checked_fixture(t, folder_make, folder_remove);
    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_loop_test(t, random_transactions_agree_with_a_naive_database, 0, 4);
    tcase_add_loop_test(t, random_transactions_are_all_in_the_file, 0, 3);
    suite_add_tcase(s, t);
    return run_suite(s);
}
