/* Listening, limits and stopping; a connection's own life is in http_conn.c. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "rpc/http_private.h"

const struct http_limits http_default_limits = {
    .max_header = 32 * 1024,
    .max_body = 32 * 1024 * 1024,
    .max_bodies = 256 * 1024 * 1024,
    .header_timeout_ms = 30 * 1000,
    .idle_timeout_ms = 10 * 60 * 1000,
    .max_connections = 4096,
    .max_connections_per_address = 2048,
};

enum {
    BACKLOG = 512,
    ACCEPTS_A_TURN = 16,
    REFUSALS = 64,    /* connections over a limit that are still told so */
    UNWIND_MS = 5000, /* how long fibers have to end once they were cancelled */
};

/* ---- peers ---- */

static unsigned peer_bucket(const char *address)
{
    unsigned h = 5381;
    for (; *address != '\0'; address++)
        h = h * 33 + (unsigned char)*address;
    return h % PEER_BUCKETS;
}

static struct peer *peer_get(struct http_server *s, const char *address)
{
    unsigned bucket = peer_bucket(address);
    struct peer *p;
    LIST_FOREACH (p, &s->peers[bucket], link)
        if (strcmp(p->address, address) == 0)
            return p;
    p = mem_zalloc(sizeof(*p));
    snprintf(p->address, sizeof(p->address), "%s", address);
    LIST_INSERT_HEAD(&s->peers[bucket], p, link);
    return p;
}

static void peer_leave(struct peer *p)
{
    if (--p->connections > 0)
        return;
    LIST_REMOVE(p, link);
    free(p);
}

/* ---- accepting ---- */

static void address_text(const struct sockaddr_storage *a, char *text, size_t size)
{
    text[0] = '\0';
    if (a->ss_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)a)->sin_addr, text, (socklen_t)size);
    if (a->ss_family == AF_INET6) {
        const struct in6_addr *six = &((const struct sockaddr_in6 *)a)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(six))
            inet_ntop(AF_INET, six->s6_addr + 12, text, (socklen_t)size);
        else
            inet_ntop(AF_INET6, six, text, (socklen_t)size);
    }
}

/* Root, or whoever runs the daemon. */
static bool is_local_root(int fd)
{
    struct ucred who;
    socklen_t size = sizeof(who);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
        return false;
    return who.uid == 0 || who.uid == getuid();
}

/* Over a limit a few are let in to be told so; the rest is closed at once, so that a flood costs little. */
static void admit(struct listener *l, int fd, const char *peer_address, const char *local_address)
{
    struct http_server *s = l->server;
    struct peer *peer = l->is_unix ? NULL : peer_get(s, peer_address);
    bool over = s->n_connections >= s->limits.max_connections ||
                (peer != NULL && peer->connections >= s->limits.max_connections_per_address);
    bool hopeless = s->n_connections >= s->limits.max_connections + REFUSALS ||
                    (peer != NULL && peer->connections >= s->limits.max_connections_per_address + REFUSALS);
    if (over)
        log_debug("too many connections (%u), among them from %s", s->n_connections, peer_address);
    if (peer != NULL)
        peer->connections++;
    if (hopeless) {
        close(fd);
        if (peer != NULL)
            peer_leave(peer);
        return;
    }
    s->n_connections++;
    struct conn *c = conn_start(s, l, peer, fd, local_address, l->is_unix && is_local_root(fd));
    c->refused = over;
}

static void admit_inet(struct listener *l, int fd, const struct sockaddr_storage *from)
{
    char peer_address[INET6_ADDRSTRLEN], local_address[INET6_ADDRSTRLEN];
    struct sockaddr_storage local = {0};
    socklen_t size = sizeof(local);
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    getsockname(fd, (struct sockaddr *)&local, &size);
    address_text(from, peer_address, sizeof(peer_address));
    address_text(&local, local_address, sizeof(local_address));
    admit(l, fd, peer_address, local_address);
}

/* Without descriptors accept fails at once and for ever: pause until some may have come back. */
static void pause_accepting(struct http_server *s)
{
    struct listener *l;
    log_warning("no more connections can be accepted at the moment: %s", strerror(errno));
    LIST_FOREACH (l, &s->listeners, link)
        ev_io_stop(loop_get(), &l->io);
    ev_timer_start(loop_get(), &s->resume_accept);
}

static void resume_accepting(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct http_server *s = w->data;
    struct listener *l;
    LIST_FOREACH (l, &s->listeners, link)
        ev_io_start(loop, &l->io);
}

