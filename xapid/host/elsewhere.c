#include "xapid/host/elsewhere.h"
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/mem.h"
#include "xapid/host/host_agent.h"
#include "xapid/pool/peers.h"
#include "xapid/reftext.h"
#include "xapid/server.h"

enum { PIECE = 64 * 1024, SILENCE_MS = 5 * 60 * 1000 };

int elsewhere_host(struct transfer *t, struct ref *ret, struct err *e)
{
    struct xapid *x = t->call.x;
    const char *member = peers_is_trusted(x, t->request) ? http_header(t->request, HEADER_HOST) : NULL;
    struct ref named = transfer_object(t, CLASS_HOST, "host_id", NULL, e);
    const struct row *row = member ? db_get_by_uuid(x->db, CLASS_HOST, member) : NULL;

    if (err_is_set(e))
        return -1;
    *ret = !ref_is_null(named) ? named : row ? row->ref : x->host;
    return 0;
}

static int co_pass_on(struct transfer *t, struct client_stream *from, struct err *e)
{
    CLEANUP_FREE char *bytes = mem_zalloc(PIECE);
    ssize_t n;

    while ((n = co_client_stream_read(from, bytes, PIECE, clock_in_ms(SILENCE_MS))) > 0)
        if (co_transfer_write(t, bytes, (size_t)n, e) < 0)
            return -1;
    return n < 0 ? err_errno(e, (int)n, "reading what another host sends") : 0;
}

static struct rpc_client *client_of(struct xapid *x, struct ref ref, struct err *e)
{
    const struct host *host = db_host(x->db, ref);

    if (host && host_is_reachable(x, ref))
        return peers_client(x, host->address, host->uuid);
    err_host_offline(e, REF_TEXT(ref));
    return NULL;
}

int co_elsewhere_send(struct transfer *t, struct ref ref, const char *type, const char *file_name,
                      struct err *e)
{
    struct xapid *x = t->call.x;
    CLEANUP_ERR struct err lost = {0};
    const char *target = talloc_asprintf(t->call.mem, "/peer%s", t->request->raw_target);
    struct client_stream *from = NULL;
    unsigned status = 0;

    struct rpc_client *c = client_of(x, ref, e);
    if (!c)
        return -1;
    int r = co_client_stream_open(c, "GET", target, NULL, &from, &status, &lost);
    rpc_client_free(c);
    if (r < 0)
        return err_cannot_contact_host(e, REF_TEXT(ref));
    r = status != 200 ? err_internal(e, "the host answers with status %u", status)
                      : co_transfer_answer(t, type, -1, file_name, e);
    if (r == 0)
        r = co_pass_on(t, from, e);
    client_stream_close(from);
    return r;
}

/* ---- uploads ---- */

static int co_pass_up(struct transfer *t, struct client_stream *to, struct err *e)
{
    CLEANUP_FREE char *bytes = mem_zalloc(PIECE);
    ssize_t n;

    while ((n = co_transfer_read(t, bytes, PIECE, e)) > 0) {
        int r = co_client_stream_write(to, bytes, (size_t)n, clock_in_ms(SILENCE_MS));
        if (r < 0)
            return err_errno(e, r, "passing an upload on to another host");
    }
    client_stream_end_output(to);
    return n < 0 ? -1 : 0;
}

/* The head says 200 before anything was sent. */
static int co_read_verdict(struct client_stream *from, struct err *e)
{
    CLEANUP_BUF struct buf reply = {0};
    ssize_t n;

    while (reply.len < PIECE &&
           (n = co_client_stream_read(from, buf_reserve(&reply, PIECE), PIECE, clock_in_ms(SILENCE_MS))) > 0)
        reply.len += (size_t)n;
    const char *body = strstr(buf_cstr(&reply), "\r\n\r\n");
    if (!body || n < 0)
        return err_internal(e, "the host does not say whether it took the upload");
    return body[4] ? err_restore_script_failed(e, body + 4) : 0;
}

int co_elsewhere_take(struct transfer *t, struct ref ref, struct err *e)
{
    struct xapid *x = t->call.x;
    CLEANUP_ERR struct err lost = {0};
    CLEANUP_BUF struct buf head = {0};
    struct client_stream *to = NULL;
    struct rpc_client *c = client_of(x, ref, e);

    if (!c)
        return -1;
    buf_printf(&head, "PUT /peer%s HTTP/1.0\r\n", t->request->raw_target);
    peer_add_headers(&head, &x->peer_pool);
    buf_add_lit(&head, "\r\n");
    int r = co_client_stream_begin(c, head.data, head.len, &to, &lost);
    rpc_client_free(c);
    if (r < 0)
        return err_cannot_contact_host(e, REF_TEXT(ref));
    r = co_pass_up(t, to, e);
    if (r == 0)
        r = co_read_verdict(to, e);
    client_stream_close(to);
    return r;
}
