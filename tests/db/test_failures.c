/* When the disk fails: clear errors, nothing half-written, going on when it can be written again. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "lib/fault.h"
#include "tests/db/fixture.h"

#define BIG 200000

static struct db *db;
static struct ref vm;

static void setup(void)
{
    folder_make();
    db = must_open(db_path);
    vm = make_vm(db, "before");
    settle(db);
}

/* Tests close their database. */
static void teardown(void)
{
    folder_remove();
}

static int try_rename(const char *name, struct err *e)
{
    struct txn *t = db_begin(db);

    vm_set_name_label(t, db_vm(db, vm), name);
    return db_commit(t, e);
}

static void describe_at_length(char c)
{
    struct txn *t = db_begin(db);
    char *text = malloc(BIG);

    memset(text, c, BIG);
    text[BIG - 1] = '\0';
    vm_set_name_description(t, db_vm(db, vm), text);
    must_commit(t);
    free(text);
}

/* Wait until the database takes transactions again. */
static void co_await_recovery(void)
{
    CLEANUP_ERR struct err e = {0};

    while (try_rename("after", &e) < 0) {
        err_clear(&e);
        ck_assert_int_eq(co_sleep_until(clock_in_ms(20), "the database to recover"), 0);
    }
    ck_assert_int_eq(co_db_wait_durable(db, db_generation(db), CLOCK_NEVER), 0);
}

static void co_check_refusal(void)
{
    CLEANUP_ERR struct err e = {0};
    uint64_t gen = db_generation(db);

    ck_assert_int_eq(try_rename("refused", &e), -1);
    ck_assert(strstr(e.params[0], "cannot be written"));
    ck_assert_str_eq(db_vm(db, vm)->name_label, "before");
    ck_assert_uint_eq(db_generation(db), gen);
    ck_assert_int_eq(co_db_wait_durable(db, gen, CLOCK_NEVER), -EIO);
}

static void check_memory_goes_on(void)
{
    struct txn *t = db_begin(db);
    struct ref task = task_create(t)->row.ref;

    must_commit(t);
    ck_assert_ptr_nonnull(db_task(db, task));
    ck_assert(!db_is_durable(db, db_generation(db)));
}

/* ---- a full disk ---- */

static char filler[128];

static void limit_file_size(rlim_t n)
{
    struct rlimit limit;

    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = n;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void co_fill(void (*make_room)(void))
{
    char c = 'a';

    do
        describe_at_length(c == 'z' ? c = 'a' : c++);
    while (co_db_wait_durable(db, db_generation(db), CLOCK_NEVER) == 0);
    co_check_refusal();
    check_memory_goes_on();
    make_room();
    co_await_recovery();
}

static void lift_limit(void)
{
    limit_file_size(RLIM_INFINITY);
}

static void co_exceed_limit(void *unused)
{
    co_fill(lift_limit);
}

static void check_file(void)
{
    char *description = strdup(db_vm(db, vm)->name_description);

    db_close(db);
    db = must_open(db_path);
    ck_assert_str_eq(db_vm(db, vm)->name_label, "after");
    ck_assert_str_eq(db_vm(db, vm)->name_description, description);
    db_close(db);
    free(description);
}

START_TEST(a_file_that_cannot_grow_stops_writes_until_it_can)
{
    signal(SIGXFSZ, SIG_IGN);
    limit_file_size(2 << 20);
    run_in_fiber(co_exceed_limit, NULL);
    check_file();
}
END_TEST

static void remove_filler(void)
{
    ck_assert_int_eq(unlink(filler), 0);
}

static void co_fill_disk(void *unused)
{
    co_fill(remove_filler);
}

static void take_room(int megabytes)
{
    static const char zeros[4096];
    int fd;

    snprintf(filler, sizeof filler, "%s/filler", folder);
    fd = open(filler, O_CREAT | O_WRONLY, 0600);
    for (int i = 0; i < megabytes * 256; i++)
        ck_assert_int_eq(write(fd, zeros, sizeof zeros), sizeof zeros);
    close(fd);
}

/* A disk of that many megabytes. False where the test may not mount. */
static bool mount_small_disk(const char *size)
{

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", folder, "tmpfs", 0, size) < 0) {
        printf("skipped: mounting a small disk needs root\n");
        return false;
    }
    return true;
}

START_TEST(a_full_disk_stops_writes_until_there_is_room)
{
    db_close(db);
    if (!mount_small_disk("size=2m"))
        return;
    take_room(1);
    db = must_open(db_path);
    vm = make_vm(db, "before");
    run_in_fiber(co_fill_disk, NULL);
    check_file();
    umount(folder);
}
END_TEST

