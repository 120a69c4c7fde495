#include <string.h>
#include <talloc.h>
#include "lib/mem.h"
#include "rpc/escape.h"
#include "rpc/http_private.h"

enum { SMALL_BODY = 16 * 1024 };

static const struct {
    unsigned status;
    const char *text;
} statuses[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorised"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {411, "Length Required"},
    {413, "Request Entity Too Large"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

const char *http_status_text(unsigned status)
{
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        if (statuses[i].status == status)
            return statuses[i].text;
    return "Unknown";
}

void http_reply_add_header(struct http_reply *reply, const char *name, const char *value)
{
    if (reply->n_headers < sizeof(reply->headers) / sizeof(reply->headers[0]))
        reply->headers[reply->n_headers++] = (struct http_pair){.name = name, .value = value};
}

void http_reply_error(struct http_request *r, struct http_reply *reply, unsigned status, const char *text)
{
    reply->status = status;
    reply->content_type = "text/html";
    reply->close = true;
    if (status == 401)
        http_reply_add_header(reply, "www-authenticate", "Basic realm=\"xapid\"");
    buf_reset(&reply->body);
    buf_printf(&reply->body, "<html><body><h1>HTTP %u %s</h1><p>", status, http_status_text(status));
    if (text != NULL)
        escape_xml(&reply->body, text, strlen(text));
    buf_add_lit(&reply->body, "</p></body></html>\n");
}

void http_reply_allow_origin(struct http_reply *reply)
{
    http_reply_add_header(reply, "access-control-allow-origin", "*");
    http_reply_add_header(reply, "access-control-allow-headers", "X-Requested-With");
}

bool http_options_now(struct http_request *r, struct http_reply *reply, void *arg)
{
    const char *wanted = http_header(r, "access-control-request-headers");
    const char *allowed = "X-Requested-With";
    if (wanted != NULL)
        allowed = talloc_asprintf(r->mem, "%s, X-Requested-With", wanted);
    http_reply_add_header(reply, "access-control-allow-origin", "*");
    http_reply_add_header(reply, "access-control-allow-headers", allowed);
    http_reply_add_header(reply, "access-control-allow-methods", "PUT");
    return true;
}

/* Header values come from handlers, who may have them from clients: no line break gets through. */
static void add_header(struct buf *out, const char *name, const char *value)
{
    buf_add_str(out, name);
    buf_add_lit(out, ": ");
    size_t n = strlen(value), clean = strcspn(value, "\r\n");
    buf_add(out, value, clean < n ? clean : n);
    buf_add_lit(out, "\r\n");
}

static const char *reply_header(const struct http_reply *r, const char *name)
{
    for (unsigned i = 0; i < r->n_headers; i++)
        if (strcmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    return NULL;
}

/* The order is the reference's; some clients count lines. */
static void add_headers(const struct http_server *s, const struct http_reply *r, bool keep_alive,
                        struct buf *out)
{
    const char *task = reply_header(r, "task-id");
    if (task != NULL)
        add_header(out, "task-id", task);
    if (keep_alive)
        buf_add_lit(out, "connection: keep-alive\r\n");
    else
        buf_add_lit(out, "connection: close\r\n");
    if (reply_header(r, "cache-control") == NULL && reply_header(r, "location") == NULL)
        buf_add_lit(out, "cache-control: no-cache, no-store\r\n");
    if (r->content_type != NULL)
        add_header(out, "content-type", r->content_type);
    for (unsigned i = 0; i < r->n_headers; i++)
        if (strcmp(r->headers[i].name, "task-id") != 0)
            add_header(out, r->headers[i].name, r->headers[i].value);
    if (s->hsts_max_age >= 0)
        buf_printf(out, "strict-transport-security: max-age=%lld\r\n", (long long)s->hsts_max_age);
    buf_add_lit(out, "\r\n");
}

static void add_status(struct buf *out, unsigned status, int64_t length)
{
    buf_add_lit(out, "HTTP/1.1 ");
    buf_add_int(out, status);
    buf_add_char(out, ' ');
    buf_add_str(out, http_status_text(status));
    if (status != 204 && status != 304 && length >= 0) {
        buf_add_lit(out, "\r\ncontent-length: ");
        buf_add_int(out, length);
    }
    buf_add_lit(out, "\r\n");
}

void reply_build(const struct http_server *s, const struct http_request *q, struct http_reply *r,
                 bool keep_alive, struct buf *out, struct buf *out_body)
{
    unsigned status = r->status != 0 ? r->status : 200;
    bool has_body = status != 204 && status != 304 && (q->method == NULL || strcmp(q->method, "HEAD") != 0);
    add_status(out, status, (int64_t)r->body.len);
    add_headers(s, r, keep_alive, out);
    if (!has_body)
        return;
    /* A small one is copied, also one that would keep large memory busy until its reader has taken it. */
    if (r->body.len <= SMALL_BODY || r->body.len < r->body.cap / 8) {
        buf_add(out, r->body.data, r->body.len);
        return;
    }
    buf_free(out_body);
    *out_body = r->body;
    r->body = (struct buf){0};
}

int co_stream_send_head(struct http_stream *s, struct http_reply *r, int64_t length, int64_t deadline)
{
    CLEANUP_BUF struct buf out = {0};
    add_status(&out, r->status != 0 ? r->status : 200, length);
    add_headers(s->conn->server, r, false, &out);
    return co_stream_write(s, out.data, out.len, deadline);
}

int co_stream_send_error(struct http_request *q, struct http_stream *s, unsigned status, const char *text,
                         int64_t deadline)
{
    struct http_reply r = {0};
    http_reply_error(q, &r, status, text);
    int rc = co_stream_send_head(s, &r, (int64_t)r.body.len, deadline);
    if (rc == 0)
        rc = co_stream_write(s, r.body.data, r.body.len, deadline);
    buf_free(&r.body);
    return rc;
}
