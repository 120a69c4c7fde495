#include "pool/disk_stream.h"
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "model/errors.gen.h"
#include "pool/agent_state.h"
#include "pool/codec.h"
#include "pool/peer.h"
#include "pool/visitor.h"
#include "sm/disk_runs.h"
#include "sm/disk_writing.h"

enum {
    TICKET_MS = 60 * 1000,
    STALL_MS = 120 * 1000, /* without a byte */
    HEAD_MS = 10 * 1000,
    HEAD_SIZE = 12,
    MAX_TICKETS = 1024,
    MAX_ANSWER = 64 * 1024,
    SEND_SHIFT = 16 /* what is sent and what is not is told by blocks of 64 KiB */
};

/* ---- tickets ---- */

struct ticket {
    struct ticket *next;
    char text[UUID_TEXT_SIZE];
    int64_t deadline;
    struct agent_place to; /* on this */
};

static void drop_late(struct agent *a)
{
    for (struct ticket **at = &a->tickets; *at;) {
        struct ticket *t = *at;
        if (t->deadline > clock_now()) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        talloc_free(t);
    }
}

static unsigned count(const struct agent *a)
{
    unsigned n = 0;

    for (const struct ticket *t = a->tickets; t; t = t->next)
        n++;
    return n;
}

static const struct map *copy_map(void *ctx, const struct map *m)
{
    return value_copy(ctx, &model_type_string_map, (union value){.map = m}).map;
}

int co_local_vdi_await(struct agent *a, const struct agent_place *to, void *ctx, const char **ret_ticket,
                       struct err *e)
{
    struct ticket *t;

    drop_late(a);
    if (count(a) >= MAX_TICKETS)
        return err_internal(e, "too many disks are awaited");
    t = talloc_zero(a, struct ticket);
    *t = (struct ticket){.next = a->tickets, .deadline = clock_in_ms(TICKET_MS), .to = *to};
    t->to.location = talloc_strdup(t, to->location);
    t->to.sr.type = talloc_strdup(t, to->sr.type);
    t->to.sr.device_config = copy_map(t, to->sr.device_config);
    t->to.sr.sm_config = copy_map(t, to->sr.sm_config);
    uuid_new(t->text);
    a->tickets = t;
    *ret_ticket = talloc_strdup(ctx, t->text);
    return 0;
}

/* It is the caller's, and nobody else's any more; NULL: there is none of this text. */
static struct ticket *take(struct agent *a, const char *text)
{
    drop_late(a);
    for (struct ticket **at = &a->tickets; *at; at = &(*at)->next)
        if (text && strcmp((*at)->text, text) == 0) {
            struct ticket *t = *at;
            *at = t->next;
            return t;
        }
    return NULL;
}

/* ---- a disk that is open ---- */

struct opened {
    const struct agent_place *place;
    const struct sm_driver *driver;
    struct disk *disk;
};

static void co_detach(const struct opened *o)
{
    CLEANUP_ERR struct err e = {0};

    if (o->driver->co_vdi_detach(&o->place->sr, o->place->location, &e) < 0)
        log_warning("detaching disk %s: %s", o->place->location, e.code);
}

static void co_shut(struct opened *o)
{
    fiber_mask_cancel();
    co_disk_close(o->disk);
    co_detach(o);
    fiber_unmask_cancel();
}

static int co_open(const struct agent_place *place, bool write, struct opened *ret, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct sm_attachment at;

    *ret = (struct opened){.place = place, .driver = sm_driver_by_type(place->sr.type)};
    if (!ret->driver)
        return err_sr_unknown_driver(e, place->sr.type);
    if (ret->driver->co_vdi_attach(&place->sr, mem, place->location, write, &at, e) < 0)
        return -1;
    if (co_disk_open(&at, write ? DISK_WRITE : DISK_READ, &ret->disk, e) == 0)
        return 0;
    fiber_mask_cancel();
    co_detach(ret);
    fiber_unmask_cancel();
    return -1;
}

/* ---- the receiver ---- */

static int cut_short(struct err *e, ssize_t r)
{
    return err_errno(e, r < 0 ? (int)r : -ECONNRESET, "a disk's content");
}

