#include "xapid/routes.h"
#include <string.h>
#include <talloc.h>
#include "xapid/rpc.h"

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

/* What a browser asks before it lets a page from elsewhere call. */
static bool answer_options(struct http_request *r, struct http_reply *reply, void *arg)
{
    const char *wanted = http_header(r, "access-control-request-headers");
    const char *allowed =
        wanted ? talloc_asprintf(r->mem, "%s, X-Requested-With", wanted) : "X-Requested-With";
    reply->content_type = "text/plain";
    reply->n_headers = 3;
    reply->headers[0] = (struct http_pair){"Access-Control-Allow-Origin", "*"};
    reply->headers[1] = (struct http_pair){"Access-Control-Allow-Headers", allowed};
    reply->headers[2] = (struct http_pair){"Access-Control-Allow-Methods", "PUT"};
    return true;
}

const struct http_route routes[] = {
    {.method = "POST", .prefix = "/", .now = rpc_xml_now, .co_handle = co_rpc},
    {.method = "POST", .prefix = "/json", .now = rpc_xml_now, .co_handle = co_rpc},
    {.method = "POST", .prefix = "/jsonrpc", .now = rpc_json_now, .co_handle = co_rpc},
    {.method = "OPTIONS", .prefix = "/", .now = answer_options},
    {.method = "GET", .prefix = "/", .now = get_page},
    {0},
};
