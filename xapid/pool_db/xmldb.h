#ifndef XAPID_POOL_DB_XMLDB_H
#define XAPID_POOL_DB_XMLDB_H
/*
 * GET and PUT /pool/xmldbdump (protocol.md section 8): the pool's database as XML, and the way back. Both are
 * for pool-admins. Raw handlers for rpc/http.h.
 *
 * PUT takes the body into a database of its own in memory, looks at it, and unless dry_run says otherwise
 * makes it ready to be taken over and starts the daemon anew. From the moment it is ready until then only
 * reads are served, so that nothing is acknowledged that would be gone.
 */
#include "rpc/http.h"

void co_xmldb_get(struct http_request *r, struct http_stream *s, void *x);
void co_xmldb_put(struct http_request *r, struct http_stream *s, void *x);

#endif