static int co_read_whole(struct http_stream *s, void *bytes, size_t n, struct err *e)
{
    for (size_t done = 0; done < n;) {
        ssize_t r = co_stream_read(s, (char *)bytes + done, n - done, clock_in_ms(STALL_MS));
        if (r <= 0)
            return cut_short(e, r);
        done += (size_t)r;
    }
    return 0;
}

static int co_read_head(struct http_stream *s, int64_t *ret_offset, size_t *ret_n, struct err *e)
{
    char head[HEAD_SIZE];
    uint64_t offset;
    uint32_t n;

    if (co_read_whole(s, head, sizeof head, e) < 0)
        return -1;
    memcpy(&offset, head, sizeof offset);
    memcpy(&n, head + sizeof offset, sizeof n);
    *ret_offset = (int64_t)le64toh(offset);
    *ret_n = le32toh(n);
    return 0;
}

static int co_take_pieces(struct http_stream *s, struct disk_writing *w, struct err *e)
{
    int64_t size = disk_size(w->disk), at = 0, offset;
    size_t n;

    do {
        if (co_read_head(s, &offset, &n, e) < 0)
            return -1;
        if (offset < at || offset > size || n > DISK_PIECE || (int64_t)n > size - offset)
            return err_internal(e, "a piece of a disk that does not fit the %lld bytes of this one",
                                (long long)size);
        if (co_disk_writing_zero(w, offset - at, at, e) < 0 ||
            co_read_whole(s, disk_writing_room(w), n, e) < 0 ||
            (n > 0 && co_disk_writing_put(w, n, offset, e) < 0))
            return -1;
        at = offset + (int64_t)n;
    } while (n > 0);
    return co_disk_writing_zero(w, size - at, at, e) < 0 ? -1 : co_disk_writing_end(w, e);
}

static int co_take_disk(struct http_stream *s, const struct agent_place *to, struct err *e)
{
    struct disk_writing w = {0};
    struct opened o;

    if (co_open(to, true, &o, e) < 0)
        return -1;
    int rc = co_disk_writing_init(&w, o.disk, e);
    if (rc == 0)
        rc = co_take_pieces(s, &w, e);
    co_shut(&o);
    disk_writing_free(&w);
    return rc;
}

void co_agent_serve_disk(struct agent *a, struct http_request *r, struct http_stream *s)
{
    CLEANUP_ERR struct err e = {0};
    CLEANUP_BUF struct buf answer = {0};
    struct http_reply head = {0};
    struct ticket *t = take(a, http_query(r, "ticket"));

    if (!t) {
        (void)co_stream_send_error(r, s, 404, "There is no such ticket.", clock_in_ms(HEAD_MS));
        return;
    }
    if (co_stream_send_head(s, &head, -1, clock_in_ms(HEAD_MS)) == 0) {
        int rc = co_take_disk(s, &t->to, &e);
        codec_write(&answer, rc < 0 ? json_pack("{s:o}", "error", codec_encode_error(&e)) : json_object());
        (void)co_stream_write(s, answer.data, answer.len, clock_in_ms(HEAD_MS));
    }
    talloc_free(t);
}

/* ---- the sender ---- */

struct sending {
    struct client_stream *stream;
    hv_progress_fn *progress;
    void *arg;
};

static int co_write_piece(struct client_stream *s, int64_t offset, const char *bytes, size_t n, struct err *e)
{
    uint64_t where = htole64((uint64_t)offset);
    uint32_t length = htole32((uint32_t)n);
    char head[HEAD_SIZE];

    memcpy(head, &where, sizeof where);
    memcpy(head + sizeof where, &length, sizeof length);
    int r = co_client_stream_write(s, head, sizeof head, clock_in_ms(STALL_MS));
    if (r == 0 && n > 0)
        r = co_client_stream_write(s, bytes, n, clock_in_ms(STALL_MS));
    return r < 0 ? cut_short(e, r) : 0;
}

