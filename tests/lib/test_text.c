/* Buffers, errors, UTF-8, log lines, scope-bound release. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/utf8.h"
#include "tests/in_fiber.h"
#include "tests/lib/forked.h"

/* ---- buffers ---- */

START_TEST(a_buffer_grows_and_keeps_its_bytes)
{
    CLEANUP_BUF struct buf b = {0};

    for (int i = 0; i < 100000; i++)
        buf_add_char(&b, (char)i);
    ck_assert_uint_eq(b.len, 100000);
    ck_assert_uint_ge(b.cap, b.len);
    for (int i = 0; i < 100000; i++)
        ck_assert_int_eq(b.data[i], (char)i);
    buf_reset(&b);
    ck_assert_uint_eq(b.len, 0);
    ck_assert_str_eq(buf_cstr(&b), "");
}
END_TEST

START_TEST(a_buffer_prints)
{
    CLEANUP_BUF struct buf b = {0};
    char expected[1000];

    memset(expected, 'y', sizeof expected - 1);
    expected[sizeof expected - 1] = '\0';
    buf_printf(&b, "%s", "");
    ck_assert_str_eq(buf_cstr(&b), "");
    buf_printf(&b, "%d-%s;", 12, "ab");
    buf_add_lit(&b, "lit");
    buf_add_str(&b, "");
    buf_add(&b, NULL, 0);
    ck_assert_str_eq(buf_cstr(&b), "12-ab;lit");
    buf_reset(&b);
    buf_printf(&b, "%s", expected);
    ck_assert_str_eq(buf_cstr(&b), expected);
}
END_TEST

START_TEST(a_buffer_prints_exactly_up_to_its_capacity)
{
    for (int n = 0; n < 600; n++) {
        CLEANUP_BUF struct buf b = {0};

        buf_printf(&b, "%*s", n, "");
        ck_assert_uint_eq(b.len, (size_t)n);
        buf_printf(&b, "x");
        ck_assert_uint_eq(b.len, (size_t)n + 1);
        ck_assert_int_eq(b.data[n], 'x');
        ck_assert_uint_eq(strlen(buf_cstr(&b)), (size_t)n + 1);
    }
}
END_TEST

START_TEST(a_buffer_writes_integers_as_printf_does)
{
    static const int64_t numbers[] = {0, 1, -1, 9, 10, -10, 123456789, INT64_MAX, INT64_MIN};
    char expected[32];

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        CLEANUP_BUF struct buf b = {0};

        snprintf(expected, sizeof expected, "%" PRId64, numbers[i]);
        buf_add_int(&b, numbers[i]);
        ck_assert_str_eq(buf_cstr(&b), expected);
    }
}
END_TEST

START_TEST(a_buffer_is_consumed_from_its_front)
{
    CLEANUP_BUF struct buf b = {0};

    buf_consume(&b, 3);
    buf_add_str(&b, "abcdef");
    buf_consume(&b, 0);
    buf_consume(&b, 2);
    ck_assert_str_eq(buf_cstr(&b), "cdef");
    buf_consume(&b, 100);
    ck_assert_uint_eq(b.len, 0);
}
END_TEST

/* ---- errors ---- */

START_TEST(an_error_keeps_the_first_cause)
{
    CLEANUP_ERR struct err e = {0};

    ck_assert(!err_is_set(&e));
    ck_assert(!err_is(&e, "A"));
    ck_assert_int_eq(err_set(&e, "A", 2, "p1", (char *)NULL), -1);
    ck_assert_int_eq(err_set(&e, "B", 0), -1);
    ck_assert_int_eq(err_internal(&e, "no"), -1);
    ck_assert(err_is(&e, "A"));
    ck_assert(!err_is(&e, "B"));
    ck_assert_uint_eq(e.n_params, 2);
    ck_assert_str_eq(e.params[0], "p1");
    ck_assert_str_eq(e.params[1], "");
    err_add_param(&e, "p3");
    ck_assert_str_eq(e.params[2], "p3");
    err_clear(&e);
    ck_assert(!err_is_set(&e));
    err_clear(&e);
}
END_TEST