static void accept_ready(struct ev_loop *loop, ev_io *w, int revents)
{
    struct listener *l = w->data;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        struct sockaddr_storage from = {0};
        socklen_t size = sizeof(from);
        int fd = accept4(l->fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                pause_accepting(l->server);
            return;
        }
        if (l->is_unix)
            admit(l, fd, "", "");
        else
            admit_inet(l, fd, &from);
    }
}

/* ---- listening ---- */

static struct listener *listener_add(struct http_server *s, int fd, struct tls_server *tls)
{
    struct listener *l = mem_zalloc(sizeof(*l));
    l->server = s;
    l->fd = fd;
    l->tls = tls;
    ev_io_init(&l->io, accept_ready, fd, EV_READ);
    l->io.data = l;
    ev_io_start(loop_get(), &l->io);
    LIST_INSERT_HEAD(&s->listeners, l, link);
    return l;
}

static int inet_address(const char *address, uint16_t port, struct sockaddr_storage *ret, socklen_t *ret_size)
{
    struct sockaddr_in *four = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;
    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, address, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        *ret_size = sizeof(*four);
    } else if (inet_pton(AF_INET6, address, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        *ret_size = sizeof(*six);
    } else {
        return -EINVAL;
    }
    return 0;
}

int http_open_tcp(const char *address, uint16_t port, uint16_t *ret_port)
{
    CLEANUP_FD int fd = -1;
    struct sockaddr_storage a;
    socklen_t size;
    int on = 1, r = inet_address(address, port, &a, &size);
    if (r < 0)
        return r;
    fd = socket(a.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&a, size) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    if (getsockname(fd, (struct sockaddr *)&a, &size) < 0)
        return -errno;
    if (ret_port != NULL)
        *ret_port = ntohs(((struct sockaddr_in *)&a)->sin_port); /* at the same place in both families */
    return TAKE_FD(fd);
}

int http_server_listen_tcp(struct http_server *s, const char *address, uint16_t port, struct tls_server *tls,
                           uint16_t *ret_port, struct err *e)
{
    int fd = http_open_tcp(address, port, ret_port);
    if (fd < 0)
        return err_errno(e, fd, "cannot listen on %s port %u", address, port);
    listener_add(s, fd, tls);
    return 0;
}

int http_open_unix(const char *path)
{
    CLEANUP_FD int fd = -1;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(a.sun_path))
        return -ENAMETOOLONG;
    memcpy(a.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    unlink(path);
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    return TAKE_FD(fd);
}

int http_server_listen_unix(struct http_server *s, const char *path, struct err *e)
{
    int fd = http_open_unix(path);
    if (fd < 0)
        return err_errno(e, fd, "cannot listen on %s", path);
    struct listener *l = listener_add(s, fd, NULL);
    l->is_unix = true;
    l->path = mem_strdup(path);
    return 0;
}

