#include "pool/disk_remote.h"
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "model/errors.gen.h"
#include "pool/agent_state.h"
#include "pool/agent_types.h"
#include "pool/remote.h"
#include "rpc/client.h"

#define HEADER "xapid-disk"

enum { HEAD_MS = 10 * 1000, END_MS = 60 * 1000 };

/* ---- what is asked for ---- */

/* One line of ASCII: {"place": …, "flags": …}. NULL for what is no text. */
static char *write_question(const struct agent_place *place, unsigned flags)
{
    json_t *j = codec_encode(&codec_agent_place, place);
    json_t *question = j ? json_pack("{s:o, s:i}", "place", j, "flags", (int)flags) : NULL;
    char *text = question ? json_dumps(question, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

    json_decref(question);
    return text;
}

static int read_question(void *mem, const char *text, struct agent_place *place, unsigned *flags,
                         struct err *e)
{
    json_t *j = text ? codec_parse(text, strlen(text), e) : NULL;
    const json_t *where = json_object_get(j, "place"), *how = json_object_get(j, "flags");
    int r = where && json_is_integer(how) ? codec_decode(&codec_agent_place, where, mem, place, e) : -1;

    *flags = (unsigned)json_integer_value(how) & (DISK_WRITE | DISK_DEPTHS);
    json_decref(j);
    return r == 0 && place->sr.type && place->location ? 0 : -1;
}

/* ---- who opens ---- */

/* Between libnbd's socket and the other host. */
struct carrier {
    struct client_stream *stream;
    int fd;
    struct fiber *fiber;
};

/* The other host is done with the disk once it ends its side. */
static void co_carry(void *arg)
{
    struct carrier *c = arg;
    char byte;

    (void)co_client_stream_splice(c->stream, c->fd, 0);
    client_stream_end_output(c->stream);
    while (co_client_stream_read(c->stream, &byte, 1, clock_in_ms(END_MS)) > 0)
        ;
}

static void co_end(void *arg)
{
    struct carrier *c = arg;

    fiber_mask_cancel();
    (void)co_fiber_join(c->fiber, CLOCK_NEVER);
    fiber_unmask_cancel();
    fiber_unref(c->fiber);
    client_stream_close(c->stream);
    close(c->fd);
    free(c);
}

/* Takes the stream. */
static int co_open_through(struct client_stream *stream, unsigned flags, struct disk **ret, struct err *e)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
        client_stream_close(stream);
        return err_errno(e, -errno, "opening the disk of another host");
    }
    struct carrier *c = mem_zalloc(sizeof *c);
    *c = (struct carrier){.stream = stream, .fd = pair[1]};
    c->fiber = fiber_ref(fiber_spawn("disk of another host", co_carry, c));
    return co_disk_open_at(pair[0], flags, co_end, c, ret, e);
}

int co_agent_disk_open(struct agent *a, const struct agent_place *place, unsigned flags, struct disk **ret,
                       struct err *e)
{
    CLEANUP_BUF struct buf headers = {0};
    struct client_stream *stream = NULL;
    char *question = write_question(place, flags);

    if (!question)
        return err_internal(e, "the name of a disk is no UTF-8");
    buf_printf(&headers, HEADER ": %s\r\n", question);
    free(question);
    int r = co_remote_stream(a->remote, DISK_BYTES_PATH, buf_cstr(&headers), &stream);
    if (r == -EHOSTUNREACH)
        return err_host_offline(e, remote_host(a->remote));
    if (r < 0)
        return err_internal(e, "the host does not give the disk %s", place->location);
    return co_open_through(stream, flags, ret, e);
}

/* ---- who serves ---- */

static void co_detach(const struct sm_driver *d, const struct agent_place *place)
{
    CLEANUP_ERR struct err e = {0};

    if (d->co_vdi_detach(&place->sr, place->location, &e) < 0)
        log_warning("detaching disk %s: %s", place->location, e.code);
}

static void co_serve(struct http_stream *s, const struct sm_attachment *at, unsigned flags)
{
    struct http_reply head = {0};
    struct disk_server server;
    int r = disk_server_start(at, flags, &server);

    if (r < 0) {
        log_warning("serving a disk: %s", strerror(-r));
        return;
    }
    if (co_stream_send_head(s, &head, -1, clock_in_ms(HEAD_MS)) == 0)
        (void)co_stream_splice(s, server.fd, 0);
    fiber_mask_cancel();
    co_disk_server_end(&server);
    fiber_unmask_cancel();
}

void co_agent_serve_bytes(struct agent *a, struct http_request *r, struct http_stream *s)
{
    CLEANUP_ERR struct err e = {0};
    struct agent_place place = {0};
    struct sm_attachment at;
    unsigned flags = 0;
    int rc = read_question(r->mem, http_header(r, HEADER), &place, &flags, &e);
    const struct sm_driver *d = rc == 0 ? sm_driver_by_type(place.sr.type) : NULL;

    if (!d || d->co_vdi_attach(&place.sr, r->mem, place.location, flags & DISK_WRITE, &at, &e) < 0) {
        (void)co_stream_send_error(r, s, 404, "There is no such disk.", clock_in_ms(HEAD_MS));
        return;
    }
    co_serve(s, &at, flags);
    fiber_mask_cancel();
    co_detach(d, &place);
    fiber_unmask_cancel();
}
