/* When snapshot schedules have their turns. */
#include <check.h>
#include <stdlib.h>
#include <talloc.h>
#include <time.h>
#include "tests/in_fiber.h"
#include "xapid/vmss/scheduler.h"
#include "xapid/vmss/timetable.h"
#include "db/setters.gen.h"

static void *ctx;
static struct err e;

static void set_up(void)
{
    ctx = talloc_new(NULL);
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
}

static void tear_down(void)
{
    talloc_free(ctx);
    err_clear(&e);
}

/* Local time to seconds. */
static int64_t at(int year, int month, int day, int hour, int min)
{
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = min,
                    .tm_isdst = -1};
    return mktime(&tm);
}

static const struct map *keys(const char *min, const char *hour, const char *days)
{
    const struct map *m = min ? map_with(ctx, NULL, "min", min) : NULL;
    m = hour ? map_with(ctx, m, "hour", hour) : m;
    return days ? map_with(ctx, m, "days", days) : m;
}

static const struct map *complete(enum vmss_frequency f, const struct map *given)
{
    const struct map *m;
    ck_assert_int_eq(timetable_complete(ctx, f, given, &m, &e), 0);
    return m;
}

START_TEST(a_timetable_has_what_its_frequency_needs)
{
    const struct map *m = complete(VMSS_FREQUENCY_HOURLY, keys("45", "7", "Friday"));
    ck_assert_uint_eq(map_count(m), 1);
    ck_assert_str_eq(map_get(m, "min"), "45");
    m = complete(VMSS_FREQUENCY_DAILY, NULL);
    ck_assert_uint_eq(map_count(m), 2);
    ck_assert_str_eq(map_get(m, "hour"), "0");
    m = complete(VMSS_FREQUENCY_WEEKLY, keys(NULL, "23", "monday,Sunday"));
    ck_assert_uint_eq(map_count(m), 3);
    ck_assert_str_eq(map_get(m, "days"), "monday,Sunday");
    ck_assert_str_eq(map_get(m, "min"), "0");
}
END_TEST

START_TEST(what_is_no_time_is_refused)
{
    static const char *const bad[][2] = {{"min", "10"},
                                         {"min", "60"},
                                         {"min", "-15"},
                                         {"min", ""},
                                         {"min", "0x0"},
                                         {"hour", "24"},
                                         {"hour", " 1"},
                                         {"hour", "001"},
                                         {"days", ""},
                                         {"days", "Mon"},
                                         {"days", "Monday,"},
                                         {"days", ",Monday"},
                                         {"days", "Monday, Friday"},
                                         {"year", "1"}};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct map *m;
        err_clear(&e);
        ck_assert_msg(timetable_complete(ctx, i % 3, map_with(ctx, NULL, bad[i][0], bad[i][1]), &m, &e) == -1,
                      "%s=%s was taken", bad[i][0], bad[i][1]);
        ck_assert(err_is(&e, "INVALID_VALUE"));
    }
}
END_TEST

START_TEST(the_last_turn_is_the_latest_that_has_come)
{
    const struct map *half = keys("30", NULL, NULL), *morning = keys("15", "9", NULL),
                     *week = keys("15", "9", "Tuesday,Saturday");
    ck_assert_int_eq(timetable_last_turn(VMSS_FREQUENCY_HOURLY, half, at(2026, 5, 4, 10, 30)),
                     at(2026, 5, 4, 10, 30));
    ck_assert_int_eq(timetable_last_turn(VMSS_FREQUENCY_HOURLY, half, at(2026, 5, 4, 10, 30) - 1),
                     at(2026, 5, 4, 9, 30));
    ck_assert_int_eq(timetable_last_turn(VMSS_FREQUENCY_DAILY, morning, at(2026, 5, 4, 9, 15) + 59),
                     at(2026, 5, 4, 9, 15));
    ck_assert_int_eq(timetable_last_turn(VMSS_FREQUENCY_DAILY, morning, at(2026, 5, 1, 9, 14)),
                     at(2026, 4, 30, 9, 15));
    /* 4 May 2026 is a Monday */
    ck_assert_int_eq(timetable_last_turn(VMSS_FREQUENCY_WEEKLY, week, at(2026, 5, 4, 12, 0)),
                     at(2026, 5, 2, 9, 15));
    ck_assert_int_eq(timetable_last_turn(VMSS_FREQUENCY_WEEKLY, week, at(2026, 5, 5, 9, 15)),
                     at(2026, 5, 5, 9, 15));
    ck_assert_int_eq(
        timetable_last_turn(VMSS_FREQUENCY_WEEKLY, keys("15", "9", "Tuesday"), at(2026, 5, 5, 9, 14)),
        at(2026, 4, 28, 9, 15));
}
END_TEST

START_TEST(summer_time_moves_no_turn)
{
    const struct map *morning = keys("0", "9", NULL);
    for (int day = 28; day <= 31; day++) /* the clock jumps in the night to 29 March 2026 */
        ck_assert_int_eq(timetable_last_turn(VMSS_FREQUENCY_DAILY, morning, at(2026, 3, day, 20, 0)),
                         at(2026, 3, day, 9, 0));
}
END_TEST

static struct ref add_schedule(struct db *db, bool enabled, int64_t last_run)
{
    struct txn *t = db_begin(db);
    const struct vmss *s = vmss_create(t);
    struct ref ref = s->row.ref;
    vmss_set_enabled(t, s, enabled);
    vmss_set_frequency(t, s, VMSS_FREQUENCY_DAILY);
    vmss_set_schedule(t, s, keys("0", "9", NULL));
    vmss_set_last_run_time(t, s, last_run);
    ck_assert_int_eq(db_commit(t, &e), 0);
    return ref;
}

START_TEST(a_turn_comes_once_and_only_to_enabled_schedules)
{
    struct db *db;
    int64_t nine = at(2026, 5, 4, 9, 0);
    ck_assert_int_eq(db_open(NULL, &db, &e), 0);
    struct ref on = add_schedule(db, true, 0);
    add_schedule(db, false, 0);
    add_schedule(db, true, nine + 5);
    const struct set *due = vmss_due(ctx, db, nine - 20, nine);
    ck_assert_uint_eq(set_count(due), 1);
    ck_assert(ref_equal(due->v[0].r, on));
    ck_assert_uint_eq(set_count(vmss_due(ctx, db, nine, nine + 20)), 0);
    ck_assert_uint_eq(set_count(vmss_due(ctx, db, nine - 40, nine - 20)), 0);
    db_close(db);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("snapshot schedules");
    TCase *c = tcase_create("snapshot schedules");
    tcase_set_timeout(c, TEST_HANG_GUARD_S);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, a_timetable_has_what_its_frequency_needs);
    tcase_add_test(c, what_is_no_time_is_refused);
    tcase_add_test(c, the_last_turn_is_the_latest_that_has_come);
    tcase_add_test(c, summer_time_moves_no_turn);
    tcase_add_test(c, a_turn_comes_once_and_only_to_enabled_schedules);
    suite_add_tcase(s, c);
    return run_suite(s);
}
