#include "xapid/audit/get.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "xapid/audit/log.h"
#include "xapid/server.h"
#include "xapid/transfer/transfer.h"

enum { PIECE = 256 * 1024, SINCE_SIZE = 24, REFUSAL_MS = 60 * 1000 };

/* A time as lines begin with it, "20261129T10:00:00.123", or the beginning of one. */
static bool read_since(const char *text, char ret[SINCE_SIZE])
{
    size_t n = 0;
    for (; *text; text++) {
        if (*text == '-' || (*text == 'Z' && !text[1]))
            continue;
        char c = *text == ' ' ? 'T' : *text;
        bool fits = n == 8               ? c == 'T'
                    : n == 11 || n == 14 ? c == ':'
                    : n == 17            ? c == '.'
                                         : c >= '0' && c <= '9';
        if (!fits || n + 1 == SINCE_SIZE)
            return false;
        ret[n++] = c;
    }
    ret[n] = '\0';
    return true;
}

struct piece {
    int fd;
    char *bytes;
    size_t room, n;
};

static int read_job(void *arg)
{
    struct piece *p = arg;
    ssize_t r = read(p->fd, p->bytes, p->room);
    p->n = r > 0 ? (size_t)r : 0;
    return r < 0 ? -errno : 0;
}

/* The lines of text from since on; what follows the last newline stays for later. */
static void take_lines(struct buf *text, const char *since, struct buf *out)
{
    size_t at = 0, width = strlen(since);
    const char *end;
    while ((end = memchr(text->data + at, '\n', text->len - at))) {
        const char *line = text->data + at;
        size_t n = (size_t)(end - line) + 1;
        if (width == 0 || (n > width + 1 && memcmp(line + 1, since, width) >= 0))
            buf_add(out, line, n);
        at += n;
    }
    buf_consume(text, at);
}

static int co_send_file(struct transfer *t, int fd, const char *since, struct err *e)
{
    CLEANUP_BUF struct buf text = {0};
    CLEANUP_BUF struct buf out = {0};
    struct piece p = {.fd = fd, .room = PIECE};
    do {
        p.bytes = buf_reserve(&text, PIECE);
        int r = co_run_worker(read_job, &p, "the audit log to be read");
        if (r < 0)
            return err_errno(e, r, "reading the audit log");
        text.len += p.n;
        buf_reset(&out);
        if (p.n > 0)
            take_lines(&text, since, &out);
        if (out.len > 0 && co_transfer_write(t, out.data, out.len, e) < 0)
            return -1;
    } while (p.n > 0);
    return 0;
}

static void co_send_log(struct transfer *t, const char *since, struct err *e)
{
    int fds[AUDIT_FILES_MAX];
    unsigned n = audit_log_open_files(t->call.x->audit, fds);
    int r = co_transfer_answer(t, "text/plain", -1, NULL, e);
    for (unsigned i = 0; i < n; i++) {
        if (r == 0)
            r = co_send_file(t, fds[i], since, e);
        close(fds[i]);
    }
}

void co_audit_log_get(struct http_request *r, struct http_stream *s, void *arg)
{
    CLEANUP_ERR struct err e = {0};
    const char *wanted = http_query(r, "since");
    char since[SINCE_SIZE];
    struct transfer t;
    if (!read_since(wanted ? wanted : "", since)) {
        (void)co_stream_send_error(r, s, 400, "since is no time", clock_in_ms(REFUSAL_MS));
        return;
    }
    /* Every role may read the log, as it may call this message. */
    if (!co_transfer_begin(&t, r, s, arg, "message.get_all", "audit_log_get"))
        return;
    co_send_log(&t, since, &e);
    co_transfer_end(&t, &e);
}
