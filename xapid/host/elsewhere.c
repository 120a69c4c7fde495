#include "xapid/host/elsewhere.h"
#include <stdlib.h>
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

int co_elsewhere_send(struct transfer *t, struct ref ref, const char *type, const char *file_name,
                      struct err *e)
{
    struct xapid *x = t->call.x;
    CLEANUP_ERR struct err lost = {0};
    const struct host *host = db_host(x->db, ref);
    const char *target = talloc_asprintf(t->call.mem, "/peer%s", t->request->raw_target);
    struct client_stream *from = NULL;
    unsigned status = 0;

    if (!host || !host_is_reachable(x, ref))
        return err_host_offline(e, REF_TEXT(ref));
    struct rpc_client *c = peers_client(x, host->address, host->uuid);
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
