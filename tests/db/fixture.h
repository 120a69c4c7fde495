#ifndef TESTS_DB_FIXTURE_H
#define TESTS_DB_FIXTURE_H
/* What the database's tests share: a folder of their own, opening, one-field transactions. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>
#include "db/setters.gen.h"
#include "lib/clock.h"
#include "tests/in_fiber.h"

static char folder[64], db_path[96];

static inline void folder_make(void)
{
    snprintf(folder, sizeof folder, "%s", "test_db.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(db_path, sizeof db_path, "%s/xapid.db", folder);
}

static inline void folder_remove(void)
{
    char command[160];

    /* A test that opens the folder itself as a database leaves the lock of that beside it. */
    snprintf(command, sizeof command, "rm -rf '%s' '%s.lock'", folder, folder);
    ck_assert_int_eq(system(command), 0);
}

static inline struct db *must_open(const char *path)
{
    CLEANUP_ERR struct err e = {0};
    struct db *db = NULL;

    if (db_open(path, &db, &e) < 0)
        ck_abort_msg("%s", err_text(NULL, &e));
    return db;
}

/* Opening must fail with a text that holds this. */
static inline void must_refuse(const char *path, const char *text)
{
    CLEANUP_ERR struct err e = {0};
    struct db *db = NULL;

    ck_assert_int_eq(db_open(path, &db, &e), -1);
    ck_assert(err_is(&e, "INTERNAL_ERROR"));
    ck_assert_msg(strstr(e.params[0], text), "\"%s\" does not say \"%s\"", e.params[0], text);
}

static inline void must_commit(struct txn *t)
{
    CLEANUP_ERR struct err e = {0};

    if (db_commit(t, &e) < 0)
        ck_abort_msg("%s", err_text(NULL, &e));
}

static inline struct ref make_vm(struct db *db, const char *name)
{
    struct txn *t = db_begin(db);
    const struct vm *vm = vm_create(t);

    vm_set_name_label(t, vm, name);
    must_commit(t);
    return vm->row.ref;
}

static inline void rename_vm(struct db *db, struct ref ref, const char *name)
{
    struct txn *t = db_begin(db);

    vm_set_name_label(t, db_vm(db, ref), name);
    must_commit(t);
}

static inline void delete_row(struct db *db, enum model_class_id cls, struct ref ref)
{
    struct txn *t = db_begin(db);

    db_delete(t, db_get(db, cls, ref));
    must_commit(t);
}

/* Run the loop until everything is on disk. */
static inline void co_settle_fiber(void *arg)
{
    struct db *db = arg;

    ck_assert_int_eq(co_db_wait_durable(db, db_generation(db), CLOCK_NEVER), 0);
}

static inline void settle(struct db *db)
{
    run_in_fiber(co_settle_fiber, db);
}

#endif
