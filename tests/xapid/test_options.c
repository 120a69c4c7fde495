/* The command line and the configuration file. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/in_fiber.h"
#include "xapid/options.h"

static char path[] = "/tmp/xapid-options-XXXXXX";
static struct xapid_options o;
static enum options_action action;

static void set_up(void)
{
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void tear_down(void)
{
    unlink(path);
}

static void write_config(const char *text)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

/* Up to six arguments; true when they are understood. */
static bool reads(const char *a, const char *b, const char *c, const char *d, const char *e, const char *f)
{
    CLEANUP_ERR struct err error = {0};
    char *argv[] = {(char *)"xapid", (char *)a, (char *)b, (char *)c, (char *)d, (char *)e, (char *)f, NULL};
    int argc = 1;
    while (argv[argc])
        argc++;
    int r = options_read(argc, argv, &o, &action, &error);
    ck_assert_int_eq(r < 0, err_is_set(&error));
    return r == 0;
}

START_TEST(the_command_line_is_read)
{
    ck_assert(reads("--state-dir", "/s", "--port=8443", "--foreground", "--address", "127.0.0.9"));
    ck_assert_str_eq(o.state_dir, "/s");
    ck_assert_str_eq(o.address, "127.0.0.9");
    ck_assert_int_eq(o.port, 8443);
    ck_assert_int_eq(o.http_port, -1);
    ck_assert(o.foreground);
    ck_assert_str_eq(o.hypervisor, "qemu");
    ck_assert_int_eq(action, OPTIONS_RUN);
    ck_assert(reads("--state-dir", "/s", "--set-password", "root", NULL, NULL));
    ck_assert_int_eq(action, OPTIONS_SET_PASSWORD);
}
END_TEST

START_TEST(what_the_command_line_says_wins_over_the_file)
{
    write_config("# a comment\n\n state-dir = /from/file # more\nport=1\nhypervisor =  sim\n");
    ck_assert(reads("--port", "2", "--config", path, NULL, NULL));
    ck_assert_str_eq(o.state_dir, "/from/file");
    ck_assert_str_eq(o.hypervisor, "sim");
    ck_assert_int_eq(o.port, 2);
}
END_TEST

START_TEST(what_is_wrong_is_refused)
{
    ck_assert(!reads("--port", "1", NULL, NULL, NULL, NULL));
    ck_assert(!reads("--state-dir", "/s", "--port", "x", NULL, NULL));
    ck_assert(!reads("--state-dir", "/s", "--port", "-1", NULL, NULL));
    ck_assert(!reads("--state-dir", "/s", "--port", "65536", NULL, NULL));
    ck_assert(!reads("--state-dir", "/s", "--http-port", "65536", NULL, NULL));
    ck_assert(!reads("--state-dir", "/s", "--http-port", "-1", NULL, NULL));
    ck_assert(!reads("--state-dir", "/s", "--silence-ms", "499", NULL, NULL));
    ck_assert(!reads("--state-dir", "/s", "--silence-ms", "600001", NULL, NULL));
    ck_assert(reads("--state-dir", "/s", "--silence-ms", "500", NULL, NULL));
    ck_assert(!reads("--state-dir", "/s", "--evacuation-batch-size", "0", NULL, NULL));
    ck_assert(!reads("--state-dir", "/s", "--nothing", NULL, NULL, NULL));
    ck_assert(!reads("--state-dir", "/s", "extra", NULL, NULL, NULL));
    ck_assert(!reads("--state-dir", NULL, NULL, NULL, NULL, NULL));
    ck_assert(!reads("--config", "/nonexistent/file", NULL, NULL, NULL, NULL));
    static const char *const bad[] = {
        "nothing = 1\n", "state-dir\n",         "port = x\n",        "= 1\n",        "\xff\xfe\n",
        "port =\n",      "metrics = perhaps\n", "log-level = all\n", "config = x\n", "set-password = root\n"};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_config(bad[i]);
        ck_assert_msg(!reads("--state-dir", "/s", "--config", path, NULL, NULL), "accepted: %s", bad[i]);
    }
}
END_TEST

static void problems_are(struct options_reading *r, const char *wanted)
{
    CLEANUP_BUF struct buf text = {0};
    for (const char *p = wanted; *p; p++)
        if (*p == '@')
            buf_add_str(&text, path);
        else
            buf_add_char(&text, *p);
    ck_assert_str_eq(buf_cstr(&r->problems), buf_cstr(&text));
    options_reading_fini(r);
}

START_TEST(every_problem_is_named_with_its_place)
{
    struct options_reading r;
    char *argv[] = {(char *)"xapid", (char *)"--config", path, (char *)"--http-port=x", (char *)"more", NULL};
    write_config("# first\nport = 70000\nnothing = 1\nmetrics=maybe\nbare\nauthentication = x\n");
    options_parse(5, argv, &r);
    ck_assert_uint_eq(r.n_problems, 8);
    problems_are(&r, "@:3: there is no setting 'nothing'\n"
                     "@:4: metrics: this is true or false, not 'maybe'\n"
                     "@:5: 'bare' is not of the form key = value\n"
                     "--http-port: this wants a number, not 'x'\n"
                     "unexpected argument: more (see --help)\n"
                     "--state-dir: this is needed\n"
                     "@:6: authentication: this is passwd or pam, not 'x'\n"
                     "@:2: port: a port is at most 65535\n");
}
END_TEST

START_TEST(lines_may_be_long_but_not_binary)
{
    struct options_reading r;
    char *argv[] = {(char *)"xapid", (char *)"--config", path, NULL};
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "state-dir = /%0100000d\n", 7);
    fwrite("port = 1\0 2\nmetrics = no", 1, 24, f);
    fclose(f);
    options_parse(3, argv, &r);
    ck_assert_uint_eq(strlen(r.options.state_dir), 100001);
    problems_are(&r, "@:2: this is not text\n");
}
END_TEST

static char taken[128], left[128];

static void note(const char *setting, bool was_taken, void *arg)
{
    char *to = was_taken ? taken : left;
    strcat(to, setting);
    strcat(to, " ");
}

START_TEST(some_settings_change_while_it_runs)
{
    struct xapid_options now;
    write_config("state-dir = /s\nmetrics = yes\nport = 1\nplugin-dir = /p\nlogin-delay-ms = 7\n");
    ck_assert(reads("--config", path, NULL, NULL, NULL, NULL));
    now = o;
    write_config("state-dir = /s\nmetrics = no\nport = 2\nlogin-delay-ms = 8\nlog-level = debug\n");
    ck_assert(reads("--config", path, NULL, NULL, NULL, NULL));
    options_take_changes(&now, &o, note, NULL);
    ck_assert_str_eq(taken, "metrics log-level login-delay-ms plugin-dir ");
    ck_assert_str_eq(left, "port ");
    ck_assert(!now.metrics && now.plugin_dir == NULL);
    ck_assert_int_eq(now.port, 1);
    ck_assert_int_eq(now.login_delay_ms, 8);
    ck_assert_str_eq(now.log_level, "debug");
    ck_assert_str_eq(now.state_dir, "/s");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("options");
    TCase *c = tcase_create("options");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, the_command_line_is_read);
    tcase_add_test(c, what_the_command_line_says_wins_over_the_file);
    tcase_add_test(c, what_is_wrong_is_refused);
    tcase_add_test(c, every_problem_is_named_with_its_place);
    tcase_add_test(c, lines_may_be_long_but_not_binary);
    tcase_add_test(c, some_settings_change_while_it_runs);
    suite_add_tcase(s, c);
    return run_suite(s);
}
