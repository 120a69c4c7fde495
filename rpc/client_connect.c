#include "rpc/client_connect.h"
#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <talloc.h>
#include <unistd.h>
#include <openssl/x509v3.h>
#include "lib/fiber.h"
#include "lib/mem.h"
#include "rpc/http_head.h"

/* ---- names ---- */

struct lookup {
    const char *host;
    char port[8];
    int flags;
    struct addrinfo *result;
};

static int look_up(void *arg)
{
    struct lookup *l = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | l->flags};
    int r = getaddrinfo(l->host, l->port, &hints, &l->result);
    if (r == 0)
        return 0;
    return r == EAI_SYSTEM ? -errno : r == EAI_AGAIN ? -EAGAIN : -ENOENT;
}

/* Numeric addresses need no worker. */
static int co_look_up(const char *host, uint16_t port, struct addrinfo **ret)
{
    struct lookup l = {.host = host, .flags = AI_NUMERICHOST};
    snprintf(l.port, sizeof(l.port), "%u", port);
    int r = look_up(&l);
    if (r < 0) {
        l.flags = AI_ADDRCONFIG;
        r = co_run_worker(look_up, &l, "the address of %s", host);
    }
    if (r == 0)
        *ret = l.result;
    return r;
}

/* ---- sockets ---- */

enum { DEAD_AFTER_MS = 60 * 1000 };

/* Notice within about this time that the peer's host has gone. */
static void set_options(int fd, int dead_after_ms)
{
    int on = 1, interval = dead_after_ms / 6000 > 0 ? dead_after_ms / 6000 : 1, idle = 2 * interval,
        count = 4;
    unsigned give_up_ms = (unsigned)dead_after_ms;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &give_up_ms, sizeof(give_up_ms));
}

/* A connected socket, or -errno. */
static int co_connect(const struct sockaddr *address, socklen_t size, int dead_after_ms, int64_t deadline)
{
    CLEANUP_FD int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = 0;
    socklen_t length = sizeof(error);
    if (fd < 0)
        return -errno;
    if (address->sa_family != AF_UNIX)
        set_options(fd, dead_after_ms > 0 ? dead_after_ms : DEAD_AFTER_MS);
    if (connect(fd, address, size) == 0)
        return TAKE_FD(fd);
    if (errno != EINPROGRESS)
        return -errno;
    int r = co_wait_fd(fd, EV_WRITE, deadline, "a connection");
    if (r < 0)
        return r;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        return -errno;
    return error != 0 ? -error : TAKE_FD(fd);
}

static int co_connect_unix(const char *path, int64_t deadline)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(a.sun_path))
        return -ENAMETOOLONG;
    memcpy(a.sun_path, path, strlen(path) + 1);
    return co_connect((struct sockaddr *)&a, sizeof(a), 0, deadline);
}

static int co_connect_tcp(const struct rpc_client_options *o, int64_t deadline)
{
    struct addrinfo *all = NULL;
    int r =
        o->proxy_host ? co_look_up(o->proxy_host, o->proxy_port, &all) : co_look_up(o->host, o->port, &all);
    if (r < 0)
        return r;
    r = -ENOENT;
    for (struct addrinfo *a = all; a != NULL && r < 0; a = a->ai_next) {
        r = co_connect(a->ai_addr, a->ai_addrlen, o->dead_after_ms, deadline);
        if (r == -ECANCELED || r == -ETIMEDOUT)
            break;
    }
    freeaddrinfo(all);
    return r;
}

/* ---- through a proxy ---- */

enum { PROXY_HEAD_MAX = 8 * 1024 };

/* Byte by byte, since what follows the head is the server's. */
static int co_read_proxy(struct transport *t, struct buf *head, int64_t deadline)
{
    size_t scanned = 0;
    while (http_head_find(head->data, head->len, &scanned) == 0) {
        ssize_t n =
            head->len < PROXY_HEAD_MAX ? co_transport_read(t, buf_reserve(head, 1), 1, deadline) : -EMSGSIZE;
        if (n <= 0)
            return n < 0 ? (int)n : -ECONNRESET;
        head->len++;
    }
    return 0;
}

/* Have the proxy connect us with the server; fd is the connection with the proxy. */
static int co_pass_proxy(const struct rpc_client_options *o, int fd, int64_t deadline)
{
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    CLEANUP_BUF struct buf text = {0};
    struct transport t;
    struct http_head head;
    const char *open = strchr(o->host, ':') ? "[" : "", *end = *open ? "]" : "";
    transport_init(&t, fd, NULL, false);
    buf_printf(&text, "CONNECT %s%s%s:%u HTTP/1.1\r\nhost: %s%s%s:%u\r\n%s\r\n", open, o->host, end, o->port,
               open, o->host, end, o->port, o->proxy_headers ? o->proxy_headers : "");
    int r = co_transport_write(&t, text.data, text.len, deadline);
    buf_reset(&text);
    if (r == 0)
        r = co_read_proxy(&t, &text, deadline);
    if (r == 0)
        r = http_head_parse_reply(ctx, text.data, text.len, &head);
    return r < 0 ? r : head.status / 100 == 2 ? 0 : -ECONNREFUSED;
}

/* ---- TLS ---- */

static SSL_CTX *unverified_context(void)
{
    static SSL_CTX *context;
    if (context != NULL)
        return context;
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
        mem_abort();
    return context;
}

static bool is_numeric(const char *host)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* The name goes to the server, and into the check of its certificate where there is one. */
static void set_peer_name(SSL *ssl, const struct rpc_client_options *o)
{
    const char *called = o->server_name != NULL ? o->server_name : o->host;
    const char *checked = o->server_name != NULL ? o->peer_name : o->host;
    if (!is_numeric(called))
        SSL_set_tlsext_host_name(ssl, called);
    if (checked == NULL || SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE)
        return;
    if (is_numeric(checked))
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), checked);
    else
        SSL_set1_host(ssl, checked);
}

/* NULL: nothing is wrong with the server's certificate, or it was not looked at. */
static const char *distrust(const struct transport *t)
{
    bool looked = t->ssl != NULL && SSL_get_verify_mode(t->ssl) != SSL_VERIFY_NONE;
    long why = looked ? SSL_get_verify_result(t->ssl) : X509_V_OK;
    return why != X509_V_OK ? X509_verify_cert_error_string(why) : NULL;
}

int co_client_connect(const struct rpc_client_options *o, SSL_SESSION *session, int64_t deadline,
                      struct transport *ret, const char **ret_distrust)
{
    struct transport t;
    bool tls = o->tls && o->unix_path == NULL;
    *ret_distrust = NULL;
    int fd = o->unix_path != NULL ? co_connect_unix(o->unix_path, deadline) : co_connect_tcp(o, deadline);
    if (fd < 0)
        return fd;
    if (tls && o->proxy_host) {
        int passed = co_pass_proxy(o, fd, deadline);
        if (passed < 0) {
            close(fd);
            return passed;
        }
    }
    SSL_CTX *context = o->tls_context != NULL ? o->tls_context : unverified_context();
    transport_init(&t, fd, tls ? context : NULL, false);
    if (tls)
        set_peer_name(t.ssl, o);
    if (tls && session != NULL)
        SSL_set_session(t.ssl, session);
    int r = co_transport_handshake(&t, deadline);
    *ret_distrust = r == -EPROTO ? distrust(&t) : NULL;
    if (*ret_distrust != NULL)
        r = -EKEYREJECTED;
    if (r < 0)
        transport_close(&t);
    else
        *ret = t;
    return r;
}
