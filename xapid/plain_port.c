#include "xapid/plain_port.h"
#include "db/setters.gen.h"
#include "lib/log.h"
#include "xapid/metrics.h"
#include "xapid/sockets.h"
#include "xapid/state_dir.h"

static bool write_metrics(struct buf *page, void *arg)
{
    const struct xapid *x = arg;
    if (x->options.metrics)
        metrics_write(page, arg);
    return x->options.metrics;
}

int plain_port_open(struct xapid *x, struct err *e)
{
    struct plain_options o = {.fd = x->sockets.http,
                              .address = x->listening,
                              .https_port = x->port,
                              .metrics = write_metrics,
                              .metrics_arg = x};
    if (o.fd < 0)
        return 0;
    if (plain_server_open(&o, &x->plain, e) < 0)
        return -1;
    return state_dir_write_port(x->options.state_dir, "http-port", sockets_port(o.fd), e);
}

void plain_port_close(struct xapid *x)
{
    plain_server_free(x->plain);
    x->plain = NULL;
}

void plain_port_follow(struct xapid *x)
{
    static int known = -1;
    CLEANUP_ERR struct err e = {0};
    const struct host *host = db_host(x->db, x->host);
    if (!host || x->port == 0 || host->https_only == known)
        return;
    known = host->https_only;
    if (plain_port_fit(x, &e) < 0)
        log_error("plain HTTP: %s", e.n_params > 0 ? e.params[0] : e.code);
}

int plain_port_fit(struct xapid *x, struct err *e)
{
    if (db_host(x->db, x->host)->https_only) {
        plain_port_close(x);
        sockets_close_http(x);
        return 0;
    }
    return x->plain || sockets_open_http(x, e) == 0 ? (x->plain ? 0 : plain_port_open(x, e)) : -1;
}
