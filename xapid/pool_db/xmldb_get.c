#include <errno.h>
#include "lib/clock.h"
#include "xapid/pool_db/dump.h"
#include "xapid/pool_db/xmldb.h"
#include "xapid/transfer/transfer.h"

static int co_send(struct transfer *t, struct dump *d, struct err *e)
{
    CLEANUP_BUF struct buf piece = {0};
    /* Nobody may see what a crash could take back. */
    if (co_db_wait_durable(t->call.db, dump_generation(d), CLOCK_NEVER) < 0)
        return err_internal(e, "the database cannot be written just now");
    if (co_transfer_answer(t, "text/xml", -1, "xapi.db.xml", e) < 0)
        return -1;
    while (dump_next(d, &piece)) {
        if (co_transfer_write(t, piece.data, piece.len, e) < 0)
            return -1;
        buf_reset(&piece);
    }
    return 0;
}

void co_xmldb_get(struct http_request *r, struct http_stream *s, void *x)
{
    CLEANUP_ERR struct err e = {0};
    struct transfer t;
    if (!co_transfer_begin(&t, r, s, x, "http/get_pool_xml_db_sync", "Dump of the pool's database"))
        return;
    struct dump *d = dump_new(t.call.db);
    (void)co_send(&t, d, &e);
    dump_free(d);
    co_transfer_end(&t, &e);
}
