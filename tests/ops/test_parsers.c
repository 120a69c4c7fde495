/* What operations read that others wrote: provisioning XML, WebSocket frames, names of devices, addresses,
 * notes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include "model/value.h"
#include "tests/in_fiber.h"
#include "xapid/console/websocket.h"
#include "xapid/network/mac.h"
#include "xapid/network/vif.h"
#include "xapid/storage/device.h"
#include "xapid/storage/notes.h"
#include "xapid/vm/provision_xml.h"

/* ---- provisioning ---- */

static int parse(void *mem, const char *xml, struct provision_disk **disks, unsigned *n)
{
    CLEANUP_ERR struct err e = {0};
    int rc = provision_parse(mem, xml, disks, n, &e);

    if (rc < 0)
        ck_assert_str_eq(e.code, "INVALID_VALUE");
    return rc;
}

START_TEST(disks_are_read_in_their_order)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct provision_disk *d;
    unsigned n;

    ck_assert_int_eq(
        parse(mem,
              "<provision><disk device=\"0\" size=\"10\" sr=\"abc\" bootable=\"true\" type=\"system\"/>"
              "<!-- a comment --><other/><disk device='xvdb' size='20' sr='' bootable='false'/>"
              "</provision>",
              &d, &n),
        0);
    ck_assert_uint_eq(n, 2);
    ck_assert_str_eq(d[0].device, "0");
    ck_assert_str_eq(d[0].sr, "abc");
    ck_assert_str_eq(d[0].type, "system");
    ck_assert(d[0].bootable && d[0].size == 10);
    ck_assert(!d[1].bootable && d[1].size == 20);
    ck_assert_str_eq(d[1].type, "");
    ck_assert_int_eq(parse(mem, "<provision/>", &d, &n), 0);
    ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(what_is_no_provisioning_is_refused)
{
    static const char *const bad[] = {
        "",
        " ",
        "nonsense",
        "<",
        "<provision>",
        "<provision><disk/></provision>",
        "<other/>",
        "<provision><disk size=\"\"/></provision>",
        "<provision><disk size=\"-1\"/></provision>",
        "<provision><disk size=\"1 GiB\"/></provision>",
        "<provision><disk size=\"99999999999999999999\"/></provision>",
        "<provision><disk size=\"0\"/></provision>",
        "<provision \xff=\"\"/>",
        "<!DOCTYPE p [<!ENTITY a \"&b;\"><!ENTITY b \"&a;\">]><provision><disk size=\"&a;\"/></provision>",
        "<!DOCTYPE p [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><provision><disk size=\"&x;\"/></provision>",
    };
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct provision_disk *d;
    unsigned n;

    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(parse(mem, bad[i], &d, &n) < 0, "%s was taken", bad[i]);
}
END_TEST

START_TEST(each_beginning_of_good_xml_is_refused)
{
    static const char good[] =
        "<provision><disk device=\"0\" size=\"10\" sr=\"\" bootable=\"true\"/></provision>";
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct provision_disk *d;
    unsigned n;

    for (size_t len = 0; len < sizeof good - 1; len++) {
        CLEANUP_TALLOC char *part = talloc_strndup(NULL, good, len);
        ck_assert_int_lt(parse(mem, part, &d, &n), 0);
    }
}
END_TEST

static char *repeat(const char *text, unsigned n, const char *head, const char *tail)
{
    size_t len = strlen(text), at = strlen(head);
    char *all = talloc_size(NULL, at + n * len + strlen(tail) + 1);

    memcpy(all, head, at);
    for (unsigned i = 0; i < n; i++, at += len)
        memcpy(all + at, text, len);
    strcpy(all + at, tail);
    return all;
}

START_TEST(too_much_xml_is_refused)
{
    CLEANUP_TALLOC char *many = repeat("<disk size='1'/>", 256, "<provision>", "</provision>");
    CLEANUP_TALLOC char *deep = repeat("<provision>", 5000, "", "");
    CLEANUP_TALLOC char *huge = repeat(" ", 1 << 20, "<provision>", "</provision>");
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct provision_disk *d;
    unsigned n;

    ck_assert_int_lt(parse(mem, many, &d, &n), 0);
    ck_assert_int_lt(parse(mem, deep, &d, &n), 0);
    ck_assert_int_lt(parse(mem, huge, &d, &n), 0);
}
END_TEST

/* ---- WebSocket ---- */

