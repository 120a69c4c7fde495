#include "xapid/start.h"
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "xapid/audit/log.h"
#include "xapid/carry.h"
#include "xapid/backup.h"
#include "xapid/daemonize.h"
#include "xapid/event/wait.h"
#include "xapid/handover.h"
#include "xapid/host/bootstrap.h"
#include "xapid/host/faults.h"
#include "xapid/host/machine_set.h"
#include "xapid/housekeeping.h"
#include "xapid/management.h"
#include "xapid/op.h"
#include "xapid/plain_port.h"
#include "xapid/pool/change_role.h"
#include "xapid/pool/follow.h"
#include "xapid/pool/forward.h"
#include "xapid/pool/host_certificates.h"
#include "xapid/pool/member_host.h"
#include "xapid/pool/peers.h"
#include "xapid/reload.h"
#include "xapid/role/role.h"
#include "xapid/routes.h"
#include "xapid/session/passwd.h"
#include "xapid/rrd/collect.h"
#include "xapid/rrd/store.h"
#include "xapid/rpc.h"
#include "xapid/sockets.h"
#include "xapid/state_dir.h"
#include "xapid/systemd.h"
#include "xapid/task/task.h"
#include "xapid/vm/crossing.h"
#include "xapid/vmss/scheduler.h"

/* The exit status that tells systemd not to start another process (xapid.service). */
enum { STAY_DOWN = 10 };
enum { STOP_MS = 3000, IDLE_MS = 500, SETTLE_MS = 10 * 1000 };

