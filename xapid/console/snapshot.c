#include <string.h>
#include "lib/clock.h"
#include "lib/log.h"
#include "xapid/console/console.h"
#include "xapid/console/jpeg.h"
#include "xapid/console/open.h"
#include "xapid/console/rfb.h"

#define CAPTURE_LIMIT_MS (10 * 1000)

/* The picture as a JPEG file on out; -errno. */
static int co_take(int fd, struct buf *out)
{
    struct screen screen;
    int rc = co_rfb_capture(fd, clock_in_ms(CAPTURE_LIMIT_MS), &screen);

    if (rc < 0)
        return rc;
    rc = jpeg_write(&screen, out);
    screen_free(&screen);
    return rc;
}

static void co_answer(struct http_stream *s, const struct buf *file)
{
    struct http_reply reply = {.content_type = "image/jpeg", .close = true};
    int64_t deadline = clock_in_ms(CONSOLE_WRITE_LIMIT_MS);

    http_reply_add_header(&reply, "content-disposition", "attachment; filename=\"screenshot.jpg\"");
    if (co_stream_send_head(s, &reply, (int64_t)file->len, deadline) == 0)
        (void)co_stream_write(s, file->data, file->len, deadline);
}

void co_console_snapshot(struct http_request *r, struct http_stream *s, void *arg)
{
    CLEANUP_BUF struct buf file = {0};

    if (!co_console_let_in(r, s, arg))
        return;
    CLEANUP_FD int fd = co_console_open(r, s, arg, true);
    if (fd < 0)
        return;
    int rc = co_take(fd, &file);
    if (rc == 0) {
        co_answer(s, &file);
        return;
    }
    log_warning("the picture of a screen: %s", strerror(-rc));
    co_console_refuse(r, s, 500, "The screen cannot be read");
}
