#include "xapid/routes.h"
#include <string.h>
#include "xapid/audit/get.h"
#include "xapid/console/console.h"
#include "xapid/host/status.h"
#include "xapid/host_backup/host_backup.h"
#include "xapid/metrics.h"
#include "xapid/pool/forward.h"
#include "xapid/pool/host_certificates.h"
#include "xapid/pool/join.h"
#include "xapid/pool/leader.h"
#include "xapid/pool/management.h"
#include "xapid/pool/member_host.h"
#include "xapid/pool/shared_files.h"
#include "xapid/pool/peer_calls.h"
#include "xapid/pool_db/xmldb.h"
#include "xapid/rpc.h"
#include "xapid/rrd/http.h"
#include "xapid/transfer/blob.h"
#include "xapid/transfer/raw_vdi.h"
#include "xapid/transfer/xva.h"
#include "xapid/vm/crossing.h"

static const char page[] =
    "<!DOCTYPE html><html><head><title>xapid</title></head><body><h1>xapid</h1>"
    "<p>This host speaks XenAPI: connect with xe or another client.</p></body></html>\n";

/* There is one page, for people who come by with a browser. */
static bool get_page(struct http_request *r, struct http_reply *reply, void *arg)
{
    if (strcmp(r->path, "/") != 0 && strcmp(r->path, "/index.html") != 0) {
        http_reply_error(r, reply, 404, "There is nothing at this address.");
        return true;
    }
    reply->content_type = "text/html";
    buf_add_str(&reply->body, page);
    return true;
}

/* Calls are taken in by every host, which knows which of them are its own to answer. */
#define CALL(path, read)                                                                              \
    {                                                                                                 \
        .method = "POST", .prefix = path, .now = read, .co_handle = co_rpc, .withheld = rpc_withheld, \
    }
#define CALLS CALL("/", rpc_xml_now), CALL("/json", rpc_xml_now), CALL("/jsonrpc", rpc_json_now)

/* What hosts of the pool have to say to each other. */
#define FROM_PEERS                                                                                \
    {.method = "CONNECT", .prefix = "/agent/console", .co_raw = co_member_agent_console},         \
        {.method = "CONNECT", .prefix = "/agent/disk", .co_raw = co_member_agent_disk},           \
        {.method = "CONNECT", .prefix = "/agent/bytes", .co_raw = co_member_agent_bytes},         \
        {.method = "POST", .prefix = "/agent/", .co_handle = co_member_agent_post},               \
        {.method = "CONNECT", .prefix = "/peer/feed", .co_raw = co_leader_serve},                 \
        {.method = "GET", .prefix = "/peer/host_logs_download", .co_raw = co_peer_archive_get},   \
        {.method = "GET", .prefix = "/peer/system-status", .co_raw = co_peer_archive_get},        \
        {.method = "GET", .prefix = "/peer/host_backup", .co_raw = co_peer_host_backup_get},      \
        {.method = "PUT", .prefix = "/peer/host_restore", .co_raw = co_peer_host_restore_put},    \
        {.method = "GET", .prefix = "/peer/place", .co_handle = co_peer_place_get},               \
        {.method = "GET", .prefix = "/peer/machine", .co_handle = co_peer_machine_get},           \
        {.method = "POST", .prefix = "/peer/follow", .co_handle = co_peer_follow_post},           \
        {.method = "POST", .prefix = "/peer/files", .co_handle = co_shared_files_post},           \
        {.method = "POST", .prefix = "/peer/certificate", .co_handle = co_host_certificate_post}, \
        {.method = "POST", .prefix = "/peer/lead", .co_handle = co_peer_lead_post},               \
        {.method = "POST", .prefix = "/peer/manage", .co_handle = co_peer_manage_post},           \
        {.method = "POST", .prefix = "/crossing/outcome", .co_handle = co_crossing_outcome_post}, \
        {.method = "POST", .prefix = "/crossing/done", .co_handle = co_crossing_done_post},       \
    {                                                                                             \
        .method = "POST", .prefix = "/peer/leave", .co_handle = co_peer_leave_post                \
    }

/* Each host tells of itself and its guests. */
#define HISTORY                                                                   \
    {.method = "GET", .prefix = "/rrd_updates", .co_handle = co_rrd_updates_get}, \
        {.method = "GET", .prefix = "/host_rrd", .co_handle = co_host_rrd_get},   \
        {.method = "GET", .prefix = "/host_rrds", .co_handle = co_host_rrd_get},  \
        {.method = "GET", .prefix = "/vm_rrd", .co_handle = co_vm_rrd_get},       \
    {                                                                             \
        .method = "GET", .prefix = "/vm_rrds", .co_handle = co_vm_rrd_get         \
    }

#define OPTIONS                                                      \
    {                                                                \
        .method = "OPTIONS", .prefix = "/", .now = http_options_now, \
    }

const struct http_route routes[] = {
    CALLS,
    FROM_PEERS,
    HISTORY,
    OPTIONS,
    {.method = "CONNECT", .prefix = "/console", .co_raw = co_console_connect},
    {.method = "CONNECT", .prefix = "/crossing", .co_raw = co_crossing_serve},
    {.method = "GET", .prefix = "/console", .co_raw = co_console_websocket},
    {.method = "GET", .prefix = "/vncsnapshot", .co_raw = co_console_snapshot},
    {.method = "GET", .prefix = "/audit_log", .co_raw = co_audit_log_get},
    {.method = "GET", .prefix = "/blob", .co_raw = co_blob_get},
    {.method = "PUT", .prefix = "/blob", .co_raw = co_blob_put},
    {.method = "GET", .prefix = "/export", .co_raw = co_export},
    {.method = "GET", .prefix = "/export_metadata", .co_raw = co_export_metadata},
    {.method = "GET", .prefix = "/export_raw_vdi", .co_raw = co_export_raw_vdi},
    {.method = "PUT", .prefix = "/import", .co_raw = co_import},
    {.method = "PUT", .prefix = "/import_metadata", .co_raw = co_import_metadata},
    {.method = "PUT", .prefix = "/import_raw_vdi", .co_raw = co_import_raw_vdi},
    {.method = "GET", .prefix = "/host_backup", .co_raw = co_host_backup_get},
    {.method = "GET", .prefix = "/host_logs_download", .co_raw = co_host_logs_get},
    {.method = "PUT", .prefix = "/host_restore", .co_raw = co_host_restore_put},
    {.method = "GET", .prefix = "/metrics", .co_handle = co_metrics_get},
    {.method = "POST", .prefix = "/pool/join", .co_handle = co_join_serve},
    {.method = "GET", .prefix = "/pool/xmldbdump", .co_raw = co_xmldb_get},
    {.method = "PUT", .prefix = "/pool/xmldbdump", .co_raw = co_xmldb_put},
    {.method = "GET", .prefix = "/system-status", .co_raw = co_system_status_get},
    {.method = "GET", .prefix = "/", .now = get_page},
    {0},
};

const struct http_route member_routes[] = {
    CALLS,
    FROM_PEERS,
    HISTORY,
    OPTIONS,
    {.method = "POST", .prefix = "/pool/join", .co_raw = co_forward_stream},
    {.method = "CONNECT", .prefix = "/console", .co_raw = co_forward_stream},
    {.method = "CONNECT", .prefix = "/crossing", .co_raw = co_forward_stream},
    {.method = "GET", .prefix = "/metrics", .co_handle = co_metrics_get},
    {.method = "GET", .prefix = "/", .co_raw = co_forward_stream},
    {.method = "PUT", .prefix = "/", .co_raw = co_forward_stream},
    {0},
};