START_TEST(an_error_tells_its_errno_and_its_text)
{
    CLEANUP_ERR struct err e = {0};
    CLEANUP_TALLOC char *none = err_text(NULL, &e), *text = NULL;

    ck_assert_str_eq(none, "no error: [ ]");
    ck_assert_int_eq(err_errno(&e, -ENOENT, "open %s", "x"), -1);
    text = err_text(NULL, &e);
    ck_assert_str_eq(text, "INTERNAL_ERROR: [ open x: No such file or directory ]");
    err_add_param(&e, "more");
    talloc_free(text);
    text = err_text(NULL, &e);
    ck_assert_str_eq(text, "INTERNAL_ERROR: [ open x: No such file or directory; more ]");
}
END_TEST

START_TEST(an_error_moves_and_copies)
{
    CLEANUP_ERR struct err a = {0}, b = {0}, c = {0};

    err_move(&b, &a);
    err_copy(&b, &a);
    ck_assert(!err_is_set(&b));
    err_set(&a, "A", 1, "x");
    err_copy(&c, &a);
    err_move(&b, &a);
    ck_assert(!err_is_set(&a));
    ck_assert(err_is(&b, "A") && err_is(&c, "A"));
    ck_assert_str_eq(c.params[0], "x");
    err_set(&a, "LATER", 0);
    err_move(&b, &a);
    ck_assert(!err_is_set(&a));
    ck_assert(err_is(&b, "A"));
}
END_TEST

/* ---- UTF-8 ---- */

START_TEST(utf8_takes_what_the_rfc_takes)
{
    static const char *const good[] = {"",
                                       "abc",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc3",
                                      "\xe0\x9f\xbf",
                                      "\xe2\x82",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf0\x90\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "\xfe",
                                      "\xff",
                                      "a\xc3(",
                                      "\xe2\x28\xa1"};

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(utf8_valid(good[i], strlen(good[i])), "good %zu", i);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!utf8_valid(bad[i], strlen(bad[i])), "bad %zu", i);
    ck_assert(utf8_valid("a\0b", 3));
    for (size_t i = 0; i < 24; i++) { /* wherever it stands among plain bytes */
        char text[] = "abcdefghijklmnopqrstuvwx";

        text[i] = (char)0xff;
        ck_assert_msg(!utf8_valid(text, 24) && utf8_valid(text, i), "at %zu", i);
    }
    ck_assert_uint_eq(utf8_next("\xe2\x82\xac!", 4), 3);
    ck_assert_uint_eq(utf8_next("\xe2\x82\xac", 2), 0);
    ck_assert_uint_eq(utf8_next("", 0), 0);
}
END_TEST

/* ---- log ---- */

START_TEST(log_text_is_escaped)
{
    CLEANUP_BUF struct buf b = {0};
    static const char text[] = "a\nb\x1b[31m\0c\x7f \xc3\xa4 \xc2\x9b \xff\xe2\x82";

    log_escape(&b, text, sizeof text - 1);
    ck_assert_str_eq(buf_cstr(&b), "a\\nb\\x1b[31m\\x00c\\x7f \xc3\xa4 \\xc2\\x9b \\xff\\xe2\\x82");
}
END_TEST

static void origin(struct log_origin *ret)
{
    *ret = (struct log_origin){.method = "VM.start", .task = "task-1", .session = "0123abcd"};
}

static void co_log_something(void *unused)
{
    log_warning("hello\n%s", "<3>forged");
}

static void child_logs(void)
{
    log_set_origin_source(origin);
    setenv("JOURNAL_STREAM", "1:1", 1);
    log_debug("not shown");
    log_error("%s", "plain");
    fiber_spawn("request", co_log_something, NULL);
    loop_run();
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("shown");
    log_set_level(LOG_LEVEL_ERROR);
    log_warning("not shown");
}

START_TEST(log_lines_have_a_priority_and_say_who_speaks)
{
    CLEANUP_BUF struct buf err = {0};

    ck_assert_int_eq(run_forked(child_logs, &err), 0);
    ck_assert_str_eq(buf_cstr(&err), "<3>[VM.start task=task-1 session=0123abcd] plain\n"
                                     "<4>[request VM.start task=task-1 session=0123abcd] hello\\n<3>forged\n"
                                     "<7>[VM.start task=task-1 session=0123abcd] shown\n");
}
END_TEST

