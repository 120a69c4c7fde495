/* The note of a host's place in the pool: whole, old or new, never half; what is no such note is refused. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/buf.h"
#include "lib/fd.h"
#include "pool/membership.h"
#include "tests/in_fiber.h"

static char folder[] = "/tmp/xapid-membership-XXXXXX";
static char file[128];

static const struct membership member = {.member = true,
                                         .pool = "0b0f2c1c-28e5-4f0a-a5f7-3ab1c1dfe7a5",
                                         .host = "5d9e3f0e-6c5d-4c0f-8a52-d64ff4f2c5d3",
                                         .term = 7,
                                         .coordinator = "10.0.0.1"};

static void set_up(void)
{
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/pool/membership", folder);
}

static void tear_down(void)
{
    char pool[128];

    snprintf(pool, sizeof pool, "%s/pool", folder);
    unlink(file);
    rmdir(pool);
    rmdir(folder);
}

static void put(const char *text)
{
    CLEANUP_ERR struct err e = {0};

    ck_assert_int_eq(membership_write(folder, &member, &e), 0);
    ck_assert_int_eq(fd_replace_file(file, text, strlen(text)), 0);
}

START_TEST(what_was_written_is_read)
{
    CLEANUP_ERR struct err e = {0};
    struct membership m;

    ck_assert_int_eq(membership_write(folder, &member, &e), 0);
    ck_assert_int_eq(membership_read(folder, &m, &e), 0);
    ck_assert(m.member && !m.leaving && m.term == 7);
    ck_assert_str_eq(m.pool, member.pool);
    ck_assert_str_eq(m.host, member.host);
    ck_assert_str_eq(m.coordinator, "10.0.0.1");
}
END_TEST

START_TEST(what_could_not_be_read_is_not_written)
{
    struct membership wrong[5] = {member, member, member, member, member}, m;
    CLEANUP_ERR struct err e = {0};

    wrong[0].pool[0] = '\0';
    wrong[1].host[0] = 'x';
    wrong[2].term = 0;
    wrong[3].coordinator[0] = '\0';
    strcpy(wrong[4].coordinator, "coordinator");
    ck_assert_int_eq(membership_write(folder, &member, &e), 0);
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_int_eq(membership_write(folder, &wrong[i], &e), -1);
        err_clear(&e);
    }
    ck_assert_int_eq(membership_read(folder, &m, &e), 0);
    ck_assert_str_eq(m.coordinator, "10.0.0.1");
}
END_TEST

START_TEST(no_file_is_no_pool)
{
    CLEANUP_ERR struct err e = {0};
    struct membership m = member;

    ck_assert_int_eq(membership_read(folder, &m, &e), 0);
    ck_assert(!m.member && m.term == 0 && m.pool[0] == '\0');
}
END_TEST

START_TEST(leaving_ends_with_nothing)
{
    CLEANUP_ERR struct err e = {0};
    struct membership m = member;

    m.leaving = true;
    ck_assert_int_eq(membership_write(folder, &m, &e), 0);
    ck_assert_int_eq(membership_read(folder, &m, &e), 0);
    ck_assert(m.leaving);
    ck_assert_int_eq(membership_remove(folder, &e), 0);
    ck_assert_int_eq(membership_read(folder, &m, &e), 0);
    ck_assert(m.pool[0] == '\0');
}
END_TEST

#define POOL "pool = 0b0f2c1c-28e5-4f0a-a5f7-3ab1c1dfe7a5\n"
#define HOST "host = 5d9e3f0e-6c5d-4c0f-8a52-d64ff4f2c5d3\n"

static const char *const bad[] = {
    "",
    "\n",
    "role = coordinator\n",
    "role = coordinator\n" POOL HOST,
    "role = coordinator\n" POOL HOST "term = 0\n",
    "role = coordinator\n" POOL HOST "term = -1\n",
    "role = coordinator\n" POOL HOST "term = 99999999999999999999\n",
    "role = coordinator\n" POOL HOST "term = 1x\n",
    "role = king\n" POOL HOST "term = 1\n",
    "role = member\n" POOL HOST "term = 1\n",
    "role = member\n" POOL HOST "term = 1\ncoordinator = example.org\n",
    "role = member\n" POOL HOST "term = 1\ncoordinator = 10.0.0.1",
    "role = coordinator\npool = x\n" HOST "term = 1\n",
    "role = coordinator\n" POOL "host = ../../etc\nterm = 1\n",
    "role = coordinator\n" POOL HOST "term = 1\nleaving = maybe\n",
    "role coordinator\n" POOL HOST "term = 1\n",
    "\xff\xfe\n" POOL HOST "term = 1\n",
};

START_TEST(what_is_no_membership_is_refused)
{
    CLEANUP_ERR struct err e = {0};
    struct membership m;

    put(bad[_i]);
    ck_assert_int_eq(membership_read(folder, &m, &e), -1);
    ck_assert(err_is(&e, "INTERNAL_ERROR"));
}
END_TEST

START_TEST(a_line_without_end_is_refused)
{
    CLEANUP_ERR struct err e = {0};
    CLEANUP_BUF struct buf text = {0};
    struct membership m;

    buf_add_lit(&text, "role = coordinator\n" POOL HOST "term = 1\nnote = ");
    for (unsigned i = 0; i < 100000; i++)
        buf_add_char(&text, 'x');
    put(buf_cstr(&text));
    ck_assert_int_eq(membership_read(folder, &m, &e), -1);
}
END_TEST

START_TEST(keys_of_later_versions_are_passed_over)
{
    CLEANUP_ERR struct err e = {0};
    struct membership m;

    put("role = coordinator\n" POOL HOST "term = 3\ncolour = blue\n");
    ck_assert_int_eq(membership_read(folder, &m, &e), 0);
    ck_assert_uint_eq(m.term, 3);
}
END_TEST

START_TEST(terms_grow_and_no_two_hosts_begin_the_same)
{
    struct membership one = member, two = member;
    uint64_t first, second;

    strcpy(two.host, "5d9e3f0e-6c5d-4c0f-8a52-d64ff4f2c5d4");
    first = membership_next_term(&one);
    second = membership_next_term(&two);
    ck_assert(first > member.term && second > member.term && first != second);
    one.term = two.term = first > second ? first : second;
    ck_assert(membership_next_term(&one) > one.term && membership_next_term(&two) > one.term);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("membership");
    TCase *t = tcase_create("file");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, what_was_written_is_read);
    tcase_add_test(t, what_could_not_be_read_is_not_written);
    tcase_add_test(t, no_file_is_no_pool);
    tcase_add_test(t, leaving_ends_with_nothing);
    tcase_add_loop_test(t, what_is_no_membership_is_refused, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(t, a_line_without_end_is_refused);
    tcase_add_test(t, terms_grow_and_no_two_hosts_begin_the_same);
    tcase_add_test(t, keys_of_later_versions_are_passed_over);
    suite_add_tcase(s, t);
    return run_suite(s);
}
