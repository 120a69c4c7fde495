#include "xapid/routes.h"
#include <string.h>
#include "xapid/audit/get.h"
#include "xapid/console/console.h"
#include "xapid/host/status.h"
#include "xapid/metrics.h"
#include "xapid/pool_db/xmldb.h"
#include "xapid/rpc.h"
#include "xapid/transfer/blob.h"
#include "xapid/transfer/raw_vdi.h"
#include "xapid/transfer/xva.h"

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

const struct http_route routes[] = {
    {.method = "POST", .prefix = "/", .now = rpc_xml_now, .co_handle = co_rpc, .withheld = rpc_withheld},
    {.method = "POST", .prefix = "/json", .now = rpc_xml_now, .co_handle = co_rpc, .withheld = rpc_withheld},
    {.method = "POST",
     .prefix = "/jsonrpc",
     .now = rpc_json_now,
     .co_handle = co_rpc,
     .withheld = rpc_withheld},
    {.method = "OPTIONS", .prefix = "/", .now = http_options_now},
    {.method = "CONNECT", .prefix = "/console", .co_raw = co_console_connect},
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
    {.method = "GET", .prefix = "/host_logs_download", .co_raw = co_host_logs_get},
    {.method = "GET", .prefix = "/metrics", .co_handle = co_metrics_get},
    {.method = "GET", .prefix = "/pool/xmldbdump", .co_raw = co_xmldb_get},
    {.method = "PUT", .prefix = "/pool/xmldbdump", .co_raw = co_xmldb_put},
    {.method = "GET", .prefix = "/system-status", .co_raw = co_system_status_get},
    {.method = "GET", .prefix = "/", .now = get_page},
    {0},
};