/* Standard error is a file, as far as the journal is concerned its own. */
static void child_logs_to_journal(void)
{
    char stream[64], path[] = "/tmp/xapid-journal-XXXXXX", entry[1000];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    int journal = socket(AF_UNIX, SOCK_DGRAM, 0);

    close(mkstemp(path));
    unlink(path);
    memcpy(address.sun_path, path, sizeof path);
    ck_assert_int_eq(bind(journal, (struct sockaddr *)&address, sizeof address), 0);
    unsetenv("JOURNAL_STREAM");
    ck_assert(!log_use_journal(path));
    setenv("JOURNAL_STREAM", "1:1", 1);
    ck_assert(!log_use_journal(path));
    ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    ck_assert(log_use_journal(path));
    log_set_origin_source(origin);
    log_warning("hello\nPRIORITY=0");
    ssize_t n = recv(journal, entry, sizeof entry - 1, 0);
    ck_assert_int_gt(n, 0);
    entry[n] = '\0';
    ck_assert_str_eq(entry, "PRIORITY=4\nSYSLOG_IDENTIFIER=xapid\nXAPID_METHOD=VM.start\nXAPID_TASK=task-1\n"
                            "XAPID_SESSION=0123abcd\nMESSAGE=hello\\nPRIORITY=0\n");
    unlink(path);
    close(journal);
    log_warning("nobody there");
}

START_TEST(the_journal_gets_fields_and_what_it_does_not_take_is_not_lost)
{
    CLEANUP_BUF struct buf err = {0};

    ck_assert_int_eq(run_forked(child_logs_to_journal, &err), 0);
    ck_assert_str_eq(buf_cstr(&err), "<4>[VM.start task=task-1 session=0123abcd] nobody there\n");
}
END_TEST

static void child_logs_long(void)
{
    static char text[100000];

    memset(text, 'x', sizeof text - 1);
    unsetenv("JOURNAL_STREAM");
    log_info("%s", text);
}

START_TEST(a_log_line_without_a_journal_has_the_time_and_a_limit)
{
    CLEANUP_BUF struct buf err = {0};

    ck_assert_int_eq(run_forked(child_logs_long, &err), 0);
    ck_assert_uint_lt(err.len, 17000);
    ck_assert_uint_gt(err.len, 16000);
    ck_assert_int_eq(strncmp(err.data, "<6>20", 5), 0);
    ck_assert_int_eq(strncmp(err.data + 26, "Z x", 3), 0);
}
END_TEST

/* ---- cleanup ---- */

static void scope(int *ret_fd, char **ret_text)
{
    CLEANUP_FD int kept = open("/dev/null", O_RDONLY | O_CLOEXEC), closed = dup(kept);
    CLEANUP_FREE char *text = strdup("kept");

    ck_assert_int_ge(closed, 0);
    ret_fd[0] = closed;
    ret_fd[1] = TAKE_FD(kept);
    *ret_text = TAKE_PTR(text);
    ck_assert_int_eq(kept, -1);
    ck_assert_ptr_null(text);
}

START_TEST(a_scope_releases_what_was_not_taken)
{
    char *text;
    int fds[2];

    scope(fds, &text);
    ck_assert_int_eq(fcntl(fds[0], F_GETFD), -1);
    ck_assert_int_ge(fcntl(fds[1], F_GETFD), 0);
    ck_assert_str_eq(text, "kept");
    free(text);
    close(fds[1]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("text");
    TCase *t = tcase_create("text");

    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_test(t, a_buffer_grows_and_keeps_its_bytes);
    tcase_add_test(t, a_buffer_prints);
    tcase_add_test(t, a_buffer_prints_exactly_up_to_its_capacity);
    tcase_add_test(t, a_buffer_writes_integers_as_printf_does);
    tcase_add_test(t, a_buffer_is_consumed_from_its_front);
    tcase_add_test(t, an_error_keeps_the_first_cause);
    tcase_add_test(t, an_error_tells_its_errno_and_its_text);
    tcase_add_test(t, an_error_moves_and_copies);
    tcase_add_test(t, utf8_takes_what_the_rfc_takes);
    tcase_add_test(t, log_text_is_escaped);
    tcase_add_test(t, log_lines_have_a_priority_and_say_who_speaks);
    tcase_add_test(t, the_journal_gets_fields_and_what_it_does_not_take_is_not_lost);
    tcase_add_test(t, a_log_line_without_a_journal_has_the_time_and_a_limit);
    tcase_add_test(t, a_scope_releases_what_was_not_taken);
    suite_add_tcase(s, t);
    return run_suite(s);
}
