#ifndef RPC_HTTP_PRIVATE_H
#define RPC_HTTP_PRIVATE_H
/*
 * What the files of the HTTP server share: http_server.c (listening, limits, stopping), http_conn.c (one
 * connection's life on the loop), http_dispatch.c (a request's way through its handler), http_reply.c,
 * http_spare.c, http_stream.c.
 */
#include <ev.h>
#include <sys/queue.h>
#include "lib/fiber.h"
#include "rpc/http.h"
#include "rpc/http_head.h"
#include "rpc/transport.h"

struct listener {
    LIST_ENTRY(listener) link;
    struct http_server *server;
    int fd;
    ev_io io;
    struct tls_server *tls;
    bool is_unix;
    char *path; /* of a unix socket: removed at the end */
};

/* Connections from one address. */
struct peer {
    LIST_ENTRY(peer) link;
    unsigned connections;
    char address[64];
};

enum { PEER_BUCKETS = 256 };

struct http_server {
    const struct http_route *routes;
    struct http_limits limits;
    void *arg;
    bool (*durable)(uint64_t gen, void *arg);
    int (*co_wait_durable)(uint64_t gen, void *arg);
    void *durable_arg;
    void (*on_request)(struct http_request *r, void *arg); /* NULL: nothing */
    int64_t hsts_max_age;
    bool draining, stopping; /* draining: no connection is kept alive */
    unsigned n_connections, n_fibers;
    size_t bodies; /* expected bytes of the bodies on their way */
    LIST_HEAD(, listener) listeners;
    TAILQ_HEAD(, conn) conns;
    LIST_HEAD(, peer) peers[PEER_BUCKETS];
    STAILQ_HEAD(, conn) kicked; /* to be gone on with in the next turn */
    ev_idle kick;
    struct fiber_cond emptied;
    ev_timer resume_accept; /* after the process ran out of descriptors */
    struct buf spare;       /* memory of a large body that was sent, for the next */
    ev_timer spare_expires;
};

enum conn_state {
    CONN_HANDSHAKE,
    CONN_HEAD,   /* between requests, or within a head */
    CONN_BODY,   /* within an ordinary request's body */
    CONN_BUSY,   /* a fiber works on the reply */
    CONN_REPLY,  /* the peer is slow to take the reply */
    CONN_RAW,    /* a raw handler has it */
    CONN_LINGER, /* nothing more to say; what still comes is thrown away */
    CONN_CLOSED, /* waits for its fiber or callback to end */
};

struct conn {
    TAILQ_ENTRY(conn) link;
    STAILQ_ENTRY(conn) kick_link;
    bool kicked;
    bool draining; /* was there when its server began to end */
    struct http_server *server;
    struct peer *peer;
    struct transport transport;
    enum conn_state state;
    unsigned holds; /* callbacks and fibers that will still touch it */
    ev_io io;
    ev_timer timer;
    int64_t deadline;
    struct buf in; /* read, not yet used */
    size_t scanned;
    bool head_begun; /* a head's first bytes are there, its deadline runs */
    bool peer_ended;
    bool processing; /* conn_process is at work and goes on by itself */
    bool refused;    /* over a limit: its first request is answered 503 */
    bool local_root;
    char local_address[64];
    /* the request in progress */
    const struct http_route *route;
    struct http_request request;
    struct http_reply reply;
    struct buf body;
    size_t body_expected, body_seen; /* body_seen: at the last deadline */
    size_t body_counted;             /* in the server's sum */
    bool keep_alive;
    struct fiber *fiber;
    /* the reply on its way: out, then out_body */
    struct buf out, out_body;
    size_t sent;
};

/* http_server.c */
void server_conn_gone(struct http_server *s, struct conn *c);
void server_fiber_gone(struct http_server *s);

/* http_conn.c */
struct conn *conn_start(struct http_server *s, const struct listener *l, struct peer *peer, int fd,
                        const char *local_address, bool local_root);
void conn_destroy(struct conn *c);
void conn_hold(struct conn *c);
void conn_release(struct conn *c);
void conn_set_deadline(struct conn *c, int64_t ms);
void conn_want(struct conn *c, int events);
void conn_send_reply(struct conn *c); /* c->reply is complete */
void conn_linger(struct conn *c);
bool conn_is_idle(const struct conn *c);
void conn_forget_body(struct conn *c);
void server_run_kicked(struct http_server *s);

/* http_dispatch.c */
void dispatch_head(struct conn *c, size_t length); /* c is then in CONN_BODY, or on its way with a reply */
void dispatch_request(struct conn *c);             /* its body is there */
void dispatch_error(struct conn *c, unsigned status, const char *text);

/* http_reply.c */
const char *http_status_text(unsigned status);
/* The head of r's reply, and a small body with it, onto out; a large one is moved to out_body. */
void reply_build(const struct http_server *s, const struct http_request *q, struct http_reply *r,
                 bool keep_alive, struct buf *out, struct buf *out_body);

/* http_spare.c: memory for a reply's body, empty but perhaps large; give it back instead of freeing it. */
void spare_init(struct http_server *s);
struct buf spare_take(struct http_server *s);
void spare_give(struct http_server *s, struct buf *b);
void spare_drop(struct http_server *s);

struct http_stream {
    struct conn *conn;
};

#endif