START_TEST(the_key_of_the_standard_is_answered_as_it_says)
{
    CLEANUP_TALLOC char *huge = repeat("a", 1000, "", "");
    char answer[32];

    ck_assert(websocket_accept_key("dGhlIHNhbXBsZSBub25jZQ==", answer));
    ck_assert_str_eq(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    ck_assert(!websocket_accept_key("", answer));
    ck_assert(!websocket_accept_key(huge, answer));
}
END_TEST

/* A client's frame, masked. */
static void add_client_frame(struct buf *b, unsigned first, const char *bytes, size_t n)
{
    static const unsigned char mask[4] = {1, 2, 3, 4};

    buf_add_char(b, (char)first);
    if (n < 126) {
        buf_add_char(b, (char)(0x80 | n));
    } else {
        buf_add_char(b, (char)(0x80 | 126));
        buf_add_char(b, (char)(n >> 8));
        buf_add_char(b, (char)n);
    }
    buf_add(b, mask, 4);
    for (size_t i = 0; i < n; i++)
        buf_add_char(b, (char)(bytes[i] ^ mask[i % 4]));
}

START_TEST(frames_may_come_in_any_pieces)
{
    CLEANUP_TALLOC char *large = repeat("0123456789", 100, "", "");
    CLEANUP_BUF struct buf all = {0};
    CLEANUP_BUF struct buf in = {0};
    CLEANUP_BUF struct buf data = {0};
    CLEANUP_BUF struct buf reply = {0};

    add_client_frame(&all, 0x02, "he", 2); /* the first part of a message */
    add_client_frame(&all, 0x89, "ping", 4);
    add_client_frame(&all, 0x80, "llo", 3); /* its last */
    add_client_frame(&all, 0x82, large, 1000);
    for (size_t i = 0; i < all.len; i++) {
        buf_add_char(&in, all.data[i]);
        ck_assert_int_eq(websocket_feed(&in, &data, &reply), 0);
    }
    ck_assert_uint_eq(in.len, 0);
    ck_assert_uint_eq(data.len, 1005);
    ck_assert_int_eq(memcmp(data.data, "hello0123", 9), 0);
    ck_assert_uint_eq(reply.len, 6);
    ck_assert_int_eq(memcmp(reply.data, "\x8a\x04ping", 6), 0);
}
END_TEST

START_TEST(a_close_is_answered_and_ends_it)
{
    CLEANUP_BUF struct buf in = {0};
    CLEANUP_BUF struct buf data = {0};
    CLEANUP_BUF struct buf reply = {0};

    add_client_frame(&in, 0x88, "\x03\xe8 bye", 6);
    ck_assert_int_eq(websocket_feed(&in, &data, &reply), 1);
    ck_assert_uint_eq(reply.len, 4);
    ck_assert_int_eq(memcmp(reply.data, "\x88\x02\x03\xe8", 4), 0);
}
END_TEST

START_TEST(what_no_client_may_send_ends_the_connection)
{
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {
        {"\x82\x01x", 3},                                         /* not masked */
        {"\xc2\x81\1\2\3\4x", 7},                                 /* an extension */
        {"\x83\x80\1\2\3\4", 6},                                  /* an unknown kind */
        {"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\2\3\4", 14}, /* 2^64 bytes */
        {"\x82\xff\0\0\0\0\0\x20\0\0\1\2\3\4", 14},               /* 2 MiB */
        {"\x09\x80\1\2\3\4", 6},                                  /* a ping in parts */
        {"\x89\xfe\0\x80\1\2\3\4", 8},                            /* a long ping */
    };

    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        CLEANUP_BUF struct buf in = {0};
        CLEANUP_BUF struct buf data = {0};
        CLEANUP_BUF struct buf reply = {0};
        buf_add(&in, bad[i].bytes, bad[i].n);
        ck_assert_msg(websocket_feed(&in, &data, &reply) == -EPROTO, "number %u was taken", i);
    }
}
END_TEST

START_TEST(our_frames_have_the_length_that_they_say)
{
    CLEANUP_TALLOC char *large = repeat("x", 70000, "", "");
    CLEANUP_BUF struct buf out = {0};

    websocket_frame(&out, large, 125);
    ck_assert_uint_eq(out.len, 2 + 125);
    buf_reset(&out);
    websocket_frame(&out, large, 126);
    ck_assert_uint_eq(out.len, 4 + 126);
    buf_reset(&out);
    websocket_frame(&out, large, 70000);
    ck_assert_uint_eq(out.len, 10 + 70000);
    ck_assert_int_eq(memcmp(out.data, "\x82\x7f\0\0\0\0\0\x01\x11\x70", 10), 0);
}
END_TEST

/* ---- names ---- */

