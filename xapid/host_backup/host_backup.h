#ifndef XAPID_HOST_BACKUP_HOST_BACKUP_H
#define XAPID_HOST_BACKUP_HOST_BACKUP_H
/* Both are for pool-admins; host_id= names another host of the pool. */
#include "rpc/http.h"
#include "xapid/server.h"

/* GET /host_backup, and GET /peer/host_backup for the coordinator. */
co_http_raw_handler co_host_backup_get, co_peer_host_backup_get;

/* PUT /host_restore: takes effect when the daemon is started the next time. PUT /peer/host_restore is for the
 * coordinator. */
co_http_raw_handler co_host_restore_put, co_peer_host_restore_put;

/* Before the daemon has opened anything: put in place what is ready. 1 when it did, so that the configuration
 * file is to be read again; 0: nothing is ready. Errors: INTERNAL_ERROR; what was not put in place yet still
 * is when this is repeated. Blocks. */
int host_restore_finish(const struct xapid_options *o, struct err *e);

#endif
