#ifndef RPC_HTTP_H
#define RPC_HTTP_H
/*
 * The HTTP(S) server. OpenSSL ends TLS on the libev loop; requests are framed here and dispatched by method
 * and longest path prefix, each one anew on a kept-alive connection.
 *
 * Ordinary handlers get the whole body (bounded by limits) and fill a reply; they run in a fiber of their own
 * and may wait. An ordinary handler may first be offered the request without a fiber (`now`) and answer at
 * once. Raw handlers get the stream after the header, for what has no plain body and reply: CONNECT, /cli,
 * uploads that end with the connection, WebSocket.
 *
 * libmicrohttpd serves the plain port (rpc/plain.h). Here it does not stand in between: CONNECT, WebSocket
 * and uploads without an end need the header read first, and the replies' header lines have an order and
 * spelling that it does not let us choose. It would also be slower (rpc/README.md); the benchmark keeps that
 * way for comparison.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <openssl/ssl.h>
#include "lib/buf.h"
#include "lib/err.h"

struct http_pair {
    const char *name, *value;
};

struct http_request {
    void *mem; /* talloc context of the request: freed after the reply has been handed over */
    const char *method;
    const char *path; /* percent-decoded, without the query */
    const char *raw_target;
    bool http_1_0;
    unsigned n_query, n_headers;
    struct http_pair *query;   /* decoded, in order, repeated keys kept */
    struct http_pair *headers; /* names lower-case */
    const char *body;          /* ordinary handlers: whole; raw handlers: NULL */
    size_t body_len;
    bool local_root; /* came over the unix socket from uid 0 (or the daemon's own uid) */
    bool tls;
    char peer_address[64];  /* numeric; "" on the unix socket */
    char local_address[64]; /* the address the client called */
    SSL *ssl;               /* for peer certificates; NULL without TLS */
    bool ends_with_peer;    /* set by a handler: cancel its fiber once the client has closed its side */
    void *handler_data;     /* the handlers' own: NULL at first, kept from `now` to `co_handle` */
};

/* NULL when absent. Cookie values are percent-decoded; separators ; and &. */
const char *http_query(const struct http_request *r, const char *name);
const char *http_header(const struct http_request *r, const char *lower_case_name);
const char *http_cookie(const struct http_request *r, const char *name);

struct http_reply {
    unsigned status; /* 0 counts as 200 */
    const char *content_type;
    struct buf body;    /* moved out by the server */
    unsigned n_headers; /* extra headers, on the request's mem */
    struct http_pair headers[8];
    bool close;
    uint64_t durable_gen; /* hold the reply back until the store says this is durable; 0: send now */
};

struct http_stream; /* a raw connection after its header was read; owned by the server, closed when the
                       handler returns */

/* Read at least one byte: count, 0 at end of stream, or -errno (-ETIMEDOUT, -ECANCELED, -ECONNRESET …). */
ssize_t co_stream_read(struct http_stream *s, void *bytes, size_t size, int64_t deadline);
/* Write all: 0 or -errno. */
int co_stream_write(struct http_stream *s, const void *bytes, size_t n, int64_t deadline);
/* Readable without waiting? (bytes buffered by TLS count); and the descriptor to wait for otherwise. */
bool stream_has_buffered(const struct http_stream *s);
int stream_fd(const struct http_stream *s);
/* Copy both ways between the stream and fd (a socket or pty, made non-blocking) until one side ends (0),
 * nothing moved for idle_ms (-ETIMEDOUT; 0: never) or either failed. */
int co_stream_splice(struct http_stream *s, int fd, int64_t idle_ms);

/* In an ordinary handler: an interim reply (status 102) with one header, for a client that wants to hear how
 * far its request is. It may be dropped; not more than some dozens for one request, so that the socket takes
 * them at once. Never yields. */
void http_send_interim(struct http_request *r, const char *name, const char *value);

/* The head of a raw handler's reply; it writes the body itself, length bytes or (-1) until it returns.
 * r->body is not looked at. 0 or -errno. */
struct http_reply;
int co_stream_send_head(struct http_stream *s, struct http_reply *r, int64_t length, int64_t deadline);
/* A whole reply: the html page of http_reply_error. */
int co_stream_send_error(struct http_request *q, struct http_stream *s, unsigned status, const char *text,
                         int64_t deadline);

