#include "xapid/start.h"
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <unistd.h>
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "xapid/audit/log.h"
#include "xapid/daemonize.h"
#include "xapid/event/wait.h"
#include "xapid/host/bootstrap.h"
#include "xapid/housekeeping.h"
#include "xapid/metrics.h"
#include "xapid/op.h"
#include "xapid/reload.h"
#include "xapid/role/role.h"
#include "xapid/routes.h"
#include "xapid/rpc.h"
#include "xapid/state_dir.h"
#include "xapid/systemd.h"
#include "xapid/task/task.h"

enum { STOP_MS = 3000 };

/* The daemon between start and stop. */
struct server {
    struct xapid x;
    struct err *error; /* of the start */
    bool failed, stopping;
    ev_signal term, interrupt;
};

/* ---- durability ---- */

static bool is_durable(uint64_t gen, void *arg)
{
    return db_is_durable(((struct xapid *)arg)->db, gen);
}

static int co_wait_durable(uint64_t gen, void *arg)
{
    return co_db_wait_durable(((struct xapid *)arg)->db, gen, CLOCK_NEVER);
}

/* ---- starting ---- */

static int open_database(struct xapid *x, struct err *e)
{
    CLEANUP_BUF struct buf path = {0};
    buf_printf(&path, "%s/xapid.db", x->options.state_dir);
    if (db_open(buf_cstr(&path), &x->db, e) < 0)
        return -1;
    db_set_commit_hook(x->db, op_commit_hook, x);
    return 0;
}

/* The text of the simulator's script. */
static int read_script(const char *path, struct buf *ret, struct err *e)
{
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;
    while (fd >= 0 && (n = read(fd, buf_reserve(ret, 4096), 4096)) > 0)
        ret->len += (size_t)n;
    return fd < 0 || n < 0 ? err_errno(e, -errno, "reading %s", path) : 0;
}

static int co_open_agent(struct xapid *x, struct err *e)
{
    CLEANUP_BUF struct buf script = {0};
    if (x->options.sim_script && read_script(x->options.sim_script, &script, e) < 0)
        return -1;
    struct agent_options o = {.state_dir = x->options.state_dir,
                              .hypervisor = x->options.hypervisor,
                              .sim_script = x->options.sim_script ? buf_cstr(&script) : NULL,
                              .report = host_on_report,
                              .report_arg = x};
    return co_agent_open(&o, &x->agent, &x->facts, e);
}

static int open_tls(struct xapid *x, struct err *e)
{
    CLEANUP_BUF struct buf dir = {0};
    char hostname[256] = "localhost";
    gethostname(hostname, sizeof hostname - 1);
    buf_printf(&dir, "%s/tls", x->options.state_dir);
    return tls_server_open(buf_cstr(&dir), hostname, x->address, &x->tls, e);
}

enum { AUDIT_FILE_BYTES = 8 << 20, AUDIT_FILES = 10 };

static int open_audit_log(struct xapid *x, struct err *e)
{
    CLEANUP_BUF struct buf dir = {0};
    buf_printf(&dir, "%s/log", x->options.state_dir);
    return audit_log_open(buf_cstr(&dir), AUDIT_FILE_BYTES, AUDIT_FILES, &x->audit, e);
}

static int listen_unix(struct xapid *x, struct err *e)
{
    CLEANUP_BUF struct buf path = {0};
    if (x->options.unix_socket)
        return http_server_listen_unix(x->http, x->options.unix_socket, e);
    buf_printf(&path, "%s/xapi.sock", x->options.state_dir);
    return http_server_listen_unix(x->http, buf_cstr(&path), e);
}

static bool write_metrics(struct buf *page, void *arg)
{
    const struct xapid *x = arg;
    if (x->options.metrics)
        metrics_write(page, arg);
    return x->options.metrics;
}

/* The plain HTTP port, where one is wanted. */
static int listen_plain(struct xapid *x, struct err *e)
{
    struct plain_options o = {.address = x->options.address,
                              .port = (uint16_t)x->options.http_port,
                              .https_port = x->port,
                              .metrics = write_metrics,
                              .metrics_arg = x};
    uint16_t port;
    if (x->options.http_port < 0)
        return 0;
    if (plain_server_open(&o, &x->plain, &port, e) < 0)
        return -1;
    return state_dir_write_port(x->options.state_dir, "http-port", port, e);
}

static int serve(struct xapid *x, struct err *e)
{
    x->http = http_server_new(routes, &http_default_limits, x);
    http_server_set_durability(x->http, is_durable, co_wait_durable, x);
    if (http_server_listen_tcp(x->http, x->options.address, (uint16_t)x->options.port, x->tls, &x->port, e) <
            0 ||
        listen_unix(x, e) < 0 || listen_plain(x, e) < 0 ||
        state_dir_write_port(x->options.state_dir, "port", x->port, e) < 0)
        return -1;
    log_info("serving https://%s:%u", x->options.address, x->port);
    daemonize_ready();
    systemd_notify("READY=1\nSTATUS=Serving on port %u", x->port);
    reload_on_hangup(x);
    return 0;
}

static int co_start(struct xapid *x, struct err *e)
{
    if (co_open_agent(x, e) < 0 || role_bootstrap(x->db, e) < 0 || open_tls(x, e) < 0 ||
        open_audit_log(x, e) < 0 || co_host_bootstrap(x, e) < 0)
        return -1;
    event_pump_start(x->db);
    housekeeping_start(x);
    malloc_trim(0); /* what reading the database and making its rows took */
    return serve(x, e);
}

static void co_start_fiber(void *arg)
{
    struct server *s = arg;
    if (co_start(&s->x, s->error) == 0)
        return;
    s->failed = true;
    loop_stop();
}

/* ---- stopping ---- */

/* Calls in progress get a moment to end; what still runs then is cut off, as a crash would. */
static void co_stop_fiber(void *arg)
{
    struct server *s = arg;
    int64_t deadline = clock_in_ms(STOP_MS);
    log_info("stopping");
    systemd_notify("STOPPING=1\nSTATUS=Calls in progress end");
    event_pump_stop();
    co_task_stop_all(clock_in_ms(STOP_MS / 2));
    plain_server_free(s->x.plain);
    s->x.plain = NULL;
    if (s->x.http)
        co_http_server_stop(s->x.http, deadline);
    loop_stop();
}

static void on_signal(struct ev_loop *loop, ev_signal *w, int events)
{
    struct server *s = w->data;
    if (!s->stopping)
        fiber_spawn("stop", co_stop_fiber, s);
    s->stopping = true;
}

static void watch_signals(struct server *s)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN); /* until it serves */
    ev_signal_init(&s->term, on_signal, SIGTERM);
    ev_signal_init(&s->interrupt, on_signal, SIGINT);
    s->term.data = s->interrupt.data = s;
    ev_signal_start(loop_get(), &s->term);
    ev_signal_start(loop_get(), &s->interrupt);
}

int server_run(const struct xapid_options *o, struct err *e)
{
    static struct server s;
    s = (struct server){.x.options = *o, .error = e};
    own_address(o->address, s.x.address);
    if (state_dir_make(o->state_dir, e) < 0 || state_dir_lock(o->state_dir, e) < 0 ||
        open_database(&s.x, e) < 0)
        return -1;
    log_set_level((enum log_level)log_level_by_name(o->log_level));
    rpc_init_log();
    systemd_watchdog_start();
    watch_signals(&s);
    fiber_spawn("start", co_start_fiber, &s);
    loop_run();
    audit_log_free(s.x.audit);
    db_close(s.x.db);
    return s.failed ? -1 : 0;
}
