/* A copy follows its source commit by commit, or takes a snapshot; both are then the same. */
#include "db/replica.h"
#include "db/cell.h"
#include "db/feed.h"
#include "tests/db/fixture.h"
#include "tests/db/random_value.h"

static const enum model_class_id classes[] = {CLASS_VM, CLASS_VBD, CLASS_TASK, CLASS_SESSION, CLASS_PGPU};
enum { N_CLASSES = sizeof classes / sizeof classes[0], KEPT = 64 << 20 };

static struct dice dice;
static struct db *source, *copy;
static struct replica *replica;

static struct replica *replica_of_source(struct db *db)
{
    CLEANUP_BUF struct buf model = {0};
    CLEANUP_ERR struct err e = {0};
    struct replica *r = NULL;

    feed_describe(&model);
    ck_assert_int_eq(replica_new(db, model.data, model.len, &r, &e), 0);
    return r;
}

static void follow(void)
{
    CLEANUP_ERR struct err e = {0};
    const struct batch *b;
    bool lost;

    while ((b = feed_next(source, db_generation(copy), &lost)))
        ck_assert_msg(replica_apply(replica, b->data.data, b->data.len, b->generation, &e) == 0, "%s",
                      err_text(NULL, &e));
    ck_assert(!lost);
}

static void take_snapshot(void)
{
    CLEANUP_ERR struct err e = {0};
    struct batch *b = feed_snapshot(source);

    ck_assert_msg(replica_load(replica, b->data.data, b->data.len, b->generation, &e) == 0, "%s",
                  err_text(NULL, &e));
    batch_free(b);
}

static void setup(void)
{
    folder_make();
    dice.state = test_seed();
    source = must_open(NULL);
    db_feed_start(source, KEPT);
    copy = must_open(db_path);
    replica = replica_of_source(copy);
    while (db_generation(source) < db_generation(copy))
        make_vm(source, "from before");
    take_snapshot();
}

static void teardown(void)
{
    replica_free(replica);
    db_close(copy);
    db_close(source);
    folder_remove();
}

/* ---- changes ---- */

static void change_row(struct txn *t, void *mem, const struct row *row)
{
    const struct model_class *c = &model_classes[row->cls];
    unsigned field = dice_roll(&dice, c->n_fields);

    switch (dice_roll(&dice, 8)) {
    case 0:
        db_delete(t, row);
        break;
    case 1:
        db_touch(t, row);
        break;
    default:
        if (field_has_cell(&c->fields[field]))
            db_set(t, row, field, dice_value(&dice, mem, c->fields[field].type));
    }
}

static void change_something(void)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct txn *t = db_begin(source);

    for (uint32_t n = dice_roll(&dice, 10); n > 0; n--) {
        enum model_class_id cls = classes[dice_roll(&dice, N_CLASSES)];
        struct ref ref = dice_ref(&dice);
        const struct row *row = db_get(source, cls, ref);

        if (row)
            change_row(t, mem, row);
        else
            db_create(t, cls, ref);
    }
    must_commit(t);
}

static void compare_rows(const struct row *a, const struct row *b, bool all_fields)
{
    const struct model_class *c = &model_classes[a->cls];

    for (unsigned i = 0; i < c->n_fields; i++) {
        const struct model_field *f = &c->fields[i];

        if (field_has_cell(f) && (all_fields || f->persistent))
            ck_assert_msg(value_equal(f->type, cell_load(a, f), cell_load(b, f)), "%s.%s", c->name, f->name);
    }
}

static void compare(struct db *a, struct db *b, bool all)
{
    for (unsigned cls = 0; cls < CLASS_COUNT; cls++) {
        if (!model_classes[cls].stored || (!all && !model_classes[cls].persistent))
            continue;
        ck_assert_uint_eq(db_count(a, cls), db_count(b, cls));
        DB_FOREACH (a, cls, row) {
            ck_assert_ptr_nonnull(db_get(b, cls, row->ref));
            compare_rows(row, db_get(b, cls, row->ref), all);
        }
    }
}