typedef void co_http_handler(struct http_request *r, struct http_reply *reply, void *arg);
typedef bool http_handler_now(struct http_request *r, struct http_reply *reply, void *arg);
typedef void co_http_raw_handler(struct http_request *r, struct http_stream *s, void *arg);

struct http_route {
    const char *method;    /* "POST" */
    const char *prefix;    /* "/jsonrpc" */
    http_handler_now *now; /* optional: answers and returns true, or false to be given a fiber */
    co_http_handler *co_handle;
    co_http_raw_handler *co_raw; /* instead of the two */
    /* Optional: fills an empty reply in place of one that could not be made durable, which is said with
     * status 500 else. */
    void (*withheld)(struct http_request *r, struct http_reply *reply, void *arg);
};

struct http_limits {
    size_t max_header;     /* bytes; 431 */
    size_t max_body;       /* bytes; 413 */
    size_t max_bodies;     /* bytes of all bodies on their way at a time, small ones aside; 503 */
    int header_timeout_ms; /* 408 */
    int idle_timeout_ms;   /* kept-alive connections */
    unsigned max_connections, max_connections_per_address;
};
extern const struct http_limits http_default_limits;

struct http_server;
struct tls_server; /* rpc/tls.h */

/* routes: terminated by an entry without method; kept by reference, as is arg (given to every handler). */
struct http_server *http_server_new(const struct http_route *routes, const struct http_limits *limits,
                                    void *arg);

/* Durability check for reply.durable_gen: durable(arg, gen) and the fiber-side wait. */
void http_server_set_durability(struct http_server *s, bool (*durable)(uint64_t gen, void *arg),
                                int (*co_wait)(uint64_t gen, void *arg), void *arg);

/* Called with each request once its head is read, before it goes to its handler: may say that somebody else
 * is the caller (peer_address, local_root). Must not yield. */
void http_server_set_on_request(struct http_server *s, void (*on_request)(struct http_request *r, void *arg));

/* Listen; tls NULL: plain. Errors: INTERNAL_ERROR with the address. Port 0 picks one (ret_port). */
int http_server_listen_tcp(struct http_server *s, const char *address, uint16_t port, struct tls_server *tls,
                           uint16_t *ret_port, struct err *e);
int http_server_listen_unix(struct http_server *s, const char *path, struct err *e);

/* Listening sockets whose owner is not the server, so that they can outlive it; a descriptor or -errno. A
 * file that is in the way of a unix socket is removed. */
int http_open_tcp(const char *address, uint16_t port, uint16_t *ret_port);
int http_open_unix(const char *path);
/* Accept from a copy of such a one. tls NULL: plain. 0 or -errno. */
int http_server_listen_on(struct http_server *s, int fd, struct tls_server *tls);

/* Let the connections there are come to an end: none is kept after its reply, nor are later ones. Waits for
 * requests until the deadline, for idle connections to bring one until idle_deadline, when they are closed;
 * not for raw ones. Connections are accepted still. */
void co_http_server_drain(struct http_server *s, int64_t idle_deadline, int64_t deadline);

/* Accept no more, leaving connections to whoever else accepts from the sockets. */
void http_server_stop_accepting(struct http_server *s);

/* Connections and the requests among them that have a fiber. */
void http_server_counts(const struct http_server *s, unsigned *ret_connections, unsigned *ret_requests);

/* Stop accepting, let requests in progress end until the deadline, close. */
void co_http_server_stop(struct http_server *s, int64_t deadline);
void http_server_free(struct http_server *s);

/* Send strict-transport-security with this age in seconds; negative, as at first: do not. */
void http_server_set_hsts(struct http_server *s, int64_t max_age);

/* name in lower case; both kept by reference, so on the request's mem or static. More than 8 are dropped. */
void http_reply_add_header(struct http_reply *reply, const char *name, const char *value);

/* The two CORS headers that RPC replies carry. */
void http_reply_allow_origin(struct http_reply *reply);

/* A `now` handler for OPTIONS routes. */
http_handler_now http_options_now;

/* An html error page as the reference sends it (protocol.md section 1); fills reply. */
void http_reply_error(struct http_request *r, struct http_reply *reply, unsigned status, const char *text);

#endif
