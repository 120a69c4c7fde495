/* What hosts of a pool send each other: read as it was written, refused when it is anything else. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "tests/in_fiber.h"
#include "xapid/pool/frame.h"
#include "xapid/pool/hello.h"
#include "xapid/pool/refusal.h"

static void *mem;

static void set_up(void)
{
    mem = talloc_new(NULL);
}

static void tear_down(void)
{
    talloc_free(mem);
}

/* ---- frames ---- */

/* Gives bytes a few at a time. */
struct dribble {
    const char *at;
    size_t n, step;
    int at_end; /* what reading gives there: 0, or a negative errno */
};

static ssize_t co_dribble(void *stream, void *bytes, size_t n, int64_t deadline)
{
    struct dribble *d = stream;
    size_t some = n < d->step ? n : d->step;

    if (d->n == 0)
        return d->at_end;
    if (some > d->n)
        some = d->n;
    memcpy(bytes, d->at, some);
    d->at += some;
    d->n -= some;
    return (ssize_t)some;
}

struct reading {
    struct dribble from;
    struct frame *ret;
    int result;
};

static void co_read(void *arg)
{
    struct reading *r = arg;
    const struct frame_end end = {.stream = &r->from, .co_read = co_dribble};

    r->result = co_frame_read(&end, 1000, 0, r->ret);
}

static int read_frame(const struct buf *b, size_t step, struct frame *ret)
{
    struct reading r = {.from = {b->data, b->len, step, 0}, .ret = ret};

    run_in_fiber(co_read, &r);
    return r.result;
}

START_TEST(a_frame_is_read_however_it_is_cut)
{
    CLEANUP_BUF struct buf b = {0};
    struct frame f;

    frame_put(&b, FRAME_BATCH, 0x1122334455667788, "hello", 5);
    for (size_t step = 1; step < 30; step++) {
        ck_assert_int_eq(read_frame(&b, step, &f), 0);
        ck_assert(f.kind == FRAME_BATCH && f.generation == 0x1122334455667788);
        ck_assert_uint_eq(f.body.len, 5);
        ck_assert_mem_eq(f.body.data, "hello", 5);
        buf_free(&f.body);
    }
}
END_TEST

START_TEST(a_frame_cut_short_is_the_end_of_the_connection)
{
    CLEANUP_BUF struct buf b = {0};
    struct frame f;
    size_t whole;

    frame_put(&b, FRAME_REPORT, 1, "hello", 5);
    whole = b.len;
    for (b.len = 0; b.len < whole; b.len++)
        ck_assert_int_eq(read_frame(&b, 100, &f), -ECONNRESET);
}
END_TEST

START_TEST(silence_between_frames_is_not_silence_within_one)
{
    CLEANUP_BUF struct buf b = {0};
    struct frame f;

    frame_put(&b, FRAME_REPORT, 1, "hello", 5);
    for (size_t n = 0; n < b.len; n++) {
        struct reading r = {.from = {b.data, n, 100, -ETIMEDOUT}, .ret = &f};

        run_in_fiber(co_read, &r);
        ck_assert_int_eq(r.result, n == 0 ? -ETIMEDOUT : -ETIME);
    }
}
END_TEST

START_TEST(a_frame_that_is_too_large_or_none_is_refused)
{
    CLEANUP_BUF struct buf large = {0};
    CLEANUP_BUF struct buf noise = {0};
    struct frame f;

    for (unsigned i = 0; i < 17; i++)
        buf_add_char(&large, i == 0 ? FRAME_SNAPSHOT : '\xff'); /* says that 2^64-1 bytes follow */
    ck_assert_int_eq(read_frame(&large, 100, &f), -EMSGSIZE);
    for (unsigned i = 0; i < 100; i++)
        buf_add_char(&noise, (char)(i * 7));
    ck_assert_int_eq(read_frame(&noise, 100, &f), -EPROTO);
}
END_TEST

/* ---- refusals ---- */

START_TEST(an_error_comes_across)
{
    CLEANUP_ERR struct err e = {0};
    CLEANUP_ERR struct err there = {0};
    CLEANUP_BUF struct buf b = {0};

    err_set(&e, "HOST_IS_SLAVE", 1, "10.0.0.\"1");
    refusal_write(&e, &b);
    ck_assert_int_eq(refusal_read(b.data, b.len, &there), -1);
    ck_assert(err_is(&there, "HOST_IS_SLAVE") && there.n_params == 1);
    ck_assert_str_eq(there.params[0], "10.0.0.\"1");
}
END_TEST

static const char *const no_errors[] = {"", "[", "{}", "[]", "[1]", "null", "\xff\xff", "[[\"A\"]]"};

START_TEST(what_is_no_error_is_one_all_the_same)
{
    CLEANUP_ERR struct err e = {0};

    ck_assert_int_eq(refusal_read(no_errors[_i], strlen(no_errors[_i]), &e), -1);
    ck_assert(err_is(&e, "INTERNAL_ERROR"));
}
END_TEST

/* ---- greetings ---- */

#define GREETING(generation, cpus, guests)                                    \
    "{\"generation\":" generation ",\"new\":true,\"machine\":{\"cpus\":" cpus \
    ",\"cpu_mhz\":1,\"memory_total\":5,\"version\":\"0.0.1\"},\"guests\":" guests "}"

static const char *const bad_greetings[] = {
    "",
    "[]",
    "{}",
    "{\"generation\":0,\"machine\":[],\"guests\":[]}",
    "{\"generation\":0,\"machine\":{},\"guests\":{}}",
    GREETING("-5", "1", "[]"),
    GREETING("0", "-1", "[]"),
    GREETING("0", "1e99", "[]"),
    GREETING("0", "1", "[1]"),
    GREETING("0", "1", "[{\"uuid\":\"x\"}]"),
    "\xff" GREETING("0", "1", "[]"),
};

START_TEST(what_is_no_greeting_is_refused)
{
    CLEANUP_ERR struct err e = {0};
    struct hello h;

    ck_assert_int_eq(hello_read(mem, bad_greetings[_i], strlen(bad_greetings[_i]), &h, &e), -1);
}
END_TEST

START_TEST(a_greeting_of_another_version_is_taken)
{
    static const char text[] = GREETING("7", "2", "[]");
    CLEANUP_ERR struct err e = {0};
    struct hello h;

    ck_assert_int_eq(hello_read(mem, text, sizeof text - 1, &h, &e), 0);
    ck_assert(h.generation == 7 && h.machine.cpus == 2 && h.n_guests == 0);
    ck_assert_str_eq(h.machine.version, "0.0.1");
    ck_assert_str_eq(h.machine.hostname, "");
}
END_TEST

#define N(array) (int)(sizeof(array) / sizeof(array)[0])

int main(void)
{
    Suite *s = suite_create("frames");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_frame_is_read_however_it_is_cut);
    tcase_add_test(t, a_frame_cut_short_is_the_end_of_the_connection);
    tcase_add_test(t, silence_between_frames_is_not_silence_within_one);
    tcase_add_test(t, a_frame_that_is_too_large_or_none_is_refused);
    tcase_add_test(t, an_error_comes_across);
    tcase_add_loop_test(t, what_is_no_error_is_one_all_the_same, 0, N(no_errors));
    tcase_add_loop_test(t, what_is_no_greeting_is_refused, 0, N(bad_greetings));
    tcase_add_test(t, a_greeting_of_another_version_is_taken);
    suite_add_tcase(s, t);
    return run_suite(s);
}