/* Write until the reserve is given up: nobody notices but those who ask. */
static void co_fill_to_reserve(void *unused)
{
    while (!db_is_short_of_space(db)) {
        describe_at_length('a');
        ck_assert_int_eq(co_db_wait_durable(db, db_generation(db), CLOCK_NEVER), 0);
        describe_at_length('b');
        ck_assert_int_eq(co_db_wait_durable(db, db_generation(db), CLOCK_NEVER), 0);
    }
    rename_vm(db, vm, "after");
    ck_assert_int_eq(co_db_wait_durable(db, db_generation(db), CLOCK_NEVER), 0);
    ck_assert_int_eq(co_sleep_until(clock_in_ms(1100), "the next look"), 0);
    ck_assert(db_is_short_of_space(db));
    remove_filler();
    while (db_is_short_of_space(db))
        ck_assert_int_eq(co_sleep_until(clock_in_ms(20), "the reserve to be set aside again"), 0);
}

START_TEST(a_full_disk_leaves_the_reserve_for_what_must_be_written)
{
    db_close(db);
    if (!mount_small_disk("size=10m"))
        return;
    db = must_open(db_path);
    vm = make_vm(db, "before");
    take_room(4);
    run_in_fiber(co_fill_to_reserve, NULL);
    check_file();
    umount(folder);
}
END_TEST

/* ---- injected failures ---- */

static void co_meet_failure(void *unused)
{
    CLEANUP_ERR struct err e = {0};

    fault_arm(FAULT_DB, 2);
    ck_assert_int_eq(try_rename("written late", &e), 0);
    ck_assert(!db_is_durable(db, db_generation(db)));
    ck_assert_int_eq(co_db_wait_durable(db, db_generation(db), CLOCK_NEVER), -EIO);
    ck_assert(fault_fired());
    fault_disarm();
    ck_assert_int_eq(try_rename("refused", &e), -1);
    ck_assert_str_eq(db_vm(db, vm)->name_label, "written late");
    co_await_recovery();
}

START_TEST(a_failed_sqlite_commit_is_tried_again)
{
    run_in_fiber(co_meet_failure, NULL);
    check_file();
}
END_TEST

/* One batch in two rows: whatever fails, both or none of them. */
static int co_change_both(struct ref other, const char *name)
{
    CLEANUP_ERR struct err e = {0};
    struct txn *t = db_begin(db);

    vm_set_name_label(t, db_vm(db, vm), name);
    vm_set_name_label(t, db_vm(db, other), name);
    if (db_commit(t, &e) < 0)
        return -1;
    return co_db_wait_durable(db, db_generation(db), CLOCK_NEVER);
}

static struct ref other_vm;
static bool swept; /* the armed point fired */

static void co_sweep(void *arg)
{
    unsigned nth = *(unsigned *)arg;
    bool failed = false;

    fault_arm(FAULT_DB, nth);
    for (int i = 0; i < 3; i++) {
        char name[16];

        snprintf(name, sizeof name, "%u.%d", nth, i);
        if (co_change_both(other_vm, name) < 0)
            failed = true;
    }
    swept = fault_fired();
    ck_assert_int_eq(failed, swept);
    fault_disarm();
    ck_assert_str_eq(db_vm(db, vm)->name_label, db_vm(db, other_vm)->name_label);
}

START_TEST(each_failing_step_leaves_whole_batches)
{
    unsigned nth = 0;

    other_vm = make_vm(db, "other");
    settle(db);
    do {
        nth++;
        run_in_fiber(co_sweep, &nth);
        db_close(db);
        db = must_open(db_path);
        ck_assert_str_eq(db_vm(db, vm)->name_label, db_vm(db, other_vm)->name_label);
    } while (swept);
    ck_assert_uint_eq(nth, 7);
    db_close(db);
}
END_TEST

START_TEST(a_write_that_fails_to_the_end_is_lost_as_a_whole)
{
    CLEANUP_ERR struct err e = {0};

    limit_file_size(4096);
    signal(SIGXFSZ, SIG_IGN);
    describe_at_length('x');
    ck_assert_int_eq(try_rename("lost", &e), 0);
    db_close(db);
    lift_limit();
    db = must_open(db_path);
    ck_assert_str_eq(db_vm(db, vm)->name_label, "before");
    ck_assert_str_eq(db_vm(db, vm)->name_description, "");
    db_close(db);
}
END_TEST

