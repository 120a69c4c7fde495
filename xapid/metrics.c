#include "xapid/metrics.h"
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>
#include "lib/fiber.h"
#include "model/row.h"
#include "xapid/call_stats.h"
#include "xapid/event/wait.h"
#include "xapid/http_auth.h"
#include "xapid/pool/follow.h"
#include "xapid/pool/leader.h"
#include "xapid/server.h"

/* For leader_foreach. */
struct member_lag {
    struct buf *page;
    struct db *db;
};

static void add_head(struct buf *page, const char *name, const char *type, const char *help)
{
    buf_printf(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_gauge(struct buf *page, const char *name, uint64_t value, const char *help)
{
    add_head(page, name, "gauge", help);
    buf_printf(page, "%s %" PRIu64 "\n", name, value);
}

/* Guests: templates, snapshots and the host's own domain are none. */
static void add_guests(struct buf *page, struct db *db)
{
    static const char *const states[VM_POWER_STATE_COUNT] = {[VM_POWER_STATE_HALTED] = "halted",
                                                             [VM_POWER_STATE_PAUSED] = "paused",
                                                             [VM_POWER_STATE_RUNNING] = "running",
                                                             [VM_POWER_STATE_SUSPENDED] = "suspended"};
    unsigned n[VM_POWER_STATE_COUNT] = {0};

    DB_FOREACH (db, CLASS_VM, row) {
        const struct vm *vm = (const struct vm *)row;
        if (!vm->is_a_template && !vm->is_a_snapshot && !vm->is_control_domain)
            n[vm->power_state]++;
    }
    add_head(page, "xapid_guests", "gauge", "Guests by power state.");
    for (unsigned i = 0; i < VM_POWER_STATE_COUNT; i++)
        buf_printf(page, "xapid_guests{power_state=\"%s\"} %u\n", states[i], n[i]);
}

/* Bytes, or 0 where the kernel does not tell. */
static uint64_t resident_memory(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f == NULL)
        return 0;
    if (fscanf(f, "%*u %lu", &pages) != 1)
        pages = 0;
    fclose(f);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void add_connections(struct buf *page, const struct xapid *x)
{
    unsigned connections = 0, requests = 0;
    if (x->http)
        http_server_counts(x->http, &connections, &requests);
    add_gauge(page, "xapid_connections", connections, "Connections to the HTTPS port and the local socket.");
    add_gauge(page, "xapid_requests", requests, "Requests on them that wait for something.");
}

/* Figures that are counted already, in seconds. */
static void add_seconds(struct buf *page, const char *name, uint64_t ns, const char *help)
{
    add_head(page, name, "counter", help);
    buf_printf(page, "%s %.6f\n", name, (double)ns / 1e9);
}

static void add_commits(struct buf *page, struct db *db)
{
    struct db_commit_stats stats = db_commit_stats(db);
    add_head(page, "xapid_database_commits_total", "counter",
             "Commits of the database's file, of one batch or more.");
    buf_printf(page, "xapid_database_commits_total %" PRIu64 "\n", stats.count);
    add_seconds(page, "xapid_database_commit_seconds_total", stats.ns, "Time that they took.");
    add_seconds(page, "xapid_database_commit_seconds_max", stats.ns_max, "Time that the slowest took.");
}

static void add_copy(const struct leader_follower *f, void *arg)
{
    struct member_lag *l = arg;
    const struct host *host = db_host(l->db, f->host);

    if (host)
        buf_printf(l->page, "xapid_member_lag_generations{host=\"%s\"} %" PRIu64 "\n", host->uuid,
                   db_generation(l->db) - f->durable);
}

/* How far the copies of the database are behind, or this one is. */
static void add_pool(struct buf *page, const struct xapid *x)
{
    struct member_lag lag = {page, x->db};

    if (x->membership.member) {
        add_gauge(page, "xapid_coordinator_connected", follow_is_connected(),
                  "1 while this copy of the database follows the coordinator's.");
        add_gauge(page, "xapid_coordinator_silence_milliseconds", follow_silence_ms(),
                  "Since the coordinator was last heard.");
        return;
    }
    add_head(page, "xapid_member_lag_generations", "gauge",
             "Batches that a connected member does not have on its disk yet.");
    leader_foreach(add_copy, &lag);
}

void metrics_write(struct buf *page, void *arg)
{
    struct xapid *x = arg;
    uint64_t generation = db_generation(x->db);

    add_guests(page, x->db);
    add_gauge(page, "xapid_sessions", db_count(x->db, CLASS_SESSION), "Sessions that are logged in.");
    add_gauge(page, "xapid_tasks", db_count(x->db, CLASS_TASK), "Tasks, running or ended lately.");
    add_gauge(page, "xapid_fibers", fiber_count(), "Operations and duties in progress.");
    add_gauge(page, "xapid_event_clients", event_waiting_count(), "Clients that wait for events.");
    add_connections(page, x);
    call_stats_write(page);
    add_head(page, "xapid_database_generation", "counter", "Batches that were committed.");
    buf_printf(page, "xapid_database_generation %" PRIu64 "\n", generation);
    add_gauge(page, "xapid_database_durable", db_is_durable(x->db, generation),
              "1 when all that was committed is on disk.");
    add_commits(page, x->db);
    add_pool(page, x);
    add_gauge(page, "process_resident_memory_bytes", resident_memory(), "Resident memory in bytes.");
}

void co_metrics_get(struct http_request *r, struct http_reply *reply, void *arg)
{
    CLEANUP_ERR struct err e = {0};
    struct call c;
    if (co_http_auth(r, arg, &c, &e) < 0 || http_auth_may(&c, "host.get_data_sources", &e) < 0) {
        http_auth_refuse(r, reply, &e);
    } else {
        reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
        metrics_write(&reply->body, arg);
    }
    http_auth_end(&c);
}
