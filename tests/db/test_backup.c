/* The folder of automatic copies, also when the clock was set back. */
#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <time.h>
#include "db/backup.h"
#include "tests/db/fixture.h"

enum { FUTURE = 3 };

static const struct backup_bounds bounds = {.number = FUTURE, .bytes = UINT64_MAX};
static char copies[96];
static struct db *db;
static struct ref vm;

static void add_copy(void)
{
    CLEANUP_ERR struct err e = {0};

    settle(db);
    if (backup_add(db_path, copies, bounds, &e) < 0)
        ck_abort_msg("%s", err_text(NULL, &e));
}

/* As one that was made before the clock was set back. */
static void add_future_copy(int year)
{
    CLEANUP_ERR struct err e = {0};
    char path[160];
    struct timespec then = {.tv_sec = 4102444800 + year};

    snprintf(path, sizeof path, "%s/xapid-%d0101T000000Z.db", copies, year);
    ck_assert_int_eq(backup_copy(db_path, path, &e), 0);
    ck_assert_int_eq(utimensat(AT_FDCWD, path, (struct timespec[]){then, then}, 0), 0);
}

static void setup(void)
{
    folder_make();
    snprintf(copies, sizeof copies, "%s/backups", folder);
    ck_assert_int_eq(mkdir(copies, 0700), 0);
    db = must_open(db_path);
    vm = make_vm(db, "before the clock was set back");
    settle(db);
    for (int i = 0; i < FUTURE; i++)
        add_future_copy(2100 + i);
    rename_vm(db, vm, "after it");
}

static void teardown(void)
{
    db_close(db);
    folder_remove();
}

static int count(const char *pattern)
{
    DIR *d = opendir(copies);
    int n = 0;

    for (struct dirent *entry; (entry = readdir(d));)
        n += fnmatch(pattern, entry->d_name, 0) == 0;
    closedir(d);
    return n;
}

START_TEST(a_copy_made_after_the_clock_was_set_back_is_the_newest)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    int64_t before = clock_wall();

    ck_assert_int_gt(backup_newest_time(copies), before);
    add_copy();
    ck_assert_int_ge(backup_newest_time(copies), before);
    ck_assert_int_le(backup_newest_time(copies), clock_wall());
    ck_assert_ptr_null(strstr(backup_newest_good(mem, copies), "xapid-21"));
}
END_TEST

START_TEST(copies_of_times_to_come_go_first)
{
    add_copy();
    ck_assert_int_eq(count("xapid-*.db"), FUTURE);
    ck_assert_int_eq(count("xapid-210[12]*.db"), FUTURE - 1);
    ck_assert_int_eq(count("xapid-2100*.db"), 0);
}
END_TEST

START_TEST(an_unchanged_database_needs_no_other_copy)
{
    add_copy();
    add_copy();
    ck_assert_int_eq(count("xapid-20*.db"), 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("backup");
    TCase *t = tcase_create("the clock was set back");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_copy_made_after_the_clock_was_set_back_is_the_newest);
    tcase_add_test(t, copies_of_times_to_come_go_first);
    tcase_add_test(t, an_unchanged_database_needs_no_other_copy);
    suite_add_tcase(s, t);
    return run_suite(s);
}
