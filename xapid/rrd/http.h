#ifndef XAPID_RRD_HTTP_H
#define XAPID_RRD_HTTP_H
/* GET /rrd_updates, /host_rrd and /vm_rrd (protocol.md 8.4). */
#include "rpc/http.h"

co_http_handler co_rrd_updates_get, co_host_rrd_get, co_vm_rrd_get;

#endif