/* The copy shows the same history: every row's generations, in the same order. */
static void add_change(const struct db_change *c, void *arg)
{
    buf_printf(arg, "%d %llx %llu %llu %d\n", (int)c->cls, (unsigned long long)c->ref.lo,
               (unsigned long long)c->created, (unsigned long long)c->changed, c->row != NULL);
}

static void compare_histories(uint64_t since)
{
    CLEANUP_BUF struct buf a = {0}, b = {0};

    db_changes_since(source, since, add_change, &a);
    db_changes_since(copy, since, add_change, &b);
    ck_assert_str_eq(buf_cstr(&a), buf_cstr(&b));
}

START_TEST(a_copy_that_follows_is_the_same_with_its_history)
{
    for (int i = 0; i < 400; i++) {
        change_something();
        if (dice_roll(&dice, 3) == 0)
            follow();
    }
    follow();
    ck_assert_uint_eq(db_generation(copy), db_generation(source));
    compare(source, copy, true);
    compare_histories(0);
    compare_histories(db_generation(source) / 2);
}
END_TEST

START_TEST(a_copy_is_in_its_own_file)
{
    for (int i = 0; i < 200; i++)
        change_something();
    follow();
    settle(copy);
    replica_free(replica);
    db_close(copy);
    loop_run();
    copy = must_open(db_path);
    replica = replica_of_source(copy);
    ck_assert_uint_ge(db_generation(copy), db_generation(source));
    compare(source, copy, false);
}
END_TEST

START_TEST(a_snapshot_makes_whatever_was_there_the_same)
{
    for (int i = 0; i < 100; i++)
        change_something();
    follow();
    for (int i = 0; i < 100; i++)
        change_something();
    take_snapshot();
    ck_assert_uint_eq(db_generation(copy), db_generation(source));
    ck_assert_uint_eq(db_oldest_tombstone(copy), db_generation(source));
    compare(source, copy, true);
    for (int i = 0; i < 50; i++)
        change_something();
    follow();
    compare(source, copy, true);
}
END_TEST

static void count_change(const struct db_change *c, void *arg)
{
    ++*(unsigned *)arg;
}

START_TEST(a_snapshot_changes_only_what_differs)
{
    struct ref vm = make_vm(source, "one");
    uint64_t before;
    unsigned n = 0;

    make_vm(source, "two");
    take_snapshot();
    before = db_generation(copy);
    rename_vm(source, vm, "three");
    take_snapshot();
    db_changes_since(copy, before, count_change, &n);
    ck_assert_uint_eq(n, 1);
    ck_assert_str_eq(db_vm(copy, vm)->name_label, "three");
}
END_TEST

/* ---- what is kept ---- */

START_TEST(a_copy_is_changed_by_its_source_alone)
{
    CLEANUP_ERR struct err e = {0};
    struct txn *t;

    change_something();
    replica_begin(copy);
    ck_assert_uint_eq(db_generation(copy), 0);
    t = db_begin(copy);
    db_create(t, CLASS_VM, REF_NULL);
    ck_assert_int_eq(db_commit(t, &e), -1);
    ck_assert(err_is(&e, "INTERNAL_ERROR"));
    take_snapshot();
    ck_assert_uint_eq(db_generation(copy), db_generation(source));
    compare(source, copy, true);
}
END_TEST

START_TEST(who_was_away_too_long_is_told_so)
{
    bool lost;

    db_feed_start(source, 4096);
    for (int i = 0; i < 40; i++)
        make_vm(source, "some");
    ck_assert_ptr_null(feed_next(source, db_generation(copy), &lost));
    ck_assert(lost);
    ck_assert_ptr_null(feed_next(source, db_generation(source), &lost));
    ck_assert(!lost);
    ck_assert_ptr_null(feed_next(source, db_generation(source) + 1, &lost));
    ck_assert(lost);
}
END_TEST

