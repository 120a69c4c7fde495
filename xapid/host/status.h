#ifndef XAPID_HOST_STATUS_H
#define XAPID_HOST_STATUS_H
#include "rpc/http.h"

/* GET /host_logs_download: the folder of logs as tar.gz. */
co_http_raw_handler co_host_logs_get;

/* GET /system-status: what somebody who helps needs to see, as an archive; entries= what of it, output= tar
 * or tar.bz2; list: the capabilities only. */
co_http_raw_handler co_system_status_get;

/* Both for the coordinator, whose client means this member: GET /peer/<path>. */
co_http_raw_handler co_peer_archive_get;

#endif
