#include "xapid/sockets.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/cleanup.h"
#include "lib/log.h"
#include "db/setters.gen.h"
#include "xapid/handover.h"

/* What a socket is wanted for. */
struct wanted {
    const char *name; /* in the next process' hands */
    const char *address;
    uint16_t port; /* 0: any, as long as it was wanted for the same */
    const char *path;
};

union any_address {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    struct sockaddr_storage storage;
};

static bool listening_address(int fd, union any_address *ret)
{
    int listens = 0, type = 0;
    socklen_t size = sizeof listens, type_size = sizeof type, address_size = sizeof *ret;
    memset(ret, 0, sizeof *ret);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0 && type == SOCK_STREAM &&
           getsockname(fd, &ret->sa, &address_size) == 0;
}

static uint16_t port_of(const union any_address *a)
{
    return a->sa.sa_family == AF_INET    ? ntohs(a->in.sin_port)
           : a->sa.sa_family == AF_INET6 ? ntohs(a->in6.sin6_port)
                                         : 0;
}

uint16_t sockets_port(int fd)
{
    union any_address a;
    return listening_address(fd, &a) ? port_of(&a) : 0;
}

static bool fits_inet(int fd, const char *name, const void *arg)
{
    const struct wanted *w = arg;
    union any_address a;
    struct in6_addr address;
    if (!listening_address(fd, &a))
        return false;
    bool same_host = (a.sa.sa_family == AF_INET && inet_pton(AF_INET, w->address, &address) == 1 &&
                      memcmp(&address, &a.in.sin_addr, sizeof a.in.sin_addr) == 0) ||
                     (a.sa.sa_family == AF_INET6 && inet_pton(AF_INET6, w->address, &address) == 1 &&
                      memcmp(&address, &a.in6.sin6_addr, sizeof a.in6.sin6_addr) == 0);
    return same_host && (w->port == 0 ? strcmp(name, w->name) == 0 : w->port == port_of(&a));
}

/* A socket whose file is gone is of no use. */
static bool fits_path(int fd, const char *name, const void *arg)
{
    const struct wanted *w = arg;
    union any_address a;
    struct stat st;
    return listening_address(fd, &a) && a.sa.sa_family == AF_UNIX && strcmp(a.un.sun_path, w->path) == 0 &&
           stat(w->path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* A socket unit's would block. */
static int take(bool (*fits)(int fd, const char *name, const void *arg), const struct wanted *w)
{
    int fd = handover_take(fits, w);
    if (fd >= 0)
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
}

/* Returns the descriptor or -1. */
static int open_inet(const struct wanted *w, struct err *e)
{
    int fd = take(fits_inet, w);
    if (fd < 0)
        fd = http_open_tcp(w->address, w->port, NULL);
    if (fd < 0)
        return err_errno(e, fd, "cannot listen on %s port %u", w->address, w->port);
    handover_store(w->name, fd);
    return fd;
}

static int open_local(const struct wanted *w, struct err *e)
{
    int fd = take(fits_path, w);
    if (fd < 0)
        fd = http_open_unix(w->path);
    if (fd < 0)
        return err_errno(e, fd, "cannot listen on %s", w->path);
    handover_store(w->name, fd);
    return fd;
}

static const char *local_path(void *ctx, const struct xapid *x)
{
    if (x->options.unix_socket)
        return x->options.unix_socket;
    return talloc_asprintf(ctx, "%s/xapi.sock", x->options.state_dir);
}

int sockets_open_http(struct xapid *x, struct err *e)
{
    struct wanted http = {.name = "http", .address = x->listening, .port = (uint16_t)x->options.http_port};
    if (x->options.http_port < 0 || x->management.off)
        return 0;
    x->sockets.http = open_inet(&http, e);
    return x->sockets.http < 0 ? -1 : 0;
}

void sockets_close_http(struct xapid *x)
{
    handover_store("http", -1);
    cleanup_fd(&x->sockets.http);
    x->sockets.http = -1;
}

/* An address that is on no interface any more, or taken, must not keep the daemon from being reached. */
static int open_https(struct xapid *x, struct err *e)
{
    const struct xapid_options *o = &x->options;
    struct wanted https = {.name = "https", .address = x->listening, .port = (uint16_t)o->port};
    x->sockets.https = open_inet(&https, e);
    if (x->sockets.https >= 0 || !x->management.interface[0])
        return x->sockets.https < 0 ? -1 : 0;
    log_error("%s", e->params[0]);
    err_clear(e);
    https.address = x->listening = o->address;
    x->sockets.https = open_inet(&https, e);
    return x->sockets.https < 0 ? -1 : 0;
}

static bool is_wildcard(const char *address)
{
    char own[OWN_ADDRESS_SIZE];
    own_address(address, own);
    return strcmp(own, address) != 0;
}

int sockets_move(struct xapid *x, const char *address, struct err *e)
{
    if (strcmp(address, x->listening) == 0)
        return 0;
    if (is_wildcard(x->listening)) {
        x->sockets.anew = true;
        handover_store("https", -1);
        handover_store("http", -1);
        return 0;
    }
    CLEANUP_FD int fd = http_open_tcp(address, x->port, NULL);
    int r = fd < 0 ? fd : http_server_listen_on(x->http, fd, x->tls);
    if (r < 0)
        return err_errno(e, r, "cannot listen on %s port %u", address, x->port);
    handover_store("https", fd);
    int before = x->sockets.https;
    x->sockets.https = fd;
    fd = before;
    return 0;
}

int sockets_open(struct xapid *x, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct xapid_options *o = &x->options;
    const struct host *host = db_host(x->db, x->host);
    struct wanted local = {.name = "local", .path = local_path(mem, x)};
    bool opened = x->management.off || open_https(x, e) == 0;
    x->sockets.local = opened ? open_local(&local, e) : -1;
    if (x->sockets.local < 0 || ((!host || !host->https_only) && sockets_open_http(x, e) < 0))
        return -1;
    handover_close_rest();
    x->port = x->management.off ? (uint16_t)o->port : sockets_port(x->sockets.https);
    return 0;
}

void sockets_close(struct xapid *x)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    if (x->sockets.local >= 0 && !getenv("NOTIFY_SOCKET"))
        unlink(local_path(mem, x));
    cleanup_fd(&x->sockets.https);
    cleanup_fd(&x->sockets.http);
    cleanup_fd(&x->sockets.local);
}