/* ---- bytes that are not what they should be ---- */

/* The batch of one commit that makes, changes and deletes rows. */
static void mixed_batch(struct buf *ret)
{
    struct ref vm = make_vm(source, "old"), other = make_vm(source, "gone");
    const struct batch *b;
    struct txn *t;
    bool lost;

    follow();
    t = db_begin(source);
    vm_set_name_label(t, db_vm(source, vm), "new");
    vm_create(t);
    db_delete(t, db_get(source, CLASS_VM, other));
    must_commit(t);
    b = feed_next(source, db_generation(copy), &lost);
    buf_add(ret, b->data.data, b->data.len);
}

/* A new copy as of this generation. */
static void begin_again(uint64_t generation)
{
    CLEANUP_ERR struct err e = {0};
    bool lost;

    replica_free(replica);
    db_close(copy);
    copy = must_open(NULL);
    replica = replica_of_source(copy);
    while (db_generation(copy) < generation) {
        const struct batch *b = feed_next(source, db_generation(copy), &lost);

        ck_assert_int_eq(replica_apply(replica, b->data.data, b->data.len, b->generation, &e), 0);
    }
}

START_TEST(a_batch_cut_short_anywhere_changes_nothing)
{
    CLEANUP_BUF struct buf whole = {0};
    uint64_t generation;

    mixed_batch(&whole);
    generation = db_generation(copy);
    for (size_t n = 1; n < whole.len; n++) {
        CLEANUP_ERR struct err e = {0};
        char *part = malloc(n); /* so that a read past it is noticed */

        memcpy(part, whole.data, n);
        /* A cut between two changes cannot be told from a smaller batch: go back to before it. */
        if (replica_apply(replica, part, n, generation + 1, &e) == 0)
            begin_again(generation);
        ck_assert_uint_eq(db_generation(copy), generation);
        free(part);
    }
    follow();
    compare(source, copy, true);
}
END_TEST

START_TEST(a_batch_of_noise_does_no_harm)
{
    CLEANUP_BUF struct buf whole = {0};

    mixed_batch(&whole);
    for (int i = 0; i < 3000; i++) {
        CLEANUP_ERR struct err e = {0};
        size_t at = dice_roll(&dice, (uint32_t)whole.len);
        char was = whole.data[at];

        whole.data[at] = (char)dice_roll(&dice, 256);
        replica_apply(replica, whole.data, whole.len, db_generation(copy) + 1, &e);
        whole.data[at] = was;
    }
}
END_TEST

START_TEST(a_batch_out_of_turn_is_refused)
{
    CLEANUP_ERR struct err e = {0}, e2 = {0};
    const struct batch *b;
    bool lost;

    uint64_t before = db_generation(copy);

    make_vm(source, "first");
    b = feed_next(source, before, &lost);
    ck_assert_int_eq(replica_apply(replica, b->data.data, b->data.len, before + 2, &e), -1);
    follow();
    ck_assert_int_eq(replica_apply(replica, b->data.data, b->data.len, before + 1, &e2), -1);
    ck_assert_uint_eq(db_generation(copy), before + 1);
}
END_TEST

/* ---- another model ---- */

static void replace(struct buf *text, const char *from, const char *to)
{
    char *at = strstr(buf_cstr(text), from);
    CLEANUP_BUF struct buf out = {0};

    ck_assert_ptr_nonnull(at);
    buf_add(&out, text->data, (size_t)(at - text->data));
    buf_add_str(&out, to);
    buf_add_str(&out, at + strlen(from));
    buf_reset(text);
    buf_add(text, out.data, out.len);
}

/* As if the source came from a release whose model differs. */
static void meet_another_model(const char *from, const char *to)
{
    CLEANUP_BUF struct buf model = {0};
    CLEANUP_ERR struct err e = {0};

    feed_describe(&model);
    replace(&model, from, to);
    replica_free(replica);
    ck_assert_int_eq(replica_new(copy, model.data, model.len, &replica, &e), 0);
}

