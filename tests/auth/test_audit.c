/* The files of the audit log, and how it shows parameters. */
#include <check.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/buf.h"
#include "tests/in_fiber.h"
#include "xapid/audit/audit.h"
#include "xapid/audit/log.h"
#include "xapid/audit/text.h"

static char dir[64];
static struct audit_log *audit;

static void set_up(void)
{
    snprintf(dir, sizeof dir, "/tmp/xapid-audit-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void tear_down(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

static void begin(size_t bytes, unsigned files)
{
    CLEANUP_ERR struct err e = {0};
    ck_assert_int_eq(audit_log_open(dir, bytes, files, &audit, &e), 0);
}

static void append(const char *line)
{
    audit_log_append(audit, line, strlen(line));
}

/* All there is, oldest first. */
static const char *content(struct buf *b)
{
    int fds[AUDIT_FILES_MAX];
    unsigned n = audit_log_open_files(audit, fds);
    buf_reset(b);
    for (unsigned i = 0; i < n; i++) {
        ssize_t r;
        while ((r = read(fds[i], buf_reserve(b, 4096), 4096)) > 0)
            b->len += (size_t)r;
        close(fds[i]);
    }
    return buf_cstr(b);
}

static void co_rotate(void *arg)
{
    CLEANUP_BUF struct buf all = {0};
    char line[16];
    glob_t found;
    begin(40, 3);
    for (int i = 0; i < 100; i++) {
        snprintf(line, sizeof line, "line %04d\n", i);
        append(line);
    }
    ck_assert_str_eq(content(&all), "line 0088\nline 0089\nline 0090\nline 0091\nline 0092\nline 0093\n"
                                    "line 0094\nline 0095\nline 0096\nline 0097\nline 0098\nline 0099\n");
    char pattern[80];
    snprintf(pattern, sizeof pattern, "%s/*", dir);
    ck_assert_int_eq(glob(pattern, 0, NULL, &found), 0);
    ck_assert_uint_eq(found.gl_pathc, 3);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct stat st;
        ck_assert_int_eq(stat(found.gl_pathv[i], &st), 0);
        ck_assert_int_le(st.st_size, 40);
        ck_assert_uint_eq(st.st_mode & 0777, 0600);
    }
    globfree(&found);
    audit_log_free(audit);
}

START_TEST(old_files_go_so_that_the_whole_is_bounded)
{
    run_in_fiber(co_rotate, NULL);
}
END_TEST

static void co_reopen(void *arg)
{
    CLEANUP_BUF struct buf all = {0};
    begin(1000, 2);
    append("one\n");
    append("cut");
    audit_log_free(audit);
    begin(1000, 2);
    append("two\n");
    ck_assert_str_eq(content(&all), "one\ncut\ntwo\n");
    audit_log_free(audit);
}

START_TEST(a_log_goes_on_where_it_ended_and_after_a_cut_line)
{
    run_in_fiber(co_reopen, NULL);
}
END_TEST

/* A file that may not grow beyond 15 bytes stands for a disk that is full. */
static void co_full(void *arg)
{
    CLEANUP_BUF struct buf all = {0};
    struct rlimit before, limit = {0};
    begin(1000, 2);
    append("0123456789\n");
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){.rlim_cur = 15, .rlim_max = before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    append("half of this fits\n");
    append("none\n");
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    append("again\n");
    ck_assert_str_eq(content(&all), "0123456789\nagain\n");
    audit_log_free(audit);
}

START_TEST(a_line_that_does_not_fit_the_disk_leaves_nothing)
{
    signal(SIGXFSZ, SIG_IGN);
    run_in_fiber(co_full, NULL);
}
END_TEST

/* ---- text ---- */

static void *mem;

static const char *quoted(const char *text, size_t max)
{
    CLEANUP_BUF struct buf b = {0};
    audit_add_quoted(&b, text, max);
    return talloc_strdup(mem, buf_cstr(&b));
}

START_TEST(text_cannot_break_out_of_its_quotes)
{
    mem = talloc_new(NULL);
    ck_assert_str_eq(quoted("it's", 10), "'it\\'s'");
    ck_assert_str_eq(quoted("a\\", 10), "'a\\\\'");
    ck_assert_str_eq(quoted("a\n[2026|audit\x1b", 100), "'a\\n[2026|audit\\x1b'");
    ck_assert_str_eq(quoted("\xff\xc3", 10), "'\\xff\\xc3'");
    ck_assert_str_eq(quoted("aäb", 2), "'a...'");
    ck_assert_str_eq(quoted("aäb", 3), "'aä...'");
    talloc_free(mem);
}
END_TEST

static const char *params_of(const char *message, const struct wire *params, uint32_t n)
{
    CLEANUP_BUF struct buf b = {0};
    CLEANUP_ERR struct err e = {0};
    const struct model_message *m = model_message_by_name(message);
    struct db *db;
    ck_assert_ptr_nonnull(m);
    ck_assert_int_eq(db_open(NULL, &db, &e), 0);
    audit_add_params(&b, db, m, params, n);
    db_close(db);
    return talloc_strdup(mem, buf_cstr(&b));
}

static void co_secrets(void *arg)
{
    struct wire_member config[] = {{"location", wire_string("//nas/isos")},
                                   {"cifspassword", wire_string("hush")}};
    struct wire record[] = {{.kind = WIRE_STRUCT, .n = 2, .members = config}};
    struct wire_member secret[] = {{"value", wire_string("hush")}};
    struct wire create[] = {{.kind = WIRE_STRUCT, .n = 1, .members = secret}};
    struct wire login[] = {wire_string("root"), wire_string("hush"), wire_string("1.0"), wire_string("me")};
    struct wire add[] = {wire_string("x"), wire_string("admin_pass"), wire_string("hush")};
    struct wire harmless[] = {wire_string("x"), wire_string("folder"), wire_string("said")};
    struct wire set[] = {wire_string("x"), record[0]};
    mem = talloc_new(NULL);
    ck_assert_str_eq(params_of("session.login_with_password", login, 4),
                     "(('uname' 'root' '' '') ('pwd' '<hidden>' '' '') ('version' '1.0' '' '') "
                     "('originator' 'me' '' ''))");
    ck_assert_str_eq(params_of("secret.create", create, 1), "(('value' '<hidden>' '' ''))");
    ck_assert_str_eq(params_of("VM.add_to_other_config", add, 3),
                     "(('self' 'x' '' '') ('key' 'admin_pass' '' '') ('value' '<hidden>' '' ''))");
    ck_assert_str_eq(params_of("VM.add_to_other_config", harmless, 3),
                     "(('self' 'x' '' '') ('key' 'folder' '' '') ('value' 'said' '' ''))");
    ck_assert_str_eq(params_of("PBD.set_device_config", set, 2),
                     "(('self' 'x' '' '') ('value' (('location' '//nas/isos' '' '') "
                     "('cifspassword' '<hidden>' '' '')) '' ''))");
    talloc_free(mem);
}

START_TEST(secrets_are_hidden_wherever_they_stand)
{
    run_in_fiber(co_secrets, NULL);
}
END_TEST

static void co_large(void *arg)
{
    static struct wire items[100000];
    struct wire deep = {.kind = WIRE_ARRAY, .n = 1, .items = items};
    mem = talloc_new(NULL);
    char *text = talloc_zero_array(mem, char, 1000001);
    memset(text, 'a', 1000000);
    for (unsigned i = 0; i < 100000; i++)
        items[i] = wire_string(text);
    struct wire params[] = {wire_string(text), {.kind = WIRE_ARRAY, .n = 100000, .items = items}};
    ck_assert_uint_lt(strlen(params_of("VM.set_tags", params, 2)), 8192);
    items[0] = deep;
    const char *shown = params_of("VM.set_tags", params, 2);
    ck_assert_uint_lt(strlen(shown), 8192);
    ck_assert_ptr_nonnull(strstr(shown, "('' '...' '' '')"));
    talloc_free(mem);
}

START_TEST(what_is_large_or_deep_is_cut)
{
    run_in_fiber(co_large, NULL);
}
END_TEST

START_TEST(reads_and_changes_are_told_apart)
{
    static const char *const reads[] = {
        "VM.get_record",           "VM.get_all", "VM.get_possible_hosts", "event.from",
        "VM.assert_can_boot_here", "host.dmesg", "message.get_since"};
    static const char *const changes[] = {
        "VM.start",         "VM.set_name_label",  "VM.add_to_other_config",
        "VM.add_tags",      "VDI.destroy",        "session.login_with_password",
        "session.logout",   "subject.create",     "subject.add_to_roles",
        "host.call_plugin", "pool.set_default_SR"};
    for (unsigned i = 0; i < sizeof reads / sizeof reads[0]; i++)
        ck_assert_msg(audit_is_read(model_message_by_name(reads[i])), "%s", reads[i]);
    for (unsigned i = 0; i < sizeof changes / sizeof changes[0]; i++)
        ck_assert_msg(!audit_is_read(model_message_by_name(changes[i])), "%s", changes[i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("audit");
    TCase *t = tcase_create("audit");
    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, old_files_go_so_that_the_whole_is_bounded);
    tcase_add_test(t, a_log_goes_on_where_it_ended_and_after_a_cut_line);
    tcase_add_test(t, a_line_that_does_not_fit_the_disk_leaves_nothing);
    tcase_add_test(t, text_cannot_break_out_of_its_quotes);
    tcase_add_test(t, secrets_are_hidden_wherever_they_stand);
    tcase_add_test(t, what_is_large_or_deep_is_cut);
    tcase_add_test(t, reads_and_changes_are_told_apart);
    suite_add_tcase(s, t);
    return run_suite(s);
}
