#ifndef RPC_CLIENT_H
#define RPC_CLIENT_H
/*
 * An HTTP(S) client on fibers for peers and xe: one connection, kept alive, made again when the server closed
 * it between calls. Not shared between fibers that use it at the same time.
 */
#include <stdbool.h>
#include "lib/buf.h"
#include "lib/err.h"
#include <openssl/ssl.h>
#include "rpc/wire.h"

struct rpc_client;

struct rpc_client_options {
    const char *host; /* name or address; ignored with unix_path */
    uint16_t port;
    const char *unix_path;  /* connect to this socket instead, without TLS */
    const char *proxy_host; /* connect to this HTTP proxy, and with TLS through it; NULL: to the server
                             * itself. Without TLS, targets are to be whole URLs then. */
    uint16_t proxy_port;
    const char *proxy_headers; /* for it: whole lines, each ended by CR LF; or NULL */
    bool tls;
    SSL_CTX
    *tls_context; /* NULL: no verification (as xe does); one that verifies also checks the host's name */
    const char *server_name; /* that the server is called by in TLS (SNI) instead of host; or NULL */
    const char *peer_name;   /* with server_name: that its certificate is checked for; NULL: for none */
    const char *user_agent;
    const char *headers; /* sent with every request: whole lines, each ended by CR LF; or NULL */
    void (*add_headers)(struct buf *out, void *arg); /* adds more such lines to each request; or NULL */
    void *add_headers_arg;
    int connect_timeout_ms; /* until connected, TLS included; 0: 10 seconds */
    int reply_timeout_ms;   /* for the next bytes of a reply; 0: as long as the peer's host is alive */
    int dead_after_ms; /* the peer's host counts as dead when it confirms nothing for so long; 0: a minute */
    bool send_once;    /* no request is sent a second time */
    /* When its fiber is cancelled while it waits for a reply, an exchange ends its side of the connection and
     * still waits this long for what the server then says; 0: it does not. */
    int cancelled_reply_ms;
};

/* What the options point to is copied, but for the context. Connects when first used. */
struct rpc_client *rpc_client_new(const struct rpc_client_options *o);
void rpc_client_free(struct rpc_client *c);

/* Was a connection there in the last exchange, so that the server may have got the request? */
bool rpc_client_had_contact(const struct rpc_client *c);

/* Why the server's certificate was not believed when a connection was last tried; NULL when that was not it.
 */
const char *rpc_client_distrust(const struct rpc_client *c);

/* Called with each interim reply (status 1xx) of the exchanges from now on; must not yield. NULL: nobody is.
 */
struct http_head; /* rpc/http_head.h */
void rpc_client_set_interim(struct rpc_client *c, void (*fn)(const struct http_head *h, void *arg),
                            void *arg);

/* One XML-RPC call; params are n wire values (session first where the method takes one). The result is on
 * ctx. Errors: those of the server; or, without contact, CANNOT_CONTACT_HOST-like text in an INTERNAL_ERROR
 * whose errno is in *ret_errno (may be NULL). */
int co_rpc_call(struct rpc_client *c, void *ctx, const char *method, const struct wire *params, uint32_t n,
                struct wire *ret, int *ret_errno, struct err *e);

/* The same at another path than /RPC2. */
int co_rpc_call_at(struct rpc_client *c, void *ctx, const char *target, const char *method,
                   const struct wire *params, uint32_t n, struct wire *ret, int *ret_errno, struct err *e);

/* A plain HTTP exchange. body may be NULL; extra_headers are whole lines, each ended by CR LF, or NULL. The
 * reply's body is appended to ret_body (bounded by max_body). Redirects are not followed. A request is sent a
 * second time when the server had closed the kept-alive connection before any byte of a reply, unless it is
 * to be sent once. */
int co_http_exchange(struct rpc_client *c, const char *method, const char *target, const char *extra_headers,
                     const void *body, size_t body_len, size_t max_body, unsigned *ret_status,
                     struct buf *ret_body, struct err *e);

/* The same, with the head of the reply on ctx (rpc/http_head.h). */
struct http_head;
int co_http_exchange_head(struct rpc_client *c, void *ctx, const char *method, const char *target,
                          const char *extra_headers, const void *body, size_t body_len, size_t max_body,
                          struct http_head *ret_head, struct buf *ret_body, struct err *e);

/* Open a connection for a method such as CONNECT or a streaming GET/PUT, send the header, and read the
 * reply's header: the caller then reads and writes the stream until it closes it. */
struct client_stream;
int co_client_stream_open(struct rpc_client *c, const char *method, const char *target,
                          const char *extra_headers, struct client_stream **ret, unsigned *ret_status,
                          struct err *e);
/* Open a connection and send what is given, a request's head; the reply, its head included, is for the caller
 * to read. */
int co_client_stream_begin(struct rpc_client *c, const void *head, size_t n, struct client_stream **ret,
                           struct err *e);
/* Nothing more will be written; what the server still sends can be read. */
void client_stream_end_output(struct client_stream *s);
/* The content-length of the reply, or -1. */
int64_t client_stream_length(const struct client_stream *s);
ssize_t co_client_stream_read(struct client_stream *s, void *bytes, size_t size, int64_t deadline);
int co_client_stream_write(struct client_stream *s, const void *bytes, size_t n, int64_t deadline);
int client_stream_fd(const struct client_stream *s);
bool client_stream_has_buffered(const struct client_stream *s);
/* As co_stream_splice. */
int co_client_stream_splice(struct client_stream *s, int fd, int64_t idle_ms);
void client_stream_close(struct client_stream *s);

#endif
