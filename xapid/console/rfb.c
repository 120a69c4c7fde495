#include "xapid/console/rfb.h"
#include <errno.h>
#include <ev.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/fiber.h"
#include "lib/mem.h"

enum { VERSION_BYTES = 12, SKIP_MAX = 1 << 20, MESSAGES_MAX = 100 };
enum { FRAMEBUFFER_UPDATE = 0, BELL = 2, CUT_TEXT = 3 };
enum { SECURITY_NONE = 1, BYTES_A_PIXEL = 4 };

struct rfb {
    int fd;
    int64_t deadline;
};

/* ---- bytes ---- */

static int co_read(struct rfb *r, void *bytes, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = read(r->fd, (char *)bytes + done, n - done);
        if (got == 0)
            return -ECONNRESET;
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        int rc = got < 0 ? co_wait_fd(r->fd, EV_READ, r->deadline, "a picture of a screen") : 0;
        if (rc < 0)
            return rc;
        done += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

/* What is asked is short, so that a socket which has no room for it belongs to nobody who listens. */
static int rfb_write(struct rfb *r, const void *bytes, size_t n)
{
    ssize_t done = write(r->fd, bytes, n);
    return done < 0 ? -errno : (size_t)done < n ? -EPROTO : 0;
}

static unsigned u16(const unsigned char *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static uint32_t u32(const unsigned char *p)
{
    return (uint32_t)u16(p) << 16 | u16(p + 2);
}

static int co_skip(struct rfb *r, uint32_t n)
{
    char bytes[512];
    int rc = n > SKIP_MAX ? -EPROTO : 0;
    while (rc == 0 && n > 0) {
        uint32_t part = n < sizeof bytes ? n : (uint32_t)sizeof bytes;
        rc = co_read(r, bytes, part);
        n -= part;
    }
    return rc;
}

/* ---- the beginning ---- */

static int co_agree_on_version(struct rfb *r)
{
    char version[VERSION_BYTES];
    int rc = co_read(r, version, sizeof version);
    if (rc < 0)
        return rc;
    return memcmp(version, "RFB 003.008\n", sizeof version) == 0 ? rfb_write(r, version, sizeof version)
                                                                 : -EPROTO;
}

static int co_agree_on_security(struct rfb *r)
{
    unsigned char n, types[255], result[4];
    const unsigned char none = SECURITY_NONE;
    int rc;

    if ((rc = co_read(r, &n, 1)) < 0 || (rc = co_read(r, types, n)) < 0)
        return rc;
    if (!memchr(types, SECURITY_NONE, n))
        return -EPROTO;
    if ((rc = rfb_write(r, &none, 1)) < 0 || (rc = co_read(r, result, sizeof result)) < 0)
        return rc;
    return u32(result) == 0 ? 0 : -EPROTO;
}

/* The size of the screen; others who look at it may stay. */
static int co_start(struct rfb *r, struct screen *s)
{
    const unsigned char shared = 1;
    unsigned char init[24];
    int rc;

    if ((rc = rfb_write(r, &shared, 1)) < 0 || (rc = co_read(r, init, sizeof init)) < 0 ||
        (rc = co_skip(r, u32(init + 20))) < 0)
        return rc;
    s->width = u16(init);
    s->height = u16(init + 2);
    if (s->width == 0 || s->height == 0)
        return -EPROTO;
    return s->width > SCREEN_WIDTH_MAX || s->width * s->height > SCREEN_PIXELS_MAX ? -EFBIG : 0;
}

/* Pixels of 32 bits, blue first; only the raw encoding; everything, now. */
static int ask(struct rfb *r, const struct screen *s)
{
    unsigned char request[] = {0, 0,   0, 0,   32, 24, 0, 1, 0, 255,
                               0, 255, 0, 255, 16, 8,  0, 0, 0, 0,  /* SetPixelFormat */
                               2, 0,   0, 1,   0,  0,  0, 0,        /* SetEncodings */
                               3, 0,   0, 0,   0,  0,  0, 0, 0, 0}; /* FramebufferUpdateRequest */
    unsigned char *size = request + sizeof request - 4;

    size[0] = (unsigned char)(s->width >> 8);
    size[1] = (unsigned char)s->width;
    size[2] = (unsigned char)(s->height >> 8);
    size[3] = (unsigned char)s->height;
    return rfb_write(r, request, sizeof request);
}

/* ---- the picture ---- */

static int co_read_row(struct rfb *r, unsigned char *pixels, unsigned n, unsigned char *rgb)
{
    int rc = co_read(r, pixels, (size_t)n * BYTES_A_PIXEL);
    for (unsigned i = 0; rc == 0 && i < n; i++) {
        rgb[3 * i] = pixels[4 * i + 2];
        rgb[3 * i + 1] = pixels[4 * i + 1];
        rgb[3 * i + 2] = pixels[4 * i];
    }
    return rc;
}

static int co_read_rectangle(struct rfb *r, struct screen *s, unsigned char *pixels)
{
    unsigned char head[12];
    int rc = co_read(r, head, sizeof head);
    unsigned x = u16(head), y = u16(head + 2), w = u16(head + 4), h = u16(head + 6);

    if (rc < 0)
        return rc;
    if (u32(head + 8) != 0 || x + w > s->width || y + h > s->height)
        return -EPROTO;
    for (unsigned row = y; rc == 0 && row < y + h; row++)
        rc = co_read_row(r, pixels, w, s->rgb + 3 * ((size_t)row * s->width + x));
    return rc;
}

static int co_read_update(struct rfb *r, struct screen *s)
{
    unsigned char head[3];
    unsigned char *pixels = mem_zalloc((size_t)s->width * BYTES_A_PIXEL);
    int rc = co_read(r, head, sizeof head);

    for (unsigned n = rc < 0 ? 0 : u16(head + 1); rc == 0 && n > 0; n--)
        rc = co_read_rectangle(r, s, pixels);
    free(pixels);
    return rc;
}

static int co_skip_text(struct rfb *r)
{
    unsigned char head[7];
    int rc = co_read(r, head, sizeof head);
    return rc < 0 ? rc : co_skip(r, u32(head + 3));
}

/* What the server says until the picture has come. */
static int co_read_messages(struct rfb *r, struct screen *s)
{
    for (unsigned i = 0; i < MESSAGES_MAX; i++) {
        unsigned char type;
        int rc = co_read(r, &type, 1);
        if (rc == 0 && type == FRAMEBUFFER_UPDATE)
            return co_read_update(r, s);
        if (rc == 0 && type == CUT_TEXT)
            rc = co_skip_text(r);
        else if (rc == 0 && type != BELL)
            rc = -EPROTO;
        if (rc < 0)
            return rc;
    }
    return -EPROTO;
}

int co_rfb_capture(int fd, int64_t deadline, struct screen *ret)
{
    struct rfb r = {.fd = fd, .deadline = deadline};
    struct screen s = {0};
    int rc;

    if ((rc = co_agree_on_version(&r)) < 0 || (rc = co_agree_on_security(&r)) < 0 ||
        (rc = co_start(&r, &s)) < 0)
        return rc;
    s.rgb = mem_zalloc((size_t)s.width * s.height * 3);
    if ((rc = ask(&r, &s)) < 0 || (rc = co_read_messages(&r, &s)) < 0) {
        screen_free(&s);
        return rc;
    }
    *ret = s;
    return 0;
}

void screen_free(struct screen *s)
{
    free(s->rgb);
    s->rgb = NULL;
}