START_TEST(devices_have_numbers_and_names)
{
    static const struct {
        const char *text;
        int number;
    } cases[] = {{"0", 0},     {"15", 15},  {"254", 254}, {"255", -1},    {"xvda", 0},
                 {"xvdz", 25}, {"hdb", 1},  {"sdc", 2},   {"xvdaa", 26},  {"", -1},
                 {"-1", -1},   {"1 ", -1},  {"a", -1},    {"xvd", -1},    {"xvdA", -1},
                 {"9999", -1}, {"0x1", -1}, {"hd1", -1},  {"xvdzzz", -1}, {"\xff", -1}};
    char name[8];

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(device_number(cases[i].text) == cases[i].number, "%s", cases[i].text);
    ck_assert_int_eq(device_number(NULL), -1);
    for (unsigned i = 0; i < DEVICE_COUNT; i++) {
        device_name(i, name);
        ck_assert_int_eq(device_number(name), (int)i);
    }
    ck_assert_int_eq(vif_device_number("6"), 6);
    ck_assert_int_eq(vif_device_number("7"), -1);
    ck_assert_int_eq(vif_device_number("01"), -1);
    ck_assert_int_eq(vif_device_number(""), -1);
    ck_assert_int_eq(vif_device_number(NULL), -1);
}
END_TEST

START_TEST(addresses_are_checked_and_made)
{
    char one[MAC_TEXT_SIZE], two[MAC_TEXT_SIZE];

    ck_assert(mac_is_valid("02:aa:BB:00:11:22"));
    ck_assert(!mac_is_valid("01:aa:bb:00:11:22"));
    ck_assert(!mac_is_valid("02:aa:bb:00:11:2"));
    ck_assert(!mac_is_valid("02:aa:bb:00:11:222"));
    ck_assert(!mac_is_valid("02-aa-bb-00-11-22"));
    ck_assert(!mac_is_valid("0g:aa:bb:00:11:22"));
    ck_assert(!mac_is_valid(""));
    mac_from_seed("a seed", 0, one);
    mac_from_seed("a seed", 0, two);
    ck_assert_str_eq(one, two);
    mac_from_seed("a seed", 1, two);
    ck_assert_str_ne(one, two);
    ck_assert(mac_is_valid(one) && mac_is_valid(two));
}
END_TEST

/* ---- notes ---- */

#define VDI "11111111-2222-3333-4444-555555555555"
#define SR "66666666-7777-8888-9999-aaaaaaaaaaaa"

static char directory[] = "/tmp/xapid-notes-XXXXXX";

static void put(const char *name, const char *text)
{
    CLEANUP_TALLOC char *path = talloc_asprintf(NULL, "%s/making/%s", directory, name);
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static void co_notes(void *arg)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    unsigned n;

    notes_read(mem, directory, &n);
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(co_note_write(directory, VDI, SR), 0);
    put("nonsense", SR);
    put("11111111-2222-3333-4444-555555555556", "cut sho");
    put("11111111-2222-3333-4444-555555555557", "");
    const struct note *notes = notes_read(mem, directory, &n);
    ck_assert_uint_eq(n, 1);
    ck_assert_str_eq(notes[0].vdi_uuid, VDI);
    ck_assert_str_eq(notes[0].sr_uuid, SR);
    note_drop(directory, VDI);
    note_drop(directory, VDI);
    notes_read(mem, directory, &n);
    ck_assert_uint_eq(n, 0);
    ck_assert_int_lt(co_note_write("/nonexistent", VDI, SR), 0);
}

START_TEST(only_whole_notes_count)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
    run_in_fiber(co_notes, NULL);
    CLEANUP_TALLOC char *making = talloc_asprintf(NULL, "%s/making", directory);
    ck_assert_int_eq(rmdir(making), 0); /* what was no note is gone too */
    ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("parsers of operations");
    TCase *c = tcase_create("parsers");

    tcase_set_timeout(c, TEST_HANG_GUARD_S);
    tcase_add_test(c, disks_are_read_in_their_order);
    tcase_add_test(c, what_is_no_provisioning_is_refused);
    tcase_add_test(c, each_beginning_of_good_xml_is_refused);
    tcase_add_test(c, too_much_xml_is_refused);
    tcase_add_test(c, the_key_of_the_standard_is_answered_as_it_says);
    tcase_add_test(c, frames_may_come_in_any_pieces);
    tcase_add_test(c, a_close_is_answered_and_ends_it);
    tcase_add_test(c, what_no_client_may_send_ends_the_connection);
    tcase_add_test(c, our_frames_have_the_length_that_they_say);
    tcase_add_test(c, devices_have_numbers_and_names);
    tcase_add_test(c, addresses_are_checked_and_made);
    tcase_add_test(c, only_whole_notes_count);
    suite_add_tcase(s, c);
    return run_suite(s);
}
