/* Pictures of screens: what a VNC server may say, and must not; and the file that is made of them. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <jpeglib.h>
#include "lib/clock.h"
#include "tests/in_fiber.h"
#include "xapid/console/jpeg.h"

#define VERSION "RFB 003.008\n"
#define SECURITY "\2\2\1" /* VNC's own, and none */
#define ACCEPTED "\0\0\0\0"
#define FORMAT "\40\30\0\1\0\377\0\377\0\377\20\10\0\0\0\0"
#define HELLO VERSION SECURITY ACCEPTED
#define SMALL HELLO "\0\3\0\2" FORMAT "\0\0\0\4demo"
#define BELL_AND_TEXT "\2\3\0\0\0\0\0\0\2hi"
#define UPDATE "\0\0\0\2"
#define TOP                    \
    "\0\0\0\0\0\3\0\1\0\0\0\0" \
    "\1\2\3\0"                 \
    "\4\5\6\0"                 \
    "\7\10\11\0"
#define BOTTOM_RIGHT           \
    "\0\1\0\1\0\2\0\1\0\0\0\0" \
    "\21\22\23\0"              \
    "\24\25\26\0"
#define TEXT(s)          \
    {                    \
        s, sizeof(s) - 1 \
    }

struct text {
    const char *bytes;
    size_t n;
};

static const struct text good = TEXT(SMALL BELL_AND_TEXT UPDATE TOP BOTTOM_RIGHT);

struct capture {
    int fd, rc;
    struct screen screen;
};

static void co_capture(void *arg)
{
    struct capture *c = arg;
    c->rc = co_rfb_capture(c->fd, clock_in_ms(TEST_HANG_GUARD_S * 1000), &c->screen);
}

/* Let a server say this and then leave. */
static struct capture capture(const char *bytes, size_t n)
{
    int ends[2];
    struct capture c = {.rc = 1};
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    ck_assert_int_eq(write(ends[1], bytes, n), (ssize_t)n);
    shutdown(ends[1], SHUT_WR);
    c.fd = ends[0];
    run_in_fiber(co_capture, &c);
    close(ends[0]);
    close(ends[1]);
    return c;
}

START_TEST(a_picture_is_put_together_from_rectangles)
{
    static const unsigned char wanted[] = {3, 2, 1, 6, 5, 4, 9, 8, 7, 0, 0, 0, 19, 18, 17, 22, 21, 20};
    struct capture c = capture(good.bytes, good.n);
    ck_assert_int_eq(c.rc, 0);
    ck_assert_uint_eq(c.screen.width, 3);
    ck_assert_uint_eq(c.screen.height, 2);
    ck_assert_int_eq(memcmp(c.screen.rgb, wanted, sizeof wanted), 0);
    screen_free(&c.screen);
}
END_TEST

START_TEST(a_server_that_leaves_at_any_moment_is_an_error)
{
    for (size_t n = 0; n < good.n; n++) {
        struct capture c = capture(good.bytes, n);
        ck_assert_msg(c.rc == -ECONNRESET, "%d after %zu bytes", c.rc, n);
        ck_assert_ptr_null(c.screen.rgb);
    }
}
END_TEST

