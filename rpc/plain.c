#include "rpc/plain.h"
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/fiber.h"
#include "lib/mem.h"
#include "rpc/http.h"

enum { CONNECTIONS = 256, CONNECTIONS_PER_ADDRESS = 64, SILENCE_S = 30, MEMORY_A_CONNECTION = 32 * 1024 };

struct plain_server {
    struct plain_options options;
    struct MHD_Daemon *daemon;
    ev_io io; /* the library's epoll descriptor */
    ev_timer timer;
};

/* ---- answers ---- */

static enum MHD_Result queue(struct MHD_Connection *c, unsigned status, struct MHD_Response *r)
{
    MHD_add_response_header(r, "cache-control", "no-cache, no-store");
    enum MHD_Result ok = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return ok;
}

static enum MHD_Result refuse(struct MHD_Connection *c)
{
    static char page[] = "<html><body><h1>HTTP 403 forbidden</h1>This port serves no requests; use https."
                         "</body></html>";
    struct MHD_Response *r = MHD_create_response_from_buffer(sizeof page - 1, page, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(r, "connection", "close");
    MHD_add_response_header(r, "content-type", "text/html");
    return queue(c, MHD_HTTP_FORBIDDEN, r);
}

static const char name_bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_[]:%";

/* The name that the client called this host by, without a port; else the address that is listened on. */
static void add_host(const struct plain_server *p, struct MHD_Connection *c, struct buf *to)
{
    const char *host = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host");
    size_t n = host == NULL ? 0 : host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    if (n > 0 && strspn(host, name_bytes) >= n)
        buf_add(to, host, n);
    else
        buf_printf(to, strchr(p->options.address, ':') ? "[%s]" : "%s", p->options.address);
}

static enum MHD_Result redirect(const struct plain_server *p, struct MHD_Connection *c, const char *target)
{
    CLEANUP_BUF struct buf location = {0};
    buf_add_str(&location, "https://");
    add_host(p, c, &location);
    if (p->options.https_port != 443)
        buf_printf(&location, ":%u", p->options.https_port);
    buf_add_str(&location, target);
    struct MHD_Response *r = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(r, "connection", "close");
    MHD_add_response_header(r, "content-type", "text/html");
    if (MHD_add_response_header(r, "location", buf_cstr(&location)) == MHD_YES)
        return queue(c, MHD_HTTP_MOVED_PERMANENTLY, r);
    MHD_destroy_response(r);
    return refuse(c);
}

static enum MHD_Result answer_page(struct MHD_Connection *c, const struct buf *page)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(page->len, page->data, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(r, "content-type", "text/plain; version=0.0.4; charset=utf-8");
    return queue(c, MHD_HTTP_OK, r);
}

/* *target is the request's raw target, from keep_target. */
static enum MHD_Result answer(void *arg, struct MHD_Connection *c, const char *url, const char *method,
                              const char *version, const char *data, size_t *size, void **target)
{
    const struct plain_server *p = arg;
    CLEANUP_BUF struct buf page = {0};
    bool get = strcmp(method, "GET") == 0;
    if (!get && strcmp(method, "HEAD") != 0)
        return refuse(c);
    if (p->options.metrics != NULL && get && strcmp(url, "/metrics") == 0 &&
        p->options.metrics(&page, p->options.metrics_arg))
        return answer_page(c, &page);
    return **(char **)target == '/' ? redirect(p, c, *target) : refuse(c);
}

static void *keep_target(void *arg, const char *target, struct MHD_Connection *c)
{
    return mem_strdup(target);
}

static void drop_target(void *arg, struct MHD_Connection *c, void **target,
                        enum MHD_RequestTerminationCode how)
{
    free(*target);
    *target = NULL;
}

/* ---- on the loop ---- */

/* Until the library has nothing more to do at once, or a connection that it resumes would stand still. */
static void run(struct plain_server *p)
{
    MHD_UNSIGNED_LONG_LONG ms;
    enum MHD_Result wants;
    do {
        MHD_run(p->daemon);
        wants = MHD_get_timeout(p->daemon, &ms);
    } while (wants == MHD_YES && ms == 0);
    ev_timer_stop(loop_get(), &p->timer);
    if (wants != MHD_YES)
        return;
    ev_timer_set(&p->timer, (double)ms / 1000, 0);
    ev_timer_start(loop_get(), &p->timer);
}

static void readable(struct ev_loop *loop, ev_io *w, int revents)
{
    run(w->data);
}

static void timed_out(struct ev_loop *loop, ev_timer *w, int revents)
{
    run(w->data);
}

static void stay_quiet(void *arg, const char *format, va_list args)
{
}

static int start(struct plain_server *p, int fd)
{
    p->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_ERROR_LOG | MHD_USE_SUPPRESS_DATE_NO_CLOCK, 0, NULL, NULL, answer, p,
        MHD_OPTION_EXTERNAL_LOGGER, stay_quiet, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_PER_ADDRESS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENCE_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_A_CONNECTION, MHD_OPTION_URI_LOG_CALLBACK,
        keep_target, NULL, MHD_OPTION_NOTIFY_COMPLETED, drop_target, NULL, MHD_OPTION_END);
    if (p->daemon == NULL)
        return -EIO;
    ev_io_init(&p->io, readable, MHD_get_daemon_info(p->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, EV_READ);
    ev_init(&p->timer, timed_out);
    p->io.data = p->timer.data = p;
    ev_io_start(loop_get(), &p->io);
    return 0;
}

int plain_server_open(const struct plain_options *o, struct plain_server **ret, struct err *e)
{
    int fd = fcntl(o->fd, F_DUPFD_CLOEXEC, 0), r = fd < 0 ? -errno : 0;
    struct plain_server *p = mem_zalloc(sizeof *p);
    p->options = *o;
    if (r == 0)
        r = start(p, fd);
    if (r < 0) {
        cleanup_fd(&fd);
        free(p);
        return err_errno(e, r, "cannot serve plain HTTP on %s", o->address);
    }
    *ret = p;
    return 0;
}

/* The library would shut the socket down, which others listen on too. */
static void take_socket_away(struct plain_server *p)
{
    CLEANUP_FD int listening = MHD_quiesce_daemon(p->daemon);

    (void)listening; /* ours again, to be closed */
}

void plain_server_free(struct plain_server *p)
{
    if (p == NULL)
        return;
    ev_io_stop(loop_get(), &p->io);
    ev_timer_stop(loop_get(), &p->timer);
    take_socket_away(p);
    MHD_stop_daemon(p->daemon);
    free(p);
}