/* The daemon between start and stop. */
struct server {
    struct xapid x;
    struct err *error; /* of the start */
    bool failed, stopping;
    bool hand_over; /* to a process that goes on */
    ev_signal term, interrupt, hand_over_signal;
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
    if (db_open(buf_cstr(&path), &x->db, e) < 0) {
        backup_advise(&x->options, e);
        return -1;
    }
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
                              .guest_user = x->options.qemu_user,
                              .sim_script = x->options.sim_script ? buf_cstr(&script) : NULL,
                              .machine_root = x->options.machine_root,
                              .report = x->membership.member ? follow_report : host_on_report,
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

static int serve_main(struct xapid *x, struct err *e)
{
    x->http = http_server_new(x->membership.member ? member_routes : routes, &http_default_limits, x);
    http_server_set_on_request(x->http, forward_restore);
    http_server_set_durability(x->http, is_durable, co_wait_durable, x);
    int r = x->sockets.https < 0 ? 0 : http_server_listen_on(x->http, x->sockets.https, x->tls);
    if (r == 0)
        r = http_server_listen_on(x->http, x->sockets.local, NULL);
    return r < 0 ? err_errno(e, r, "serving") : 0;
}

static int serve(struct xapid *x, struct err *e)
{
    if (sockets_open(x, e) < 0 || serve_main(x, e) < 0 || plain_port_open(x, e) < 0 ||
        state_dir_write_port(x->options.state_dir, "port", x->port, e) < 0)
        return -1;
    if (x->management.off)
        log_info("serving the local socket only");
    else
        log_info("serving https://%s:%u", x->listening, x->port);
    daemonize_ready();
    systemd_notify("READY=1\nSTATUS=Serving on port %u", x->port);
    reload_on_hangup(x);
    return 0;
}

/* The pool and host that the database names, which was perhaps just made, or put in the place of another. */
static int settle_membership(struct xapid *x, struct err *e)
{
    struct membership *m = &x->membership;
    const struct pool *pool = db_pool(x->db, x->pool);
    const struct host *host = db_host(x->db, x->host);
    if (strcmp(m->pool, pool->uuid) == 0 && strcmp(m->host, host->uuid) == 0)
        return 0;
    authority_free(x->authority);
    x->authority = NULL;
    *m = (struct membership){.term = 1};
    strcpy(m->pool, pool->uuid);
    strcpy(m->host, host->uuid);
    if (membership_remove(x->options.state_dir, e) < 0)
        return -1;
    return membership_write(x->options.state_dir, m, e);
}

/* The sessions and tasks of the process that was here before. Starting without them is better than not. */
static void take_memory(struct xapid *x)
{
    CLEANUP_ERR struct err e = {0};
    CLEANUP_FD int fd = handover_take_named("memory");
    handover_store("memory", -1);
    if (fd >= 0 && carry_read(x->db, fd, &e) < 0)
        log_warning("clients have to log in again: %s", e.n_params > 0 ? e.params[0] : e.code);
}

/* ---- a coordinator and a member ---- */

/* What this host is was written down by an earlier process, or is found out now. */
static int co_find_role(struct xapid *x, struct err *e)
{
    if (!x->membership.pool[0] || x->membership.member)
        return 0;
    if (authority_open(x->options.state_dir, x->membership.pool, x->membership.host, &x->authority, e) < 0)
        return -1;
    return co_change_role_look_around(x, e);
}

/* Who leads may have changed, but not which host this is. */
static void find_own_host(struct xapid *x)
{
    const struct row *host =
        x->membership.host[0] ? db_get_by_uuid(x->db, CLASS_HOST, x->membership.host) : NULL;
    x->host = host ? host->ref : REF_NULL;
}

static int co_start_coordinator(struct xapid *x, struct err *e)
{
    find_own_host(x);
    if (role_bootstrap(x->db, e) < 0 || co_host_bootstrap(x, e) < 0 || settle_membership(x, e) < 0 ||
        peers_open(x, e) < 0 || host_certificates_start(x, e) < 0)
        return -1;
    passwd_worker_limit(db_pool(x->db, x->pool)->local_auth_max_threads);
    take_memory(x);
    co_crossings_settle(x);
    housekeeping_start(x);
    vmss_scheduler_start(x);
    ssh_watch_start(x);
    change_role_watch(x);
    return 0;
}

static int co_start_member(struct xapid *x, struct err *e)
{
    if (peers_open(x, e) < 0 || co_member_adopt(x, e) < 0)
        return -1;
    handover_store("memory", -1);
    follow_start(x);
    return faults_start(x, e);
}

static int co_start(struct xapid *x, struct err *e)
{
    if (co_find_role(x, e) < 0 || co_open_agent(x, e) < 0 || open_tls(x, e) < 0 || open_audit_log(x, e) < 0)
        return -1;
    if ((x->membership.member ? co_start_member(x, e) : co_start_coordinator(x, e)) < 0)
        return -1;
    event_pump_start(x->db);
    backup_start(x);
    rrd_collect_start(x);
    malloc_trim(0); /* what reading the database and making its rows took */
    return serve(x, e);
}

static void co_start_fiber(void *arg)
{
    struct server *s = arg;
    if (co_start(&s->x, s->error) == 0) {
        ev_signal_start(loop_get(), &s->hand_over_signal);
        return;
    }
    s->failed = true;
    loop_stop();
}

/* ---- stopping ---- */

/* Another process may go on here: new calls are still taken while those in progress come to their end, then
 * connections wait in the sockets' queues for that process, while the last ones that came before get answers.
 */
static void co_settle(struct xapid *x, int64_t deadline)
{
    event_pump_release();
    co_http_server_drain(x->http, clock_in_ms(IDLE_MS), deadline);
    (void)co_task_wait_all(deadline);
    http_server_stop_accepting(x->http);
    event_pump_release();
    co_http_server_drain(x->http, clock_in_ms(IDLE_MS), clock_in_ms(STOP_MS));
}

/* Does something keep the sockets open when this process ends? */
static bool is_succeeded(const struct server *s)
{
    return s->hand_over || getenv("NOTIFY_SOCKET");
}

static void say_what_happens(const struct server *s)
{
    if (s->hand_over) {
        log_info("another process goes on from here");
        systemd_notify_reloading();
    } else {
        log_info("stopping");
        systemd_notify("STOPPING=1\nSTATUS=Calls in progress end");
    }
}

/* Those that end the daemon: what comes from now on waits in the kernel, and the next process hears of it. */
static void hold_signals(int how)
{
    sigset_t ends;

    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(how, &ends, NULL);
}

/* What came before is heard here. */
static void co_leave_signals(void)
{
    hold_signals(SIG_BLOCK);
    (void)co_sleep_until(clock_in_ms(1), "signals that have come");
}

/* Calls in progress get a moment to end; what still runs then is cut off, as a crash would. */
static void co_stop_fiber(void *arg)
{
    struct server *s = arg;
    say_what_happens(s);
    follow_stop_waiting();
    if (is_succeeded(s) && s->x.http)
        co_settle(&s->x, clock_in_ms(s->hand_over ? SETTLE_MS : STOP_MS));
    int64_t deadline = clock_in_ms(STOP_MS);
    co_rrd_collect_stop(deadline);
    event_pump_stop();
    co_task_stop_all(clock_in_ms(STOP_MS / 2));
    plain_port_close(&s->x);
    if (s->x.http)
        co_http_server_stop(s->x.http, deadline);
    co_leave_signals();
    loop_stop();
}

static void on_signal(struct ev_loop *loop, ev_signal *w, int events)
{
    struct server *s = w->data;
    s->hand_over = w->signum == SIGUSR2 && (!s->stopping || s->hand_over);
    if (!s->stopping)
        fiber_spawn("stop", co_stop_fiber, s);
    s->stopping = true;
}

static void watch_signals(struct server *s)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN); /* until it serves */
    signal(SIGUSR2, SIG_IGN);
    ev_signal_init(&s->term, on_signal, SIGTERM);
    ev_signal_init(&s->interrupt, on_signal, SIGINT);
    ev_signal_init(&s->hand_over_signal, on_signal, SIGUSR2);
    s->term.data = s->interrupt.data = s->hand_over_signal.data = s;
    ev_signal_start(loop_get(), &s->term);
    ev_signal_start(loop_get(), &s->interrupt);
    hold_signals(SIG_UNBLOCK);
}

