#ifndef XAPID_CONSOLE_RFB_H
#define XAPID_CONSOLE_RFB_H
/*
 * A picture of a guest's screen, taken over its VNC console (RFB 3.8, RFC 6143): one full update in the raw
 * encoding. The other side is QEMU, which counts as hostile.
 */
#include <stdint.h>

/* rgb: three bytes a pixel, rows from the top, without padding; malloc'ed. */
struct screen {
    unsigned width, height;
    unsigned char *rgb;
};

enum { SCREEN_WIDTH_MAX = 8192, SCREEN_PIXELS_MAX = 16 * 1024 * 1024 };

/* fd: connected, not blocking. 0; -EPROTO, -EFBIG, -ETIMEDOUT, -ECANCELED, -ECONNRESET or another -errno. */
int co_rfb_capture(int fd, int64_t deadline, struct screen *ret);

void screen_free(struct screen *s);

#endif