START_TEST(fields_that_are_unknown_here_are_left_out)
{
    struct ref vm = make_vm(source, "one");
    struct txn *t;

    meet_another_model("[\"user_version\",\"int\"", "[\"user_verse\",\"int\"");
    t = db_begin(source);
    vm_set_user_version(t, db_vm(source, vm), 7);
    vm_set_name_label(t, db_vm(source, vm), "two");
    must_commit(t);
    follow();
    ck_assert_int_ne(db_vm(copy, vm)->user_version, 7);
    ck_assert_str_eq(db_vm(copy, vm)->name_label, "two");
}
END_TEST

START_TEST(classes_that_are_unknown_here_are_left_out)
{
    struct ref vm;

    meet_another_model("[\"VM\",[", "[\"Dream\",[");
    vm = make_vm(source, "dream");
    follow();
    ck_assert_ptr_null(db_vm(copy, vm));
    ck_assert_uint_eq(db_generation(copy), db_generation(source));
}
END_TEST

START_TEST(enum_values_that_are_unknown_here_leave_the_field_alone)
{
    struct ref vm = make_vm(source, "one");
    struct txn *t;

    meet_another_model("\"Halted\",\"Paused\",\"Running\"", "\"Halted\",\"Dreaming\",\"Running\"");
    t = db_begin(source);
    vm_set_power_state(t, db_vm(source, vm), VM_POWER_STATE_RUNNING);
    must_commit(t);
    t = db_begin(source);
    vm_set_power_state(t, db_vm(source, vm), VM_POWER_STATE_PAUSED);
    must_commit(t);
    follow();
    ck_assert_int_eq(db_vm(copy, vm)->power_state, VM_POWER_STATE_RUNNING);
}
END_TEST

START_TEST(a_description_that_is_none_is_refused)
{
    static const char *const bad[] = {"",
                                      "{}",
                                      "[[]]",
                                      "[[\"VM\"]]",
                                      "[[\"VM\",[[]]]]",
                                      "[[1,[]]]",
                                      "[[\"VM\",[[\"a\",\"int\",99]]]]",
                                      "[",
                                      "[[\"VM\",[[\"a\",\"enum b\",6]]]]"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CLEANUP_ERR struct err e = {0};
        struct replica *r = NULL;

        ck_assert_msg(replica_new(copy, bad[i], strlen(bad[i]), &r, &e) < 0, "%s", bad[i]);
    }
}
END_TEST

static TCase *cases(const char *name)
{
    TCase *t = tcase_create(name);

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    return t;
}

static void add_copies(Suite *s)
{
    TCase *t = cases("copies");

    tcase_add_test(t, a_copy_that_follows_is_the_same_with_its_history);
    tcase_add_test(t, a_copy_is_in_its_own_file);
    tcase_add_test(t, a_snapshot_makes_whatever_was_there_the_same);
    tcase_add_test(t, a_snapshot_changes_only_what_differs);
    tcase_add_test(t, a_copy_is_changed_by_its_source_alone);
    tcase_add_test(t, who_was_away_too_long_is_told_so);
    suite_add_tcase(s, t);
}

static void add_distrust(Suite *s)
{
    TCase *t = cases("distrust");

    tcase_add_test(t, a_batch_cut_short_anywhere_changes_nothing);
    tcase_add_test(t, a_batch_of_noise_does_no_harm);
    tcase_add_test(t, a_batch_out_of_turn_is_refused);
    tcase_add_test(t, fields_that_are_unknown_here_are_left_out);
    tcase_add_test(t, classes_that_are_unknown_here_are_left_out);
    tcase_add_test(t, enum_values_that_are_unknown_here_leave_the_field_alone);
    tcase_add_test(t, a_description_that_is_none_is_refused);
    suite_add_tcase(s, t);
}

int main(void)
{
    Suite *s = suite_create("db replica");

    add_copies(s);
    add_distrust(s);
    return run_suite(s);
}
