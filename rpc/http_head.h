#ifndef RPC_HTTP_HEAD_H
#define RPC_HTTP_HEAD_H
/*
 * The head of an HTTP/1 request or reply: bytes in, structure out. Strict where leniency is how requests are
 * smuggled (lengths, white space before colons, folded lines, stray CR and NUL), lenient about bare LF. Never
 * yields.
 */
#include "rpc/http.h"

struct http_head {
    char *method; /* of a request */
    char *target;
    unsigned status; /* of a reply */
    bool http_1_0;
    bool keep_alive;
    bool has_transfer_encoding;
    bool expects_continue;
    int64_t content_length; /* -1: not given */
    unsigned n_headers;
    struct http_pair *headers; /* names lower-case */
};

/* The length of the head at the start of bytes, its empty line included; 0 while that has not come. *scanned
 * is where an earlier call left off, 0 at first. */
size_t http_head_find(const char *bytes, size_t n, size_t *scanned);

/* Parse n bytes that http_head_find delimited; everything on ctx. 0; -EBADMSG; -EPROTONOSUPPORT: not HTTP/1.
 */
int http_head_parse_request(void *ctx, const char *bytes, size_t n, struct http_head *ret);
int http_head_parse_reply(void *ctx, const char *bytes, size_t n, struct http_head *ret);

/* The value of a header, or NULL. */
const char *http_head_get(const struct http_head *h, const char *lower_case_name);

/* Split a request's target into r->path and r->query, decoded. 0 or -EBADMSG. */
int http_target_parse(void *ctx, const char *target, struct http_request *r);

/* Decode %xx in place (and + when plus). False when malformed or when a NUL would come out. */
bool http_percent_decode(char *s, bool plus);

#endif
