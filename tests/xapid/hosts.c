#include "tests/xapid/hosts.h"
#include <check.h>
#include <string.h>
#include <talloc.h>
#include "xapid/host/bootstrap.h"
#include "xapid/host/host_agent.h"
#include "xapid/reftext.h"

/* Stand for agents. */
static char agents[3];

struct txn *hosts_begin(struct hosts *h)
{
    return db_begin(h->x.db);
}

void hosts_commit(struct txn *t)
{
    struct err e = {0};
    ck_assert_int_eq(db_commit(t, &e), 0);
}

static struct ref add_sr(struct txn *t, const char *name, bool shared)
{
    const struct sr *sr = sr_create(t);

    sr_set_name_label(t, sr, name);
    sr_set_type(t, sr, "file");
    sr_set_shared(t, sr, shared);
    return sr->row.ref;
}

static void add_pbd(struct txn *t, struct ref sr, struct ref host)
{
    const struct pbd *pbd = pbd_create(t);

    pbd_set_sr(t, pbd, sr);
    pbd_set_host(t, pbd, host);
    pbd_set_currently_attached(t, pbd, true);
}

static void add_host(struct hosts *h, struct txn *t, unsigned i)
{
    char name[16];
    snprintf(name, sizeof name, "host %u", i);
    const struct host_machine_facts f = {.hostname = name,
                                         .address = "10.0.0.1",
                                         .version = "1",
                                         .kernel = "6",
                                         .hypervisor = "sim",
                                         .hypervisor_version = "1",
                                         .accelerator = "sim",
                                         .cpu_vendor = "GenuineIntel",
                                         .cpu_model_name = "",
                                         .cpu_family = "6",
                                         .cpu_model = "1",
                                         .cpu_stepping = "1",
                                         .cpu_flags = "sse sse2",
                                         .cpu_features = "0000000f-000000ff",
                                         .cpu_mhz = 2000,
                                         .cpus = 4,
                                         .memory_total = 8 * GIB};

    h->host[i] = host_row_create(t, &f)->row.ref;
    host_refresh_rows(t, h->host[i], &f);
    h->local[i] = add_sr(t, name, false);
    add_pbd(t, h->local[i], h->host[i]);
    add_pbd(t, h->shared, h->host[i]);
}

void hosts_open(struct hosts *h)
{
    struct err e = {0};

    *h = (struct hosts){0};
    ck_assert_int_eq(db_open(NULL, &h->x.db, &e), 0);
    struct txn *t = db_begin(h->x.db);
    pool_create(t);
    h->shared = add_sr(t, "shared", true);
    for (unsigned i = 0; i < 3; i++)
        add_host(h, t, i);
    h->internal = network_create(t)->row.ref;
    h->x.host = h->host[0];
    pool_rows(t, &h->x);
    hosts_commit(t);
    h->x.agent = (struct agent *)(void *)&agents[0];
    for (unsigned i = 1; i < 3; i++)
        host_agent_set(&h->x, h->host[i], (struct agent *)(void *)&agents[i]);
    h->network = ((const struct pif *)db_first(h->x.db, CLASS_PIF))->network;
}

void hosts_close(struct hosts *h)
{
    for (unsigned i = 1; i < 3; i++)
        host_agent_drop(&h->x, h->host[i]);
    talloc_free(h->x.members);
    db_close(h->x.db);
}

struct ref hosts_add_vm(struct hosts *h, const char *name, struct ref sr, struct ref network)
{
    struct txn *t = db_begin(h->x.db);
    const struct vm *vm = vm_create(t);
    struct ref ref = vm->row.ref;

    vm_set_name_label(t, vm, name);
    vm_set_power_state(t, vm, VM_POWER_STATE_HALTED);
    vm_set_memory_static_max(t, vm, GIB);
    vm_set_memory_dynamic_max(t, vm, GIB);
    vm_set_memory_dynamic_min(t, vm, GIB);
    vm_set_vcpus_max(t, vm, 1);
    vm_set_vcpus_at_startup(t, vm, 1);
    if (!ref_is_null(sr)) {
        const struct vdi *vdi = vdi_create(t);
        const struct vbd *vbd = vbd_create(t);
        vdi_set_sr(t, vdi, sr);
        vbd_set_vm(t, vbd, ref);
        vbd_set_vdi(t, vbd, vdi->row.ref);
    }
    if (!ref_is_null(network)) {
        const struct vif *vif = vif_create(t);
        vif_set_vm(t, vif, ref);
        vif_set_network(t, vif, network);
    }
    hosts_commit(t);
    return ref;
}

void hosts_run(struct hosts *h, struct ref ref, struct ref host)
{
    struct txn *t = db_begin(h->x.db);
    const struct vm *vm = db_vm(h->x.db, ref);

    vm_set_power_state(t, vm, VM_POWER_STATE_RUNNING);
    vm_set_resident_on(t, vm, host);
    FOREACH_REFERRER (h->x.db, vif, vif, VIF, VM, ref)
        vif_set_currently_attached(t, vif, true);
    FOREACH_REFERRER (h->x.db, vbd, vbd, VBD, VM, ref)
        vbd_set_currently_attached(t, vbd, true);
    hosts_commit(t);
}

const struct vm *hosts_vm(struct hosts *h, struct ref vm)
{
    return db_vm(h->x.db, vm);
}

const struct host *hosts_host(struct hosts *h, unsigned i)
{
    return db_host(h->x.db, h->host[i]);
}
