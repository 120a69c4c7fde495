/* What a QEMU sends on its monitor. The framing must not depend on how the bytes are cut into pieces. */
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "hv/qemu/json_lines.h"
#include "hv/qemu/qmp.h"
#include "tests/fuzz/fuzz.h"

#define LINE_LIMIT 512

static void count(struct json_lines *j, unsigned n[2])
{
    json_t *message;
    int r;

    while ((r = json_lines_next(j, &message)) != 0) {
        n[r > 0]++;
        if (r > 0)
            json_decref(message);
    }
}

static void feed_in_pieces(const char *data, size_t size, size_t piece, unsigned n[2])
{
    struct json_lines j;

    json_lines_init(&j, LINE_LIMIT);
    for (size_t at = 0; at < size; at += piece) {
        json_lines_feed(&j, data + at, piece < size - at ? piece : size - at);
        count(&j, n);
        if (j.in.len - j.at > LINE_LIMIT + piece)
            abort();
    }
    json_lines_fini(&j);
}

static void check_framing(const char *data, size_t size)
{
    unsigned whole[2] = {0, 0}, pieces[2] = {0, 0};

    feed_in_pieces(data, size, size ? size : 1, whole);
    feed_in_pieces(data, size, size ? 1 + (size_t)(unsigned char)data[0] % 7 : 1, pieces);
    if (whole[0] != pieces[0] || whole[1] != pieces[1])
        abort();
}

static void on_event(const char *name, const json_t *data, void *arg)
{
    if (!name)
        abort();
}

static void on_ready(void *arg)
{
}

static void on_closed(int error, void *arg)
{
    bool *closed = arg;

    if (error >= 0 || *closed)
        abort();
    *closed = true;
}

static void check_connection(const char *data, size_t size)
{
    static const struct qmp_handlers handlers = {on_event, on_ready, on_closed};
    bool closed = false;
    struct qmp *q;
    int fds[2];

    if (size > 65536 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
        return;
    q = qmp_new(fds[0], &handlers, &closed);
    if (send(fds[1], data, size, 0) == (ssize_t)size)
        qmp_drain(q);
    qmp_free(q);
    close(fds[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_framing((const char *)data, size);
    check_connection((const char *)data, size);
    return 0;
}
