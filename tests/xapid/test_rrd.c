/* Archives: steps, rows, gaps, counters, rings that go round, files. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tests/in_fiber.h"
#include "xapid/rrd/text.h"

#define UUID "aaaaaaaa-2222-4333-8444-555555555555"
#define BILLION 1000000000LL
#define BEGIN 86400000LL /* a full day */

static struct rrd *r;

static void set_up(void)
{
    r = rrd_new(RRD_HOST, UUID);
}

static void tear_down(void)
{
    rrd_free(r);
}

static void put(int64_t seconds, enum rrd_kind kind, double value)
{
    rrd_begin(r);
    rrd_put(r, "x", kind, 0, 1000, value);
    rrd_end(r, seconds, seconds * BILLION);
}

static double at(unsigned archive, int64_t seconds)
{
    return rrd_row(r, rrd_find(r, "x"), archive, seconds);
}

static void ck_near(double value, double wanted)
{
    ck_assert_msg(fabs(value - wanted) < 1e-4, "%g, not %g", value, wanted);
}

START_TEST(values_are_rows_of_their_step)
{
    for (int i = 1; i <= 24; i++)
        put(BEGIN + 5 * i, RRD_GAUGE, i);
    ck_near(at(0, BEGIN + 5), 1);
    ck_near(at(0, BEGIN + 120), 24);
    ck_assert(isnan(at(0, BEGIN + 125)));
    ck_assert(isnan(at(0, BEGIN)));
    ck_assert_int_eq(rrd_last_row(r, 1), BEGIN + 120);
    ck_near(at(1, BEGIN + 60), 6.5); /* 1 to 12 */
    ck_near(at(1, BEGIN + 120), 18.5);
}
END_TEST

START_TEST(a_counter_is_its_growth_a_second)
{
    put(BEGIN, RRD_DERIVE, 100);
    ck_assert(isnan(rrd_find(r, "x")->value));
    put(BEGIN + 5, RRD_DERIVE, 150);
    ck_near(rrd_find(r, "x")->value, 10);
    put(BEGIN + 15, RRD_DERIVE, 350); /* a step was missed */
    ck_near(at(0, BEGIN + 10), 20);
    ck_near(at(0, BEGIN + 15), 20);
    put(BEGIN + 20, RRD_DERIVE, 0); /* it began anew */
    ck_assert(isnan(at(0, BEGIN + 20)));
    put(BEGIN + 25, RRD_DERIVE, 1e9); /* more than there can be */
    ck_assert(isnan(at(0, BEGIN + 25)));
}
END_TEST

START_TEST(a_gap_is_unknown_and_half_a_row_is_enough)
{
    for (int i = 1; i <= 6; i++)
        put(BEGIN + 5 * i, RRD_GAUGE, 4);
    put(BEGIN + 120, RRD_GAUGE, 8); /* 18 steps later */
    ck_assert(isnan(at(0, BEGIN + 35)));
    ck_near(at(0, BEGIN + 120), 8);
    ck_near(at(1, BEGIN + 60), 4);
    ck_assert(isnan(at(1, BEGIN + 120)));
}
END_TEST

START_TEST(rings_go_round)
{
    for (int i = 1; i <= 1000; i++)
        put(BEGIN + 5 * i, RRD_GAUGE, i % 10);
    ck_near(at(0, BEGIN + 5000), 0);
    ck_near(at(0, BEGIN + 5000 - 119 * 5), 881 % 10);
    ck_assert(isnan(at(0, BEGIN + 5000 - 120 * 5)));
    ck_assert_uint_eq(r->ring[0].room, rrd_shapes[0].rows);
    ck_assert_uint_lt(r->ring[2].room, rrd_shapes[2].rows);
}
END_TEST

START_TEST(years_of_silence_cost_nothing_and_leave_nothing)
{
    put(BEGIN + 5, RRD_GAUGE, 1);
    put(BEGIN + 5 + 50LL * 366 * 86400 / 10, RRD_GAUGE, 2);
    for (unsigned a = 0; a < RRD_ARCHIVES; a++)
        ck_assert_uint_le(r->ring[a].n, rrd_shapes[a].rows);
    ck_assert_uint_eq(r->ring[3].n, rrd_shapes[3].rows);
    ck_near(at(0, rrd_last_row(r, 0)), 2);
}
END_TEST

START_TEST(a_clock_set_back_begins_anew_only_when_it_is_far)
{
    put(BEGIN + 100, RRD_GAUGE, 1);
    put(BEGIN + 50, RRD_GAUGE, 2);
    ck_assert_int_eq(rrd_last_row(r, 0), BEGIN + 100);
    put(BEGIN - 86400, RRD_GAUGE, 3);
    ck_near(at(0, BEGIN - 86400), 3);
    ck_assert_uint_eq(r->ring[0].n, 1);
}
END_TEST

