/* Notes of what guests hold, as a daemon finds them that begins. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/fd.h"
#include "pool/attachments.h"
#include "tests/in_fiber.h"

#define UUID "5d9e3f0e-6c5d-4c0f-8a52-d64ff4f2c5d3"

static char folder[64], whole[128], half[128], other[128];

static void set_up(void)
{
    char notes[128];

    strcpy(folder, "/tmp/xapid-attachments-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(notes, sizeof notes, "%s/agent", folder);
    ck_assert_int_eq(mkdir(notes, 0700), 0);
    snprintf(whole, sizeof whole, "%s/agent/" UUID ".json", folder);
    snprintf(half, sizeof half, "%s/agent/" UUID ".json.tmp", folder);
    snprintf(other, sizeof other, "%s/agent/notes.txt", folder);
}

static void tear_down(void)
{
    char notes[128];

    snprintf(notes, sizeof notes, "%s/agent", folder);
    unlink(whole);
    unlink(other);
    ck_assert_int_eq(rmdir(notes), 0);
    rmdir(folder);
}

START_TEST(half_written_notes_go_and_whole_ones_are_found)
{
    void *mem = talloc_new(NULL);
    const char **guests;
    unsigned n;

    ck_assert_int_eq(fd_replace_file(whole, "{}", 2), 0);
    ck_assert_int_eq(fd_replace_file(half, "{", 1), 0);
    ck_assert_int_eq(fd_replace_file(other, "", 0), 0);
    guests = attachments_guests(mem, folder, &n);
    ck_assert_uint_eq(n, 1);
    ck_assert_str_eq(guests[0], UUID);
    ck_assert_int_eq(access(half, F_OK), -1);
    ck_assert_int_eq(access(whole, F_OK), 0);
    ck_assert_int_eq(access(other, F_OK), 0);
    talloc_free(mem);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("attachments");
    TCase *t = tcase_create("notes");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, half_written_notes_go_and_whole_ones_are_found);
    suite_add_tcase(s, t);
    return run_suite(s);
}