/* Leave what memory holds to the next process, where there will be one. */
static int keep_memory(const struct server *s)
{
    if (s->failed || !is_succeeded(s))
        return -1;
    int fd = carry_write(s->x.db);
    if (fd < 0)
        log_warning("clients will have to log in again: %s", strerror(-fd));
    return fd;
}

static int end(struct server *s, struct err *e)
{
    CLEANUP_FD int memory = keep_memory(s);
    bool anew = s->x.sockets.anew;
    const struct handover_item items[] = {{"https", anew ? -1 : s->x.sockets.https},
                                          {"http", anew ? -1 : s->x.sockets.http},
                                          {"local", s->x.sockets.local},
                                          {"memory", memory}};
    if (!s->failed)
        rrd_store_end(&s->x);
    audit_log_free(s->x.audit);
    db_close(s->x.db);
    if (s->hand_over) {
        int r = handover_exec(s->x.options.argv, items, sizeof items / sizeof items[0]);
        return err_errno(e, r, "going on as a new process");
    }
    if (memory >= 0)
        handover_store("memory", memory);
    sockets_close(&s->x);
    if (s->failed)
        return -1;
    return s->x.stay_down && getenv("NOTIFY_SOCKET") ? STAY_DOWN : 0;
}

/* Connections and guests take descriptors; the soft limit is for programs that use select. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_warning("the limit of open files stays: %s", strerror(errno));
}

int server_run(const struct xapid_options *o, struct err *e)
{
    static struct server s;
    s = (struct server){.x.options = *o, .error = e};
    s.x.sockets.https = s.x.sockets.http = s.x.sockets.local = -1;
    management_open(&s.x);
    if (state_dir_make(o->state_dir, e) < 0 || state_dir_lock(o->state_dir, e) < 0 ||
        membership_read(o->state_dir, &s.x.membership, e) < 0 || change_role_finish(&s.x, e) < 0 ||
        open_database(&s.x, e) < 0)
        return -1;
    raise_descriptor_limit();
    log_set_level((enum log_level)log_level_by_name(o->log_level));
    log_use_journal(NULL);
    rpc_init_log();
    systemd_watchdog_start();
    watch_signals(&s);
    fiber_spawn("start", co_start_fiber, &s);
    loop_run();
    return end(&s, e);
}