START_TEST(sources_come_later_and_are_forgotten)
{
    for (int i = 1; i <= 40; i++)
        put(BEGIN + 5 * i, RRD_GAUGE, i);
    rrd_begin(r);
    rrd_put(r, "y", RRD_GAUGE, 0, INFINITY, 7);
    rrd_end(r, BEGIN + 205, (BEGIN + 205) * BILLION);
    ck_near(rrd_row(r, rrd_find(r, "y"), 0, BEGIN + 205), 7);
    ck_assert(isnan(rrd_row(r, rrd_find(r, "y"), 0, BEGIN + 200)));
    ck_assert(isnan(at(0, BEGIN + 205))); /* nothing was put */
    rrd_keep(r, rrd_find(r, "x"), false);
    ck_assert(isnan(at(0, BEGIN + 200)));
    put(BEGIN + 210, RRD_GAUGE, 1);
    ck_assert(isnan(at(0, BEGIN + 210)));
    rrd_keep(r, rrd_find(r, "x"), true);
    put(BEGIN + 215, RRD_GAUGE, 9);
    ck_near(at(0, BEGIN + 215), 9);
    char name[RRD_NAME_SIZE + 1];
    for (int i = 0; i < 2 * RRD_SOURCES_MAX; i++) {
        snprintf(name, sizeof name, "z%d", i);
        rrd_put(r, name, RRD_GAUGE, 0, 1, 0);
    }
    ck_assert_uint_eq(r->n_sources, RRD_SOURCES_MAX);
}
END_TEST

/* ---- files ---- */

static struct rrd *read_bytes(char *bytes, size_t n)
{
    FILE *f = fmemopen(bytes, n, "r");
    struct rrd *got = rrd_read(f);
    fclose(f);
    return got;
}

START_TEST(a_file_holds_all_and_no_other_file_is_believed)
{
    char *bytes = NULL;
    size_t n = 0;
    for (int i = 1; i <= 300; i++)
        put(BEGIN + 5 * i, RRD_GAUGE, i);
    FILE *f = open_memstream(&bytes, &n);
    ck_assert(rrd_write(r, f));
    fclose(f);
    struct rrd *again = read_bytes(bytes, n);
    ck_assert_ptr_nonnull(again);
    for (int i = 1; i <= 300; i++)
        for (unsigned a = 0; a < RRD_ARCHIVES; a++) {
            double was = at(a, BEGIN + 5 * i), is = rrd_row(again, rrd_find(again, "x"), a, BEGIN + 5 * i);
            ck_assert((isnan(was) && isnan(is)) || was == is);
        }
    struct rrd *own = r;
    r = again;
    put(BEGIN + 1505, RRD_GAUGE, 5);
    ck_near(at(0, BEGIN + 1505), 5);
    ck_near(at(0, BEGIN + 1500), 300);
    rrd_free(r);
    r = own;
    for (size_t k = 1; k < n; k++)
        ck_assert_ptr_null(read_bytes(bytes, k));
    for (size_t k = 0; k < n && k < 400; k++) { /* whatever a byte says: no harm */
        char was = bytes[k];
        bytes[k] = (char)0xff;
        rrd_free(read_bytes(bytes, n));
        bytes[k] = was;
    }
    free(bytes);
}
END_TEST

/* ---- texts ---- */

START_TEST(numbers_are_written_as_clients_read_them)
{
    char text[RRD_NUMBER_SIZE];
    const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0.0"},   {NAN, "NaN"}, {INFINITY, "Infinity"},         {-INFINITY, "-Infinity"},
                 {0.1, "0.1"}, {5, "5"},     {1.0 / 3, "0.333333333333333"}, {1e300, "1e+300"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rrd_format_number(text, cases[i].value);
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

static void co_updates_are_newest_first(void *arg)
{
    CLEANUP_BUF struct buf xml = {0}, json = {0};
    for (int i = 1; i <= 3; i++)
        put(BEGIN + 5 * i, RRD_GAUGE, i);
    ck_assert_int_eq(co_rrd_write_updates(&xml, false, &r, 1, BEGIN + 10, 5, BEGIN + 15), 0);
    ck_assert_str_eq(
        buf_cstr(&xml),
        "<xport><meta><start>86400010</start><step>5</step><end>86400015</end><rows>2</rows>"
        "<columns>1</columns><legend><entry>AVERAGE:host:" UUID ":x</entry></legend></meta>"
        "<data><row><t>86400015</t><v>3</v></row><row><t>86400010</t><v>2</v></row></data></xport>");
    ck_assert_int_eq(co_rrd_write_updates(&json, true, &r, 1, BEGIN + 15, 5, BEGIN + 15), 0);
    ck_assert_str_eq(buf_cstr(&json),
                     "{\"meta\":{\"start\":\"86400015\",\"step\":\"5\",\"end\":\"86400015\",\"rows\":\"1\","
                     "\"columns\":\"1\",\"legend\":[\"AVERAGE:host:" UUID ":x\"]},"
                     "\"data\":[{\"t\":\"86400015\",\"values\":[\"3\"]}]}");
}

START_TEST(updates_are_newest_first)
{
    run_in_fiber(co_updates_are_newest_first, NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rrd");
    TCase *c = tcase_create("archives");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, values_are_rows_of_their_step);
    tcase_add_test(c, a_counter_is_its_growth_a_second);
    tcase_add_test(c, a_gap_is_unknown_and_half_a_row_is_enough);
    tcase_add_test(c, rings_go_round);
    tcase_add_test(c, years_of_silence_cost_nothing_and_leave_nothing);
    tcase_add_test(c, a_clock_set_back_begins_anew_only_when_it_is_far);
    tcase_add_test(c, sources_come_later_and_are_forgotten);
    tcase_add_test(c, a_file_holds_all_and_no_other_file_is_believed);
    tcase_add_test(c, numbers_are_written_as_clients_read_them);
    tcase_add_test(c, updates_are_newest_first);
    suite_add_tcase(s, c);
    return run_suite(s);
}