static int co_write_runs(struct sending *s, struct disk_runs *r, int64_t size, struct err *e)
{
    const char *bytes;
    int64_t offset;
    size_t n;
    int rc;

    while ((rc = co_disk_runs_next(r, &bytes, &offset, &n, e)) > 0) {
        if (co_write_piece(s->stream, offset, bytes, n, e) < 0)
            return -1;
        s->progress((double)offset / (double)size, s->arg);
    }
    return rc < 0 ? -1 : co_write_piece(s->stream, size, NULL, 0, e);
}

/* Why the other side broke off is what it says last. */
static int co_read_answer(struct client_stream *s, struct err *e)
{
    CLEANUP_BUF struct buf text = {0};
    CLEANUP_ERR struct err fault = {0};
    ssize_t n = 1;

    while (n > 0 && text.len < MAX_ANSWER) {
        n = co_client_stream_read(s, buf_reserve(&text, 4096), 4096, clock_in_ms(STALL_MS));
        text.len += n > 0 ? (size_t)n : 0;
    }
    json_t *j = text.len > 0 ? codec_parse(text.data, text.len, &fault) : NULL;
    const json_t *error = json_object_get(j, "error");
    int rc = j && !error ? 0 : -1;
    if (error) {
        err_clear(e);
        codec_decode_error(error, e);
    } else if (rc < 0 && !err_is_set(e)) {
        cut_short(e, n);
    }
    json_decref(j);
    return err_is_set(e) ? -1 : rc;
}

static int co_write_disk(struct sending *s, struct disk *d, struct err *e)
{
    struct disk_map map = {0};
    struct disk_runs runs = {0};
    int rc = co_disk_map(d, SEND_SHIFT, &map, e);

    if (rc == 0) {
        rc = disk_runs_init(&runs, d, &map, DISK_PIECE, e);
        if (rc == 0)
            rc = co_write_runs(s, &runs, disk_size(d), e);
        disk_runs_free(&runs);
    }
    disk_map_free(&map);
    return rc;
}

static int co_write_and_hear(struct sending *s, const struct agent_place *from, struct err *e)
{
    struct opened o;

    if (co_open(from, false, &o, e) < 0)
        return -1;
    int rc = co_write_disk(s, o.disk, e);
    co_shut(&o);
    if (rc == 0 || err_is(e, "INTERNAL_ERROR"))
        rc = co_read_answer(s->stream, e);
    return rc;
}

static int co_connect(struct rpc_client *c, const struct agent_target *to, struct client_stream **ret,
                      struct err *e)
{
    char target[sizeof DISK_STREAM_PATH "?ticket=" + UUID_TEXT_SIZE];
    unsigned status;

    if (!uuid_is_valid(to->ticket ? to->ticket : ""))
        return err_internal(e, "not a ticket");
    snprintf(target, sizeof target, DISK_STREAM_PATH "?ticket=%s", to->ticket);
    if (co_client_stream_open(c, "CONNECT", target, NULL, ret, &status, e) < 0)
        return -1;
    if (status == 200)
        return 0;
    client_stream_close(*ret);
    return err_internal(e, "host %s does not take a disk: status %u", to->host, status);
}

static int co_send_by(struct rpc_client *c, const struct agent_place *from, const struct agent_target *to,
                      struct sending *s, struct err *e)
{
    if (co_connect(c, to, &s->stream, e) < 0)
        return -1;
    int rc = co_write_and_hear(s, from, e);
    client_stream_close(s->stream);
    return rc;
}

int co_local_vdi_send(struct agent *a, const struct agent_place *from, const struct agent_target *to,
                      hv_progress_fn *progress, void *arg, struct err *e)
{
    struct sending s = {.progress = progress, .arg = arg};
    SSL_CTX *context = NULL;
    struct rpc_client *c = NULL;

    if (to->port == 0 || to->port > UINT16_MAX || !to->address)
        return err_internal(e, "not an address to send a disk to");
    if (to->credentials && visitor_context(to->credentials, &context, e) < 0)
        return -1;
    if (context)
        c = visitor_client(context, to->address, (uint16_t)to->port, to->host);
    else if (a->authority)
        c = peer_client_new(a->authority, a->peers, to->address, (uint16_t)to->port, to->host);
    int rc = c ? co_send_by(c, from, to, &s, e) : err_internal(e, "no other host can be reached yet");
    rpc_client_free(c);
    SSL_CTX_free(context);
    return rc;
}
