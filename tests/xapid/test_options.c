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
    ck_assert(!reads("--state-dir", "/s", "--nothing", NULL, NULL, NULL));
    ck_assert(!reads("--state-dir", "/s", "extra", NULL, NULL, NULL));
    ck_assert(!reads("--state-dir", NULL, NULL, NULL, NULL, NULL));
    ck_assert(!reads("--config", "/nonexistent/file", NULL, NULL, NULL, NULL));
    static const char *const bad[] = {"nothing = 1\n", "state-dir\n", "port = x\n",
                                      "= 1\n",         "\xff\xfe\n",  "port =\n"};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_config(bad[i]);
        ck_assert_msg(!reads("--state-dir", "/s", "--config", path, NULL, NULL), "accepted: %s", bad[i]);
    }
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
    suite_add_tcase(s, c);
    return run_suite(s);
}
