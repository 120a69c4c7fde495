/* The file: what is read is what was written; other people's, damaged, newer and older files. */
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include "db/cell.h"
#include "db/store.h"
#include "lib/fault.h"
#include "tests/db/fixture.h"
#include "tests/db/random_value.h"

/* ---- the file by other means ---- */

static void sql_run(const char *path, const char *text)
{
    sqlite3 *sql;
    char *why = NULL;

    ck_assert_int_eq(sqlite3_open(path, &sql), SQLITE_OK);
    if (sqlite3_exec(sql, text, NULL, NULL, &why) != SQLITE_OK)
        ck_abort_msg("%s: %s", text, why);
    ck_assert_int_eq(sqlite3_close(sql), SQLITE_OK);
}

/* The first column of the first row as text. */
static const char *sql_text(const char *path, const char *query)
{
    static char text[256];
    sqlite3_stmt *stmt;
    sqlite3 *sql;

    ck_assert_int_eq(sqlite3_open(path, &sql), SQLITE_OK);
    ck_assert_msg(sqlite3_prepare_v2(sql, query, -1, &stmt, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(sql));
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
    snprintf(text, sizeof text, "%s", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    sqlite3_close(sql);
    return text;
}

/* ---- what is read is what was written ---- */

static void fill(struct txn *t, const struct row *row, struct dice *dice, void *mem)
{
    const struct model_class *c = &model_classes[row->cls];

    for (unsigned i = 0; i < c->n_fields; i++) {
        if (field_has_cell(&c->fields[i]) && (int)i != c->uuid_field && dice_roll(dice, 8) != 0)
            db_set(t, row, i, dice_unique_value(dice, mem, c->fields[i].type));
    }
}

static void fill_all_classes(struct db *db, struct dice *dice)
{
    for (unsigned cls = 0; cls < CLASS_COUNT; cls++) {
        for (int n = 0; model_classes[cls].stored && n < 3; n++) {
            void *mem = talloc_new(NULL);
            struct txn *t = db_begin(db);

            fill(t, db_create(t, cls, REF_NULL), dice, mem);
            must_commit(t);
            talloc_free(mem);
        }
    }
}

/* Change a few fields of each row in transactions of their own: updates rather than inserts. */
static void change_all_rows(struct db *db, struct dice *dice)
{
    for (unsigned cls = 0; cls < CLASS_COUNT; cls++) {
        DB_FOREACH (db, cls, row) {
            void *mem = talloc_new(NULL);
            struct txn *t = db_begin(db);
            unsigned field = dice_roll(dice, model_classes[cls].n_fields);

            if (field_has_cell(&model_classes[cls].fields[field]))
                db_set(t, row, field, dice_unique_value(dice, mem, model_classes[cls].fields[field].type));
            must_commit(t);
            talloc_free(mem);
        }
    }
}

struct copy {
    struct row head;
    union value *v;
};

/* Rows as they are now, on mem, NULL-terminated. */
static struct copy **copy_class(struct db *db, void *mem, enum model_class_id cls)
{
    const struct model_class *c = &model_classes[cls];
    struct copy **all = talloc_zero_array(mem, struct copy *, db_count(db, cls) + 1);
    unsigned n = 0;

    DB_FOREACH (db, cls, row) {
        struct copy *copy = talloc_zero(mem, struct copy);

        copy->head = *row;
        copy->v = talloc_zero_array(mem, union value, c->n_fields);
        for (unsigned i = 0; i < c->n_fields; i++) {
            if (field_has_cell(&c->fields[i]))
                copy->v[i] = value_copy(mem, c->fields[i].type, cell_load(row, &c->fields[i]));
        }
        all[n++] = copy;
    }
    return all;
}

static void compare_row(const struct row *row, const struct copy *copy)
{
    const struct model_class *c = &model_classes[row->cls];

    ck_assert(ref_equal(row->ref, copy->head.ref));
    ck_assert_uint_eq(row->created, copy->head.created);
    ck_assert_uint_le(row->modified, copy->head.modified);
    for (unsigned i = 0; i < c->n_fields; i++) {
        const struct model_field *f = &c->fields[i];
        union value want = f->persistent ? copy->v[i] : f->initial;

        if (field_has_cell(f))
            ck_assert_msg(value_equal(f->type, cell_load(row, f), want), "%s.%s differs", c->name, f->name);
    }
}

static void compare_class(struct db *db, enum model_class_id cls, struct copy **all)
{
    const struct row *row = db_first(db, cls);

    if (!model_classes[cls].persistent) {
        ck_assert_ptr_null(row);
        return;
    }
    for (; *all; all++, row = db_next(row)) {
        ck_assert_ptr_nonnull(row);
        compare_row(row, *all);
    }
    ck_assert_ptr_null(row);
}

START_TEST(what_is_read_is_what_was_written)
{
    struct dice dice = {test_seed()};
    void *mem = talloc_new(NULL);
    struct copy **copies[CLASS_COUNT];
    struct db *db = must_open(db_path);
    uint64_t gen;

    fill_all_classes(db, &dice);
    settle(db);
    for (int i = 0; i < 5; i++)
        change_all_rows(db, &dice);
    for (unsigned cls = 0; cls < CLASS_COUNT; cls++)
        copies[cls] = copy_class(db, mem, cls);
    gen = db_generation(db);
    db_close(db);
    db = must_open(db_path);
    ck_assert_uint_gt(db_generation(db), gen);
    ck_assert_uint_eq(db_oldest_tombstone(db), db_generation(db));
    for (unsigned cls = 0; cls < CLASS_COUNT; cls++)
        compare_class(db, cls, copies[cls]);
    db_close(db);
    talloc_free(mem);
}
END_TEST

START_TEST(deleted_rows_are_gone_after_a_restart)
{
    struct db *db = must_open(db_path);
    struct ref a = make_vm(db, "a"), b = make_vm(db, "b");
    struct txn *t;

    settle(db);
    t = db_begin(db);
    vm_set_name_label(t, db_vm(db, a), "changed and deleted at once");
    db_delete(t, db_get(db, CLASS_VM, a));
    must_commit(t);
    settle(db);
    db_close(db);
    db = must_open(db_path);
    ck_assert_ptr_null(db_vm(db, a));
    ck_assert_str_eq(db_vm(db, b)->name_label, "b");
    db_close(db);
}
END_TEST

START_TEST(order_of_changes_survives_a_restart)
{
    struct db *db = must_open(db_path);
    struct ref a = make_vm(db, "a"), b = make_vm(db, "b");
    uint64_t changed;

    rename_vm(db, a, "a2");
    changed = db_vm(db, a)->row.modified;
    db_close(db);
    db = must_open(db_path);
    ck_assert_uint_eq(db_vm(db, a)->row.modified, changed);
    ck_assert_uint_lt(db_vm(db, b)->row.modified, changed);
    ck_assert(ref_equal(db_first(db, CLASS_VM)->ref, a));
    db_close(db);
}
END_TEST

START_TEST(a_person_can_read_the_file)
{
    struct db *db = must_open(db_path);
    struct txn *t = db_begin(db);
    const struct vm *vm = vm_create(t);
    const struct vm_metrics *m = vm_metrics_create(t);
    void *mem = talloc_new(NULL);

    vm_set_name_label(t, vm, "it's");
    vm_set_memory_target(t, vm, 5);
    vm_set_power_state(t, vm, VM_POWER_STATE_RUNNING);
    vm_set_is_a_template(t, vm, true);
    vm_set_hvm_shadow_multiplier(t, vm, 1.5);
    vm_set_other_config(t, vm, map_with(mem, NULL, "a", "\"b\""));
    vm_set_tags(t, vm, set_of_strings(mem, 2, "x", "y"));
    vm_metrics_set_start_time(t, m, 1000000000);
    must_commit(t);
    settle(db);
    ck_assert_str_eq(sql_text(db_path, "SELECT name_label FROM VM"), "it's");
    ck_assert_str_eq(sql_text(db_path, "SELECT memory_target + 1 FROM VM"), "6");
    ck_assert_str_eq(sql_text(db_path, "SELECT power_state FROM VM"), "Running");
    ck_assert_str_eq(sql_text(db_path, "SELECT is_a_template FROM VM"), "1");
    ck_assert_str_eq(sql_text(db_path, "SELECT HVM_shadow_multiplier FROM VM"), "1.5");
    ck_assert_str_eq(sql_text(db_path, "SELECT other_config ->> 'a' FROM VM"), "\"b\"");
    ck_assert_str_eq(sql_text(db_path, "SELECT tags ->> 1 FROM VM"), "y");
    ck_assert_str_eq(sql_text(db_path, "SELECT affinity FROM VM"), "OpaqueRef:NULL");
    ck_assert_str_eq(sql_text(db_path, "SELECT start_time FROM VM_metrics"), "20010909T01:46:40Z");
    ck_assert_str_eq(sql_text(db_path, "SELECT count(*) FROM sqlite_schema WHERE name = 'session'"), "0");
    ck_assert_str_eq(sql_text(db_path, "PRAGMA journal_mode"), "wal");
    talloc_free(mem);
    db_close(db);
}
END_TEST

START_TEST(generations_never_come_again_even_those_of_memory_only_changes)
{
    struct db *db = must_open(db_path);
    uint64_t gen;
    char copy[128], command[512];

    make_vm(db, "a");
    settle(db);
    for (int i = 0; i < 1000; i++) {
        struct txn *t = db_begin(db);

        task_create(t);
        must_commit(t);
    }
    gen = db_generation(db);
    ck_assert(db_is_durable(db, gen));
    /* As a crash would leave it: */
    snprintf(copy, sizeof copy, "%s/copy.db", folder);
    snprintf(command, sizeof command, "cp %s %s && cp %s-wal %s-wal", db_path, copy, db_path, copy);
    ck_assert_int_eq(system(command), 0);
    db_close(db);
    db = must_open(copy);
    ck_assert_uint_gt(db_generation(db), gen);
    db_close(db);
}
END_TEST

START_TEST(a_fresh_file_is_for_its_owner_only)
{
    struct stat st;
    struct db *db = must_open(db_path);

    ck_assert_int_eq(stat(db_path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    db_close(db);
}
END_TEST

/* ---- refusals ---- */

START_TEST(a_file_in_use_is_refused)
{
    struct db *db = must_open(db_path);

    must_refuse(db_path, "in use");
    db_close(db);
    db_close(must_open(db_path));
}
END_TEST

static void write_file(const char *path, const char *text, size_t n)
{
    FILE *f = fopen(path, "w");

    ck_assert_uint_eq(fwrite(text, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(what_is_no_database_is_refused)
{
    static char text[8192];

    memset(text, 'x', sizeof text);
    write_file(db_path, text, sizeof text);
    must_refuse(db_path, "is not a database");
    write_file(db_path, text, 10);
    must_refuse(db_path, "is not a database");
    write_file(db_path, text, 0);
    must_refuse(db_path, "is empty");
    unlink(db_path);
    sql_run(db_path, "CREATE TABLE t (x)");
    must_refuse(db_path, "another program");
    must_refuse(folder, "is not a file");
    must_refuse("/nonexistent/folder/xapid.db", "No such file");
}
END_TEST

static void make_big_file(void)
{
    struct dice dice = {42};
    struct db *db = must_open(db_path);

    for (int i = 0; i < 5; i++)
        fill_all_classes(db, &dice);
    db_close(db);
}

START_TEST(a_truncated_file_is_refused)
{
    struct stat st;

    make_big_file();
    ck_assert_int_eq(stat(db_path, &st), 0);
    ck_assert_int_eq(truncate(db_path, st.st_size / 2), 0);
    must_refuse(db_path, "is damaged");
}
END_TEST

/* Overwrite pages with noise, all over the file. The first page makes it no database any more. */
START_TEST(a_damaged_file_is_refused)
{
    struct stat st;
    static char noise[4096];
    int fd;

    make_big_file();
    ck_assert_int_eq(stat(db_path, &st), 0);
    memset(noise, 0xa5, sizeof noise);
    fd = open(db_path, O_RDWR);
    for (off_t at = 4096; at + 4096 <= st.st_size; at += 5 * 4096)
        ck_assert_int_eq(pwrite(fd, noise, sizeof noise, at), sizeof noise);
    close(fd);
    must_refuse(db_path, "damaged");
}
END_TEST

START_TEST(a_newer_schema_is_refused)
{
    db_close(must_open(db_path));
    sql_run(db_path, "UPDATE meta SET value = value + 1 WHERE key = 'schema_version'");
    must_refuse(db_path, "schema version");
}
END_TEST

START_TEST(a_journal_without_its_file_is_refused)
{
    char journal[128];

    snprintf(journal, sizeof journal, "%s-wal", db_path);
    write_file(journal, "x", 1);
    must_refuse(db_path, "is missing");
}
END_TEST

static const char *const bad_values[][2] = {
    {"UPDATE VM SET power_state = 'Sleeping'", "column power_state"},
    {"UPDATE VM SET memory_target = 'much'", "column memory_target"},
    {"UPDATE VM SET is_a_template = 2", "column is_a_template"},
    {"UPDATE VM SET tags = '[1, 2'", "column tags"},
    {"UPDATE VM SET tags = '{}'", "column tags"},
    {"UPDATE VM SET other_config = '[]'", "column other_config"},
    {"UPDATE VM SET affinity = 'host 7'", "column affinity"},
    {"UPDATE VM SET name_label = x'ff'", "column name_label"},
    {"UPDATE VM SET name_label = cast(x'c328' AS TEXT)", "column name_label"},
    {"UPDATE VM SET HVM_shadow_multiplier = 'x'", "column HVM_shadow_multiplier"},
    {"UPDATE VM SET snapshot_time = 'yesterday'", "column snapshot_time"},
    {"UPDATE VM SET ref = 'OpaqueRef:NULL'", "whose reference"},
    {"DELETE FROM meta WHERE key = 'generation'", "no answer"},
    {"ALTER TABLE VM DROP COLUMN name_label", "name_label"},
    {"DROP TABLE VM", "VM"},
};

START_TEST(a_file_that_was_edited_wrongly_is_refused)
{
    struct db *db = must_open(db_path);

    make_vm(db, "a");
    db_close(db);
    sql_run(db_path, bad_values[_i][0]);
    must_refuse(db_path, bad_values[_i][1]);
}
END_TEST

/* ---- migration ---- */

/* Make the file that of an older model: a column less, a column and a table more, a value that is gone. */
static struct ref make_old_file(void)
{
    struct db *db = must_open(db_path);
    struct ref vm = make_vm(db, "old");

    db_close(db);
    sql_run(db_path,
            "ALTER TABLE VM DROP COLUMN HVM_shadow_multiplier;"
            "ALTER TABLE VM DROP COLUMN name_description;"
            "ALTER TABLE VM ADD COLUMN horns INTEGER DEFAULT 2;"
            "ALTER TABLE VM DROP COLUMN memory_target;"
            "ALTER TABLE VM ADD COLUMN memory_target TEXT DEFAULT 'much';"
            "UPDATE VM SET power_state = 'Sleeping';"
            "DROP TABLE VDI;"
            "CREATE TABLE unicorn (ref TEXT PRIMARY KEY NOT NULL, created_generation INTEGER NOT NULL,"
            " modified_generation INTEGER NOT NULL);"
            "CREATE TABLE notes (text TEXT);"
            "UPDATE meta SET value = 12345 WHERE key = 'model_fingerprint'");
    return vm;
}

static unsigned count_copies(char *ret_name, size_t size)
{
    char command[256];
    unsigned n = 0;
    FILE *f;

    snprintf(command, sizeof command, "ls -d %s.before-migration-* 2>/dev/null", db_path);
    f = popen(command, "r");
    while (fgets(ret_name, (int)size, f)) {
        ret_name[strcspn(ret_name, "\n")] = '\0';
        n++;
    }
    pclose(f);
    return n;
}

static void check_migrated(struct ref ref)
{
    struct db *db = must_open(db_path);
    const struct vm *vm = db_vm(db, ref);
    const struct model_class *c = &model_classes[CLASS_VM];

    ck_assert_str_eq(vm->name_label, "old");
    ck_assert_str_eq(vm->name_description, "");
    ck_assert(vm->HVM_shadow_multiplier == c->fields[VM_F_HVM_SHADOW_MULTIPLIER].initial.f);
    ck_assert_int_eq(vm->memory_target, c->fields[VM_F_MEMORY_TARGET].initial.i);
    ck_assert_int_eq(vm->power_state, c->fields[VM_F_POWER_STATE].initial.i);
    rename_vm(db, ref, "new");
    db_close(db);
    ck_assert_str_eq(sql_text(db_path, "SELECT count(*) FROM sqlite_schema WHERE name = 'unicorn'"), "0");
    ck_assert_str_eq(sql_text(db_path, "SELECT count(*) FROM sqlite_schema WHERE name = 'notes'"), "1");
    ck_assert_str_eq(sql_text(db_path, "SELECT count(*) FROM pragma_table_info('VM') WHERE name = 'horns'"),
                     "0");
    ck_assert_str_eq(sql_text(db_path, "SELECT count(*) FROM VDI"), "0");
    db = must_open(db_path);
    ck_assert_str_eq(db_vm(db, ref)->name_label, "new");
    db_close(db);
}

START_TEST(an_older_file_is_migrated_and_a_copy_kept)
{
    struct ref vm = make_old_file();
    char copy[256];

    check_migrated(vm);
    ck_assert_uint_eq(count_copies(copy, sizeof copy), 1);
    ck_assert_str_eq(sql_text(copy, "SELECT horns FROM VM"), "2");
    ck_assert_str_eq(sql_text(copy, "SELECT power_state FROM VM"), "Sleeping");
}
END_TEST

START_TEST(a_migration_that_was_interrupted_is_repeated)
{
    struct ref vm = make_old_file();
    char copy[256];

    fault_arm(FAULT_DB, 1);
    must_refuse(db_path, "could not be opened");
    fault_disarm();
    ck_assert_str_eq(sql_text(db_path, "SELECT horns FROM VM"), "2");
    check_migrated(vm);
    ck_assert_uint_eq(count_copies(copy, sizeof copy), 1);
}
END_TEST

START_TEST(making_a_file_that_was_interrupted_is_repeated)
{
    fault_arm(FAULT_DB, 1);
    must_refuse(db_path, "could not be opened");
    fault_disarm();
    ck_assert_int_ne(access(db_path, F_OK), 0);
    db_close(must_open(db_path));
}
END_TEST

START_TEST(no_column_collides_with_another)
{
    for (unsigned cls = 0; cls < CLASS_COUNT; cls++) {
        const struct model_class *c = &model_classes[cls];

        for (unsigned i = 0; i < c->n_fields; i++) {
            if (!field_has_column(c, &c->fields[i]))
                continue;
            ck_assert_str_ne(c->fields[i].name, "ref");
            for (unsigned j = 0; j < i; j++)
                ck_assert_int_ne(strcasecmp(c->fields[i].name, c->fields[j].name), 0);
        }
        ck_assert_str_ne(c->name, "meta");
        for (unsigned other = 0; other < cls; other++)
            ck_assert_int_ne(strcasecmp(c->name, model_classes[other].name), 0);
    }
}
END_TEST

static TCase *cases(const char *name)
{
    TCase *t = tcase_create(name);

    tcase_add_checked_fixture(t, folder_make, folder_remove);
    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    return t;
}

static void add_reading(Suite *s)
{
    TCase *t = cases("reading");

    tcase_add_loop_test(t, what_is_read_is_what_was_written, 0, 3);
    tcase_add_test(t, deleted_rows_are_gone_after_a_restart);
    tcase_add_test(t, order_of_changes_survives_a_restart);
    tcase_add_test(t, a_person_can_read_the_file);
    tcase_add_test(t, generations_never_come_again_even_those_of_memory_only_changes);
    tcase_add_test(t, a_fresh_file_is_for_its_owner_only);
    suite_add_tcase(s, t);
}

static void add_refusals(Suite *s)
{
    TCase *t = cases("refusals");

    tcase_add_test(t, a_file_in_use_is_refused);
    tcase_add_test(t, what_is_no_database_is_refused);
    tcase_add_test(t, a_truncated_file_is_refused);
    tcase_add_test(t, a_damaged_file_is_refused);
    tcase_add_test(t, a_newer_schema_is_refused);
    tcase_add_test(t, a_journal_without_its_file_is_refused);
    tcase_add_loop_test(t, a_file_that_was_edited_wrongly_is_refused, 0,
                        sizeof bad_values / sizeof bad_values[0]);
    suite_add_tcase(s, t);
}

static void add_migration(Suite *s)
{
    TCase *t = cases("migration");

    tcase_add_test(t, an_older_file_is_migrated_and_a_copy_kept);
    tcase_add_test(t, a_migration_that_was_interrupted_is_repeated);
    tcase_add_test(t, making_a_file_that_was_interrupted_is_repeated);
    tcase_add_test(t, no_column_collides_with_another);
    suite_add_tcase(s, t);
}

int main(void)
{
    Suite *s = suite_create("db store");

    add_reading(s);
    add_refusals(s);
    add_migration(s);
    return run_suite(s);
}