int http_server_listen_on(struct http_server *s, int fd, struct tls_server *tls)
{
    int family = 0, copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    socklen_t size = sizeof(family);
    if (copy < 0 || getsockopt(copy, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0) {
        int r = -errno;
        cleanup_fd(&copy);
        return r;
    }
    listener_add(s, copy, tls)->is_unix = family == AF_UNIX;
    return 0;
}

static void listeners_close(struct http_server *s)
{
    struct listener *l;
    ev_timer_stop(loop_get(), &s->resume_accept);
    spare_drop(s);
    while ((l = LIST_FIRST(&s->listeners)) != NULL) {
        LIST_REMOVE(l, link);
        ev_io_stop(loop_get(), &l->io);
        close(l->fd);
        if (l->path != NULL)
            unlink(l->path);
        free(l->path);
        free(l);
    }
}

/* ---- life ---- */

static void kick_due(struct ev_loop *loop, ev_idle *w, int revents)
{
    server_run_kicked(w->data);
}

struct http_server *http_server_new(const struct http_route *routes, const struct http_limits *limits,
                                    void *arg)
{
    struct http_server *s = mem_zalloc(sizeof(*s));
    s->routes = routes;
    s->limits = limits != NULL ? *limits : http_default_limits;
    s->arg = arg;
    s->hsts_max_age = -1;
    LIST_INIT(&s->listeners);
    TAILQ_INIT(&s->conns);
    for (int i = 0; i < PEER_BUCKETS; i++)
        LIST_INIT(&s->peers[i]);
    fiber_cond_init(&s->emptied);
    ev_timer_init(&s->resume_accept, resume_accepting, 0.1, 0);
    s->resume_accept.data = s;
    spare_init(s);
    STAILQ_INIT(&s->kicked);
    ev_idle_init(&s->kick, kick_due);
    ev_set_priority(&s->kick, EV_MAXPRI); /* or busy descriptors would keep it waiting */
    s->kick.data = s;
    return s;
}

void http_server_set_on_request(struct http_server *s, void (*on_request)(struct http_request *r, void *arg))
{
    s->on_request = on_request;
}

void http_server_set_durability(struct http_server *s, bool (*durable)(uint64_t gen, void *arg),
                                int (*co_wait)(uint64_t gen, void *arg), void *arg)
{
    s->durable = durable;
    s->co_wait_durable = co_wait;
    s->durable_arg = arg;
}

void http_server_counts(const struct http_server *s, unsigned *ret_connections, unsigned *ret_requests)
{
    *ret_connections = s->n_connections;
    *ret_requests = s->n_fibers;
}

void http_server_set_hsts(struct http_server *s, int64_t max_age)
{
    s->hsts_max_age = max_age;
}

void server_conn_gone(struct http_server *s, struct conn *c)
{
    TAILQ_REMOVE(&s->conns, c, link);
    s->n_connections--;
    if (c->peer != NULL)
        peer_leave(c->peer);
    c->peer = NULL;
    fiber_cond_broadcast(&s->emptied);
}

void server_fiber_gone(struct http_server *s)
{
    s->n_fibers--;
    fiber_cond_broadcast(&s->emptied);
}

/* Those that were there when the server began to drain, or all. */
static void close_idle(struct http_server *s, bool old_only)
{
    struct conn *c = TAILQ_FIRST(&s->conns);
    while (c != NULL) {
        struct conn *next = TAILQ_NEXT(c, link);
        if (conn_is_idle(c) && (c->draining || !old_only))
            conn_destroy(c);
        c = next;
    }
}

/* Cancel what has a fiber, close what has none. */
static void cut_off(struct http_server *s)
{
    struct conn *c = TAILQ_FIRST(&s->conns);
    while (c != NULL) {
        struct conn *next = TAILQ_NEXT(c, link);
        if (c->fiber != NULL)
            fiber_cancel(c->fiber);
        else
            conn_destroy(c);
        c = next;
    }
}

static int co_wait_until_empty(struct http_server *s, int64_t deadline)
{
    int r = 0;
    while (r >= 0 && (!TAILQ_EMPTY(&s->conns) || s->n_fibers > 0))
        r = co_cond_wait(&s->emptied, deadline, "the HTTP server's requests to end");
    return r;
}

static bool is_to_end(const struct conn *c, bool idle_too)
{
    return c->draining && c->state != CONN_RAW && (idle_too || !conn_is_idle(c));
}

static int co_wait_for_old(struct http_server *s, bool idle_too, int64_t deadline)
{
    int r = 0;
    while (r >= 0) {
        struct conn *c;
        TAILQ_FOREACH (c, &s->conns, link)
            if (is_to_end(c, idle_too))
                break;
        if (c == NULL)
            return 0;
        r = co_cond_wait(&s->emptied, deadline, "the HTTP server's connections to end");
    }
    return r;
}

void co_http_server_drain(struct http_server *s, int64_t idle_deadline, int64_t deadline)
{
    struct conn *c;
    s->draining = true;
    TAILQ_FOREACH (c, &s->conns, link)
        c->draining = true;
    (void)co_wait_for_old(s, true, idle_deadline);
    (void)co_wait_for_old(s, false, deadline);
    close_idle(s, true);
}

void http_server_stop_accepting(struct http_server *s)
{
    listeners_close(s);
}

void co_http_server_stop(struct http_server *s, int64_t deadline)
{
    s->stopping = true;
    listeners_close(s);
    close_idle(s, false);
    if (co_wait_until_empty(s, deadline) >= 0)
        return;
    cut_off(s);
    fiber_mask_cancel();
    if (co_wait_until_empty(s, clock_in_ms(UNWIND_MS)) < 0)
        log_warning("%u requests do not end", s->n_fibers);
    fiber_unmask_cancel();
}

/* A server whose handlers still run is left in memory: they will touch it when they end. */
void http_server_free(struct http_server *s)
{
    if (s == NULL)
        return;
    s->stopping = true;
    listeners_close(s);
    cut_off(s);
    server_run_kicked(s);
    if (s->n_fibers == 0)
        free(s);
}
