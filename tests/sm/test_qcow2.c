/* Reading qcow2 headers, most of them hostile. */
#include <errno.h>
#include <string.h>
#include "sm/qcow2.h"
#include "tests/in_fiber.h"

/* A header of version 3 with a backing file named `backing`; returns its length. */
static uint64_t make_header(unsigned char *h, const char *backing, uint64_t size)
{
    uint32_t n = (uint32_t)strlen(backing);

    memset(h, 0, 512);
    memcpy(h, "QFI\xfb", 4);
    h[7] = 3;
    if (n) {
        h[15] = 104;
        h[18] = (unsigned char)(n >> 8);
        h[19] = (unsigned char)n;
    }
    for (int i = 0; i < 8; i++)
        h[24 + i] = (unsigned char)(size >> (56 - 8 * i));
    memcpy(h + 104, backing, n);
    return 104 + n;
}

START_TEST(size_and_backing_file_are_read)
{
    unsigned char h[512];
    struct qcow2_info info;
    uint64_t n = make_header(h, "base.qcow2", 5000000000u);

    ck_assert_int_eq(qcow2_parse_header(h, n, &info), 0);
    ck_assert_int_eq(info.virtual_size, 5000000000);
    ck_assert_str_eq(info.backing, "base.qcow2");
}
END_TEST

START_TEST(an_image_without_backing_has_an_empty_name)
{
    unsigned char h[512];
    struct qcow2_info info;
    uint64_t n = make_header(h, "", 512);

    ck_assert_int_eq(qcow2_parse_header(h, n, &info), 0);
    ck_assert_str_eq(info.backing, "");
}
END_TEST

START_TEST(a_header_cut_at_any_byte_is_refused)
{
    unsigned char h[512];
    struct qcow2_info info;
    uint64_t n = make_header(h, "base.qcow2", 512);

    for (uint64_t cut = 0; cut < n; cut++)
        ck_assert_int_eq(qcow2_parse_header(h, cut, &info), -EBADMSG);
}
END_TEST

START_TEST(lying_lengths_are_refused)
{
    unsigned char h[512];
    struct qcow2_info info;
    uint64_t n = make_header(h, "base.qcow2", 512);

    memset(h + 16, 0xff, 4); /* the name's length */
    ck_assert_int_eq(qcow2_parse_header(h, n, &info), -EBADMSG);
    n = make_header(h, "base.qcow2", 512);
    memset(h + 8, 0xff, 8); /* the name's offset */
    ck_assert_int_eq(qcow2_parse_header(h, n, &info), -EBADMSG);
    n = make_header(h, "base.qcow2", UINT64_MAX);
    ck_assert_int_eq(qcow2_parse_header(h, n, &info), -EBADMSG);
}
END_TEST

START_TEST(other_versions_and_other_files_are_refused)
{
    unsigned char h[512];
    struct qcow2_info info;
    uint64_t n = make_header(h, "", 512);

    h[7] = 4;
    ck_assert_int_eq(qcow2_parse_header(h, n, &info), -EBADMSG);
    h[7] = 1;
    ck_assert_int_eq(qcow2_parse_header(h, n, &info), -EBADMSG);
    memset(h, 0, sizeof h);
    ck_assert_int_eq(qcow2_parse_header(h, sizeof h, &info), -EBADMSG);
    ck_assert_int_lt(qcow2_read_info("/nonexistent/image", &info), 0);
    ck_assert_int_eq(qcow2_read_info("/dev/null", &info), -EBADMSG);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("qcow2");
    TCase *t = tcase_create("header");

    tcase_add_test(t, size_and_backing_file_are_read);
    tcase_add_test(t, an_image_without_backing_has_an_empty_name);
    tcase_add_test(t, a_header_cut_at_any_byte_is_refused);
    tcase_add_test(t, lying_lengths_are_refused);
    tcase_add_test(t, other_versions_and_other_files_are_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
