/* The password file. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/in_fiber.h"
#include "xapid/session/passwd.h"

static char dir[] = "/tmp/xapid-passwd-XXXXXX", path[64];

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/passwd", dir);
}

static void tear_down(void)
{
    unlink(path);
    rmdir(dir);
}

static void write_text(const char *text, size_t n)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fwrite(text, 1, n, f);
    fclose(f);
}

START_TEST(a_password_that_was_set_is_right_and_others_are_wrong)
{
    ck_assert_int_eq(passwd_set(path, "root", "one"), 0);
    ck_assert_int_eq(passwd_set(path, "eve", "p:w\"\xc3\xa9"), 0);
    ck_assert_int_eq(passwd_check(path, "root", "one"), 0);
    ck_assert_int_eq(passwd_check(path, "eve", "p:w\"\xc3\xa9"), 0);
    ck_assert_int_eq(passwd_check(path, "root", "onee"), -EACCES);
    ck_assert_int_eq(passwd_check(path, "root", ""), -EACCES);
    ck_assert_int_eq(passwd_check(path, "roo", "one"), -EACCES);
    ck_assert_int_eq(passwd_check(path, "", "one"), -EACCES);
    ck_assert_int_eq(passwd_set(path, "root", "two"), 0);
    ck_assert_int_eq(passwd_check(path, "root", "one"), -EACCES);
    ck_assert_int_eq(passwd_check(path, "root", "two"), 0);
    ck_assert_int_eq(passwd_check(path, "eve", "p:w\"\xc3\xa9"), 0);
}
END_TEST

START_TEST(the_file_is_for_its_owner_only)
{
    struct stat st;
    ck_assert_int_eq(passwd_set(path, "root", "one"), 0);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
}
END_TEST

START_TEST(names_that_cannot_stand_in_the_file_are_refused)
{
    ck_assert_int_eq(passwd_set(path, "", "p"), -EINVAL);
    ck_assert_int_eq(passwd_set(path, "a:b", "p"), -EINVAL);
    ck_assert_int_eq(passwd_set(path, "a\nroot", "p"), -EINVAL);
}
END_TEST

START_TEST(nobody_is_known_without_a_file)
{
    ck_assert_int_eq(passwd_check(path, "root", ""), -EACCES);
}
END_TEST

START_TEST(damaged_lines_let_nobody_in)
{
    static const char *const bad[] = {
        "root:",
        "root",
        "root::::::",
        "root:scrypt:16384:8:1:00:00",
        "root:plain:1:1:1:00:00",
        "root:scrypt:16384:8:1:zz112233445566778899aabbccddeeff:00",
        "root:scrypt:16384:8:1",
        "\0root:scrypt",
        "\xff\xfe",
        "root:scrypt:16384:8:1:00112233445566778899aabbccddeeff:",
    };
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_text(bad[i], strlen(bad[i]));
        ck_assert_int_eq(passwd_check(path, "root", ""), -EACCES);
    }
    const char *huge = "root:scrypt:1099511627776:8:1:00112233445566778899aabbccddeeff:"
                       "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    write_text(huge, strlen(huge));
    ck_assert_int_lt(passwd_check(path, "root", ""), 0);
}
END_TEST

static void co_check(void *arg)
{
    ck_assert_int_eq(co_passwd_set(path, "root", "one"), 0);
    ck_assert_int_eq(co_passwd_check(path, "root", "one"), 0);
    ck_assert_int_eq(co_passwd_check(path, "root", "one"), 0);
    ck_assert_int_eq(co_passwd_check(path, "root", "two"), -EACCES);
    ck_assert_int_eq(passwd_set(path, "root", "two"), 0);
    ck_assert_int_eq(co_passwd_check(path, "root", "one"), -EACCES);
    ck_assert_int_eq(co_passwd_check(path, "root", "two"), 0);
}

START_TEST(a_remembered_password_is_forgotten_when_the_file_changes)
{
    run_in_fiber(co_check, NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("passwd");
    TCase *c = tcase_create("passwd");
    tcase_set_timeout(c, TEST_HANG_GUARD_S);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, a_password_that_was_set_is_right_and_others_are_wrong);
    tcase_add_test(c, the_file_is_for_its_owner_only);
    tcase_add_test(c, names_that_cannot_stand_in_the_file_are_refused);
    tcase_add_test(c, nobody_is_known_without_a_file);
    tcase_add_test(c, damaged_lines_let_nobody_in);
    tcase_add_test(c, a_remembered_password_is_forgotten_when_the_file_changes);
    suite_add_tcase(s, c);
    return run_suite(s);
}
