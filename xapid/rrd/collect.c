#include "xapid/rrd/collect.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "db/setters.gen.h"
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "net/net.h"
#include "xapid/reftext.h"
#include "xapid/rrd/machine_usage.h"
#include "xapid/rrd/store.h"
#include "xapid/vm/vm.h"

enum { SAVE_ROUNDS = 360 }; /* half an hour */

static void put(struct rrd *r, enum rrd_kind kind, double max, double value, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

static void put(struct rrd *r, enum rrd_kind kind, double max, double value, const char *fmt, ...)
{
    char name[RRD_NAME_SIZE];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    if (n > 0 && n < RRD_NAME_SIZE)
        rrd_put(r, name, kind, 0, max, value);
}

/* ---- the machine ---- */

static void put_interfaces(struct xapid *x, struct rrd *r, const struct machine_usage *u)
{
    FOREACH_REFERRER (x->db, pif, pif, PIF, HOST, x->host) {
        const struct machine_link *l = machine_link_find(u, text_of(pif->device));
        if (!l || pif->VLAN >= 0)
            continue;
        put(r, RRD_DERIVE, INFINITY, l->received, "pif_%s_rx", pif->device);
        put(r, RRD_DERIVE, INFINITY, l->sent, "pif_%s_tx", pif->device);
    }
}

static double running_processors(struct xapid *x)
{
    double n = 0;
    FOREACH_REFERRER (x->db, vm, vm, VM, RESIDENT_ON, x->host)
        if (!vm->is_control_domain && vm->power_state == VM_POWER_STATE_RUNNING)
            n += (double)vm->VCPUs_at_startup;
    return n;
}

static void put_machine(struct xapid *x, struct rrd *r, const struct machine_usage *u)
{
    double all = 0;
    for (unsigned i = 0; i < u->n_processors; i++) {
        put(r, RRD_DERIVE, 1, u->processor[i], "cpu%u", i);
        all += u->processor[i];
    }
    if (u->n_processors > 0)
        put(r, RRD_DERIVE, 1, all / u->n_processors, "cpu_avg");
    put(r, RRD_GAUGE, INFINITY, u->load, "loadavg");
    put(r, RRD_GAUGE, INFINITY, u->memory_total, "memory_total_kib");
    put(r, RRD_GAUGE, INFINITY, u->memory_free, "memory_free_kib");
    put(r, RRD_GAUGE, INFINITY, running_processors(x), "running_vcpus");
    put_interfaces(x, r, u);
}

static int read_machine(void *arg)
{
    return machine_usage_read(arg);
}

static void co_watch_machine(struct xapid *x, struct machine_usage *u)
{
    const struct host *host = db_host(x->db, x->host);
    struct rrd *r = host ? co_rrd_store_get(x, RRD_HOST, host->uuid) : NULL;
    if (!r)
        return;
    rrd_begin(r);
    put_machine(x, r, u);
    rrd_end(r, clock_wall(), clock_now());
    r->seen = true;
}

/* ---- a guest ---- */

static void put_processors(struct rrd *r, const struct hv_usage *u)
{
    double all = 0;
    for (unsigned i = 0; i < u->n_processors; i++) {
        put(r, RRD_DERIVE, 1, u->processor[i], "cpu%u", i);
        all += u->processor[i];
    }
    if (u->n_processors > 0)
        put(r, RRD_DERIVE, 1, all / u->n_processors, "cpu_usage");
}

/* Under the names that guests' first disks have, whatever the bus. */
static void put_disks(struct rrd *r, const struct hv_usage *u)
{
    for (unsigned i = 0; i < u->n_disks; i++) {
        const struct hv_disk_usage *d = &u->disk[i];
        if (d->userdevice > 'z' - 'a')
            continue;
        char letter = (char)('a' + d->userdevice);
        put(r, RRD_DERIVE, INFINITY, d->read_bytes, "vbd_xvd%c_read", letter);
        put(r, RRD_DERIVE, INFINITY, d->written_bytes, "vbd_xvd%c_write", letter);
        put(r, RRD_DERIVE, INFINITY, d->reads, "vbd_xvd%c_iops_read", letter);
        put(r, RRD_DERIVE, INFINITY, d->writes, "vbd_xvd%c_iops_write", letter);
        put(r, RRD_DERIVE, INFINITY, d->reads + d->writes, "vbd_xvd%c_iops_total", letter);
    }
}

/* What the tap sends the guest receives. */
static void put_nics(struct xapid *x, struct rrd *r, struct ref vm, const struct machine_usage *machine)
{
    FOREACH_REFERRER (x->db, vif, vif, VIF, VM, vm) {
        char tap[16];
        net_tap_name(vif->uuid, tap);
        const struct machine_link *l = machine_link_find(machine, tap);
        if (!l)
            continue;
        put(r, RRD_DERIVE, INFINITY, l->sent, "vif_%s_rx", text_of(vif->device));
        put(r, RRD_DERIVE, INFINITY, l->received, "vif_%s_tx", text_of(vif->device));
    }
}

static const struct vm *guest(struct xapid *x, struct ref ref)
{
    const struct vm *vm = db_vm(x->db, ref);
    bool up = vm_is_up(vm);
    return up && !vm->is_control_domain && ref_equal(vm->resident_on, x->host) ? vm : NULL;
}

/* Its archive, read from its file, may make others wait; so the guest is looked up anew. */
static void co_watch_guest(struct xapid *x, struct ref ref, const struct machine_usage *machine,
                           struct hv_usage *usage)
{
    CLEANUP_ERR struct err e = {0};
    char uuid[UUID_TEXT_SIZE];
    const struct vm *vm = guest(x, ref);
    if (!vm)
        return;
    snprintf(uuid, sizeof uuid, "%s", vm->uuid);
    bool used = co_agent_vm_usage(x->agent, uuid, usage, &e) == 0;
    struct rrd *r = co_rrd_store_get(x, RRD_VM, uuid);
    vm = guest(x, ref);
    if (!vm)
        return;
    const struct vm_metrics *metrics = db_vm_metrics(x->db, vm->metrics);
    rrd_begin(r);
    put(r, RRD_GAUGE, INFINITY, metrics ? (double)metrics->memory_actual : 0, "memory");
    put(r, RRD_GAUGE, INFINITY, (double)vm->memory_target, "memory_target");
    if (used) {
        put_processors(r, usage);
        put_disks(r, usage);
    }
    put_nics(x, r, ref, machine);
    rrd_end(r, clock_wall(), clock_now());
    r->seen = true;
}

static void co_watch_guests(struct xapid *x, const struct machine_usage *machine)
{
    CLEANUP_FREE struct ref *refs = NULL;
    CLEANUP_FREE struct hv_usage *usage = mem_zalloc(sizeof *usage);
    unsigned n = 0, room = 0;
    FOREACH_REFERRER (x->db, vm, vm, VM, RESIDENT_ON, x->host) {
        if (n == room) {
            room = room ? room * 2 : 64;
            refs = mem_resize(refs, room * sizeof *refs);
        }
        refs[n++] = vm->row.ref;
    }
    for (unsigned i = 0; i < n; i++)
        co_watch_guest(x, refs[i], machine, usage);
}

/* ---- rounds ---- */

/* One of those not seen in this round; NULL: there is none. */
static struct rrd *find_unseen(void)
{
    unsigned n;
    struct rrd *const *all = rrd_store_all(&n);
    for (unsigned i = 0; i < n; i++)
        if (!all[i]->seen)
            return all[i];
    return NULL;
}

/* What has ended goes to its file. */
static void co_let_go(struct xapid *x)
{
    struct rrd *r;
    while ((r = find_unseen())) {
        char uuid[UUID_TEXT_SIZE];
        memcpy(uuid, r->uuid, sizeof uuid);
        int rc = co_rrd_store_save(x, r);
        if (rc < 0)
            log_warning("the history of %s cannot be saved: %s", uuid, strerror(-rc));
        rrd_store_drop(uuid);
    }
}

static void co_round(struct xapid *x)
{
    struct machine_usage machine = {.links = NULL};
    unsigned n;
    struct rrd *const *all = rrd_store_all(&n);
    for (unsigned i = 0; i < n; i++)
        all[i]->seen = false;
    if (co_run_worker(read_machine, &machine, "reading what the machine counts") == 0) {
        co_watch_machine(x, &machine);
        co_watch_guests(x, &machine);
        co_let_go(x);
    }
    free(machine.links);
}

void co_rrd_collect_save(struct xapid *x)
{
    int rc = co_rrd_store_save_all(x);
    if (rc < 0)
        log_warning("history cannot be saved: %s", strerror(-rc));
}

/* The next moment that clocks call a multiple of five seconds. */
static int64_t next_step(void)
{
    int64_t now = clock_wall();
    return clock_in_ms((RRD_STEP - now % RRD_STEP) * 1000);
}

static void co_collect(void *arg)
{
    struct xapid *x = arg;
    int r = 0;
    co_rrd_store_sweep(x);
    co_rrd_store_load_all(x);
    for (unsigned round = 1; r != -ECANCELED; round++) {
        co_round(x);
        if (round % SAVE_ROUNDS == 0) {
            co_rrd_collect_save(x);
            co_rrd_store_sweep(x);
        }
        r = co_sleep_until(next_step(), "the next look at host and guests");
    }
}

static struct fiber *collector;

void rrd_collect_start(struct xapid *x)
{
    collector = fiber_ref(fiber_spawn("rrd", co_collect, x));
}

void co_rrd_collect_stop(int64_t deadline)
{
    if (!collector)
        return;
    fiber_cancel(collector);
    (void)co_fiber_join(collector, deadline);
    fiber_unref(collector);
    collector = NULL;
}
