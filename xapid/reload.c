#include "xapid/reload.h"
#include <ev.h>
#include <signal.h>
#include <string.h>
#include "lib/fiber.h"
#include "lib/log.h"
#include "xapid/certificate/server.h"
#include "xapid/config_check.h"
#include "xapid/daemonize.h"
#include "xapid/options.h"
#include "xapid/systemd.h"

static struct {
    struct xapid *x;
    ev_signal hangup;
    bool running, again; /* a signal came during the work that an earlier one has begun */
} reload;

/* On a worker, for the files may be far away. One at a time. */
static int read_job(void *arg)
{
    struct options_reading *r = arg;
    options_parse(reload.x->options.argc, reload.x->options.argv, r);
    config_check(r);
    return 0;
}

static void log_problems(struct buf *problems)
{
    char *rest = (char *)buf_cstr(problems), *line;
    log_error("the settings stay as they are, for what was read has mistakes");
    while ((line = strsep(&rest, "\n")))
        if (*line)
            log_error("%s", line);
}

static void tell(const char *setting, bool taken, void *arg)
{
    if (taken)
        log_info("%s has changed", setting);
    else
        log_warning("%s has changed: this takes effect at the next start", setting);
}

static void take_certificate(struct xapid *x)
{
    CLEANUP_ERR struct err e = {0};
    if (tls_server_reload(x->tls, &e) < 0)
        log_error("%s", e.n_params > 0 ? e.params[0] : e.code);
    else
        server_certificate_note(x);
}

static void co_reload(struct xapid *x)
{
    struct options_reading r = {0};
    if (co_run_worker(read_job, &r, "the settings to be read") < 0)
        return;
    if (r.n_problems > 0) {
        log_problems(&r.problems);
    } else {
        options_take_changes(&x->options, &r.options, tell, NULL);
        log_set_level((enum log_level)log_level_by_name(x->options.log_level));
        take_certificate(x);
    }
    options_reading_fini(&r);
}

static void co_reload_fiber(void *arg)
{
    struct xapid *x = arg;
    do {
        reload.again = false;
        systemd_notify_reloading();
        daemonize_reopen_log(x->options.state_dir);
        log_info("reading the settings again");
        co_reload(x);
        log_info("the settings have been read");
        systemd_notify("READY=1");
    } while (reload.again);
    reload.running = false;
}

static void on_hangup(struct ev_loop *loop, ev_signal *w, int events)
{
    reload.again = true;
    if (!reload.running)
        fiber_spawn("reload", co_reload_fiber, reload.x);
    reload.running = true;
}

void reload_on_hangup(struct xapid *x)
{
    reload.x = x;
    ev_signal_init(&reload.hangup, on_hangup, SIGHUP);
    ev_signal_start(loop_get(), &reload.hangup);
    ev_unref(loop_get());
}