START_TEST(what_a_server_may_not_say_is_refused)
{
    static const struct {
        struct text text;
        int rc;
    } bad[] = {
        {TEXT("RFB 003.003\n"), -EPROTO},
        {TEXT(VERSION "\1\2"), -EPROTO},
        {TEXT(VERSION "\0\0\0\0\3no!"), -EPROTO},
        {TEXT(VERSION SECURITY "\0\0\0\1"), -EPROTO},
        {TEXT(HELLO "\0\0\0\2" FORMAT "\0\0\0\0"), -EPROTO},
        {TEXT(HELLO "\40\1\0\1" FORMAT "\0\0\0\0"), -EFBIG},
        {TEXT(HELLO "\40\0\40\0" FORMAT "\0\0\0\0"), -EFBIG},
        {TEXT(HELLO "\0\3\0\2" FORMAT "\377\377\377\377"), -EPROTO},
        {TEXT(SMALL "\1\0\0\0\0\0"), -EPROTO},
        {TEXT(SMALL "\3\0\0\0\377\377\377\377"), -EPROTO},
        {TEXT(SMALL "\0\0\0\1"
                    "\0\1\0\0\0\3\0\1\0\0\0\0"),
         -EPROTO},
        {TEXT(SMALL "\0\0\0\1"
                    "\0\0\0\2\0\3\0\1\0\0\0\0"),
         -EPROTO},
        {TEXT(SMALL "\0\0\0\1"
                    "\377\377\377\377\377\377\377\377\0\0\0\0"),
         -EPROTO},
        {TEXT(SMALL "\0\0\0\1"
                    "\0\0\0\0\0\3\0\1\0\0\0\7"),
         -EPROTO},
    };
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct capture c = capture(bad[i].text.bytes, bad[i].text.n);
        ck_assert_msg(c.rc == bad[i].rc, "number %u: %d", i, c.rc);
    }
}
END_TEST

START_TEST(a_server_cannot_talk_for_ever)
{
    CLEANUP_BUF struct buf b = {0};
    buf_add(&b, SMALL, sizeof SMALL - 1);
    for (unsigned i = 0; i < 200; i++)
        buf_add_char(&b, 2);
    ck_assert_int_eq(capture(b.data, b.len).rc, -EPROTO);
}
END_TEST

/* The middle pixel of a JPEG file. */
static void decode(const struct buf *file, unsigned width, unsigned height, unsigned char pixel[3])
{
    struct jpeg_decompress_struct j = {0};
    struct jpeg_error_mgr error;
    unsigned char row[3 * 64];
    JSAMPROW rows = row;
    j.err = jpeg_std_error(&error);
    jpeg_create_decompress(&j);
    jpeg_mem_src(&j, (const unsigned char *)file->data, file->len);
    ck_assert_int_eq(jpeg_read_header(&j, TRUE), JPEG_HEADER_OK);
    jpeg_start_decompress(&j);
    ck_assert_uint_eq(j.output_width, width);
    ck_assert_uint_eq(j.output_height, height);
    while (j.output_scanline <= height / 2)
        jpeg_read_scanlines(&j, &rows, 1);
    memcpy(pixel, row + 3 * (width / 2), 3);
    jpeg_destroy_decompress(&j);
}

START_TEST(the_file_shows_the_screen)
{
    CLEANUP_BUF struct buf file = {0};
    unsigned char rgb[3 * 40 * 24], pixel[3];
    struct screen s = {.width = 40, .height = 24, .rgb = rgb};
    for (unsigned i = 0; i < sizeof rgb; i++)
        rgb[i] = i % 3 == 0 ? 200 : i % 3 == 1 ? 100 : 20;
    ck_assert_int_eq(jpeg_write(&s, &file), 0);
    decode(&file, 40, 24, pixel);
    ck_assert_int_le(abs(pixel[0] - 200) + abs(pixel[1] - 100) + abs(pixel[2] - 20), 12);
}
END_TEST

START_TEST(what_is_no_picture_makes_no_file)
{
    CLEANUP_BUF struct buf file = {0};
    struct screen s = {.width = 0, .height = 0};
    ck_assert_int_eq(jpeg_write(&s, &file), -EINVAL);
    ck_assert_uint_eq(file.len, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pictures of screens");
    TCase *c = tcase_create("pictures of screens");
    tcase_set_timeout(c, TEST_HANG_GUARD_S);
    tcase_add_test(c, a_picture_is_put_together_from_rectangles);
    tcase_add_test(c, a_server_that_leaves_at_any_moment_is_an_error);
    tcase_add_test(c, what_a_server_may_not_say_is_refused);
    tcase_add_test(c, a_server_cannot_talk_for_ever);
    tcase_add_test(c, the_file_shows_the_screen);
    tcase_add_test(c, what_is_no_picture_makes_no_file);
    suite_add_tcase(s, c);
    return run_suite(s);
}