/* ---- waiting and closing ---- */

static void co_wait_and_note(void *arg)
{
    int *ret = arg;

    *ret = co_db_wait_durable(db, db_generation(db), CLOCK_NEVER);
}

static void co_close_while_writing(void *unused)
{
    CLEANUP_ERR struct err e = {0};

    ck_assert_int_eq(try_rename("in flight", &e), 0);
    co_yield();
    co_yield();
    ck_assert_int_eq(try_rename("queued", &e), 0);
    db_close(db);
}

START_TEST(closing_writes_what_is_queued_and_wakes_who_waits)
{
    int waited[2] = {1, 1};
    CLEANUP_ERR struct err e = {0};

    ck_assert_int_eq(try_rename("first", &e), 0);
    fiber_spawn("waits", co_wait_and_note, &waited[0]);
    fiber_spawn("waits", co_wait_and_note, &waited[1]);
    run_in_fiber(co_close_while_writing, NULL);
    ck_assert_int_eq(waited[0], 0);
    ck_assert_int_eq(waited[1], 0);
    db = must_open(db_path);
    ck_assert_str_eq(db_vm(db, vm)->name_label, "queued");
    db_close(db);
}
END_TEST

START_TEST(closing_before_the_loop_ran_writes_everything)
{
    CLEANUP_ERR struct err e = {0};

    ck_assert_int_eq(try_rename("never looped", &e), 0);
    db_close(db);
    loop_run();
    db = must_open(db_path);
    ck_assert_str_eq(db_vm(db, vm)->name_label, "never looped");
    db_close(db);
}
END_TEST

static sqlite3 *intruder;

static void intrude(const char *text)
{
    ck_assert_int_eq(sqlite3_exec(intruder, text, NULL, NULL, NULL), SQLITE_OK);
}

static void co_cancelled(void *arg)
{
    *(int *)arg = co_db_wait_durable(db, db_generation(db), CLOCK_NEVER);
}

static void co_wait_variously(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    struct fiber *f;
    int r = 1;

    ck_assert_int_eq(co_db_wait_durable(db, db_generation(db), CLOCK_NEVER), 0);
    ck_assert_int_eq(try_rename("after", &e), 0);
    ck_assert_int_eq(co_db_wait_durable(db, db_generation(db) - 1, CLOCK_NEVER), 0);
    ck_assert_int_eq(co_db_wait_durable(db, db_generation(db), clock_in_ms(1)), -ETIMEDOUT);
    f = fiber_ref(fiber_spawn("cancelled", co_cancelled, &r));
    co_yield();
    fiber_cancel(f);
    ck_assert_int_eq(co_fiber_join(f, CLOCK_NEVER), 0);
    fiber_unref(f);
    ck_assert_int_eq(r, -ECANCELED);
    intrude("ROLLBACK");
    ck_assert_int_eq(co_db_wait_durable(db, db_generation(db), CLOCK_NEVER), 0);
}

/* Another program that writes to the file holds ours up. */
START_TEST(waits_end_by_deadline_and_by_cancelling)
{
    ck_assert_int_eq(sqlite3_open(db_path, &intruder), SQLITE_OK);
    intrude("BEGIN IMMEDIATE");
    run_in_fiber(co_wait_variously, NULL);
    sqlite3_close(intruder);
    check_file();
}
END_TEST

static TCase *cases(const char *name)
{
    TCase *t = tcase_create(name);

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    return t;
}

int main(void)
{
    Suite *s = suite_create("db failures");
    TCase *t = cases("failures");

    tcase_add_test(t, a_file_that_cannot_grow_stops_writes_until_it_can);
    tcase_add_test(t, a_full_disk_stops_writes_until_there_is_room);
    tcase_add_test(t, a_full_disk_leaves_the_reserve_for_what_must_be_written);
    tcase_add_test(t, a_failed_sqlite_commit_is_tried_again);
    tcase_add_test(t, each_failing_step_leaves_whole_batches);
    tcase_add_test(t, a_write_that_fails_to_the_end_is_lost_as_a_whole);
    suite_add_tcase(s, t);
    t = cases("waiting");
    tcase_add_test(t, closing_writes_what_is_queued_and_wakes_who_waits);
    tcase_add_test(t, closing_before_the_loop_ran_writes_everything);
    tcase_add_test(t, waits_end_by_deadline_and_by_cancelling);
    suite_add_tcase(s, t);
    return run_suite(s);
}
