#include "xapid/vm/record.h"
#include <errno.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "xapid/field.h"
#include "xapid/host/host_agent.h"
#include "xapid/message/message.h"
#include "xapid/own_address.h"
#include "xapid/pool/leader.h"
#include "xapid/reftext.h"
#include "xapid/storage/device.h"
#include "xapid/vm/share.h"
#include "xapid/vm/squeeze.h"

#define STORE_RETRY_MS 200

#define DOMID_EPOCH 1767225600 /* 2026 began */

/* The database forgets the numbers of guests that are gone, and another coordinator never knew some: each
 * daemon begins with the seconds that have passed, which no earlier one has counted up to. */
int64_t vm_next_domid(struct xapid *x)
{
    static int64_t last;

    if (last == 0) {
        last = clock_wall() > DOMID_EPOCH ? clock_wall() - DOMID_EPOCH : 0;
        DB_FOREACH_VM (x->db, vm)
            if (vm->domid > last)
                last = vm->domid;
    }
    return ++last;
}

void vm_post_message(struct txn *t, const struct vm *vm, const char *name)
{
    CLEANUP_TALLOC char *body = talloc_asprintf(NULL, "VM '%s': %s", text_of(vm->name_label), name);
    message_post(t, name, 5, CLS_VM, vm->uuid, body);
}

void co_record_durable(struct xapid *x)
{
    uint64_t generation = db_generation(x->db);

    fiber_mask_cancel();
    while (co_db_wait_durable(x->db, generation, CLOCK_NEVER) == -EIO)
        co_sleep_until(clock_in_ms(STORE_RETRY_MS), "the database can be written again");
    co_leader_share(generation);
    fiber_unmask_cancel();
}

/* ---- up ---- */

static const struct console *find_console(struct db *db, const struct vm *vm, enum console_protocol protocol)
{
    FOREACH_REFERRER (db, console, console, CONSOLE, VM, vm->row.ref)
        if (console->protocol == protocol)
            return console;
    return NULL;
}

/* All hosts of a pool listen on the same port. */
static const char *console_url(void *ctx, struct xapid *x, const struct vm *vm, struct ref console)
{
    const struct host *host = db_host(x->db, vm->resident_on);
    const char *address = host ? text_of(host->address) : x->address;

    return talloc_asprintf(ctx, "%s/console?ref=%s",
                           own_url(ctx, address, x->port ? x->port : x->options.port), REF_TEXT(console));
}

/* Keep, make or remove the VM's console of one kind; those of a guest that is adopted stay the same objects.
 */
static void set_console(struct txn *t, struct xapid *x, const struct vm *vm, enum console_protocol protocol,
                        bool wanted)
{
    const struct console *console = find_console(txn_db(t), vm, protocol);
    CLEANUP_TALLOC void *mem = talloc_new(NULL);

    if (console && !wanted)
        db_delete(t, &console->row);
    if (!wanted)
        return;
    if (!console) {
        console = console_create(t);
        console_set_vm(t, console, vm->row.ref);
        console_set_protocol(t, console, protocol);
    }
    console_set_location(t, console, console_url(mem, x, vm, console->row.ref));
}

static void drop_consoles(struct txn *t, const struct vm *vm)
{
    const struct row *console;

    while ((console = db_first_referrer(txn_db(t), CLASS_CONSOLE, CONSOLE_F_VM, vm->row.ref)))
        db_delete(t, console);
}

static const struct agent_device *find_device(const struct vm_guest *g, const char *uuid)
{
    for (unsigned i = 0; i < g->n_devices; i++)
        if (strcmp(g->devices[i].uuid, uuid) == 0)
            return &g->devices[i];
    return NULL;
}

static struct ref find_vdi(struct db *db, const struct agent_device *d)
{
    const struct row *sr = d->sr_uuid && d->location ? db_get_by_uuid(db, CLASS_SR, d->sr_uuid) : NULL;

    if (sr)
        FOREACH_REFERRER (db, vdi, vdi, VDI, SR, sr->ref)
            if (strcmp(text_of(vdi->location), d->location) == 0)
                return vdi->row.ref;
    return REF_NULL;
}

/* What lies in a CD drive, where the row says something else than the guest. */
static void record_medium(struct txn *t, const struct vbd *vbd, const struct agent_device *d)
{
    const struct vdi *vdi = db_vdi(txn_db(t), vbd->VDI);

    if (vdi && d->location && strcmp(text_of(vdi->location), d->location) == 0)
        return;
    vbd_set_vdi(t, vbd, find_vdi(txn_db(t), d));
    vbd_set_empty(t, vbd, ref_is_null(vbd->VDI));
}

static void record_drive(struct txn *t, const struct vbd *vbd, const struct agent_device *d)
{
    char name[8];

    vbd_set_currently_attached(t, vbd, d != NULL);
    if (!d)
        return;
    device_name((unsigned)device_number(vbd->userdevice), name);
    vbd_set_device(t, vbd, name);
    if (vbd->type == VBD_TYPE_CD)
        record_medium(t, vbd, d);
}

/* Drives and NICs are attached that the guest has: rows may have come and gone since it was started. */
static void record_devices(struct txn *t, const struct vm *vm, const struct vm_guest *g)
{
    FOREACH_REFERRER (txn_db(t), vbd, vbd, VBD, VM, vm->row.ref)
        record_drive(t, vbd, find_device(g, vbd->uuid));
    FOREACH_REFERRER (txn_db(t), vif, vif, VIF, VM, vm->row.ref)
        vif_set_currently_attached(t, vif, find_device(g, vif->uuid) != NULL);
}

/* The same for a VM that has no guest. */
static void attach_devices(struct txn *t, const struct vm *vm, bool attached)
{
    FOREACH_REFERRER (txn_db(t), vbd, vbd, VBD, VM, vm->row.ref)
        vbd_set_currently_attached(t, vbd, attached);
    FOREACH_REFERRER (txn_db(t), vif, vif, VIF, VM, vm->row.ref)
        vif_set_currently_attached(t, vif, attached);
}

static void measure(struct txn *t, const struct vm *vm, const struct hv_vm_facts *facts)
{
    const struct vm_metrics *metrics = db_vm_metrics(txn_db(t), vm->metrics);
    bool direct = !text_of(vm->HVM_boot_policy)[0] && text_of(vm->PV_kernel)[0];

    if (!metrics)
        return;
    vm_metrics_set_start_time(t, metrics, facts->start_time ? facts->start_time : clock_wall());
    vm_metrics_set_vcpus_number(t, metrics, vm->VCPUs_at_startup);
    vm_metrics_set_vcpus_params(t, metrics, vm->VCPUs_params);
    vm_metrics_set_memory_actual(t, metrics, vm_memory_given(vm));
    vm_metrics_set_hvm(t, metrics, !direct);
    vm_metrics_set_current_domain_type(t, metrics, direct ? DOMAIN_TYPE_PVH : DOMAIN_TYPE_HVM);
    vm_metrics_set_last_updated(t, metrics, clock_wall());
}

int co_vm_guest_look(struct xapid *x, void *ctx, struct ref host, const char *uuid,
                     const struct hv_vm_facts *facts, struct vm_guest *ret, struct err *e)
{
    struct agent *agent = host_agent(x, host, e);

    if (!agent)
        return -1;
    *ret = (struct vm_guest){.host = host, .facts = *facts};
    return co_agent_vm_devices(agent, ctx, uuid, &ret->devices, &ret->n_devices, e);
}

void vm_record_started(struct txn *t, struct xapid *x, const struct vm *vm, const struct vm_guest *g)
{
    bool paused = g->facts.state == HV_STATE_PAUSED;

    vm_set_power_state(t, vm, paused ? VM_POWER_STATE_PAUSED : VM_POWER_STATE_RUNNING);
    vm_set_resident_on(t, vm, g->host);
    vm_set_scheduled_to_be_resident_on(t, vm, REF_NULL);
    vm_set_domid(t, vm, g->facts.domid);
    if (g->facts.memory_max > vm->memory_static_max) /* it grew, and that was not recorded */
        vm_set_memory_static_max(t, vm, g->facts.memory_max);
    vm_set_memory_target(t, vm, vm_memory_given(vm));
    vm_set_memory_overhead(t, vm, 0);
    vm_set_requires_reboot(t, vm, false);
    record_devices(t, vm, g);
    measure(t, vm, &g->facts);
    set_console(t, x, vm, CONSOLE_PROTOCOL_RFB, g->facts.vnc);
    set_console(t, x, vm, CONSOLE_PROTOCOL_VT100, g->facts.serial);
}

void vm_record_moved(struct txn *t, struct xapid *x, const struct vm *vm, struct ref host, int64_t domid)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);

    squeeze_look(vm->resident_on);
    squeeze_look(host);
    vm_set_resident_on(t, vm, host);
    vm_set_scheduled_to_be_resident_on(t, vm, REF_NULL);
    vm_set_domid(t, vm, domid);
    FOREACH_REFERRER (txn_db(t), console, console, CONSOLE, VM, vm->row.ref)
        console_set_location(t, console, console_url(mem, x, vm, console->row.ref));
}

/* ---- down ---- */

static void drop_guest_metrics(struct txn *t, const struct vm *vm)
{
    const struct row *metrics = db_get(txn_db(t), CLASS_VM_GUEST_METRICS, vm->guest_metrics);

    vm_set_guest_metrics(t, vm, REF_NULL);
    if (metrics)
        db_delete(t, metrics);
}

/* There is no domain. */
static void record_down(struct txn *t, const struct vm *vm, enum vm_power_state state)
{
    const struct vm_metrics *metrics = db_vm_metrics(txn_db(t), vm->metrics);

    squeeze_look(vm->resident_on);
    squeeze_look(vm->scheduled_to_be_resident_on);
    vm_set_power_state(t, vm, state);
    vm_set_resident_on(t, vm, REF_NULL);
    vm_set_scheduled_to_be_resident_on(t, vm, REF_NULL);
    vm_set_domid(t, vm, -1);
    drop_consoles(t, vm);
    drop_guest_metrics(t, vm);
    if (metrics) {
        vm_metrics_set_memory_actual(t, metrics, 0);
        vm_metrics_set_last_updated(t, metrics, clock_wall());
    }
}

void vm_record_stopped(struct txn *t, const struct vm *vm)
{
    record_down(t, vm, VM_POWER_STATE_HALTED);
    vm_set_memory_target(t, vm, 0);
    vm_set_requires_reboot(t, vm, false);
    attach_devices(t, vm, false);
}

void vm_record_suspended(struct txn *t, const struct vm *vm)
{
    record_down(t, vm, VM_POWER_STATE_SUSPENDED);
    attach_devices(t, vm, true);
}

void vm_record_rebooted(struct txn *t, const struct vm *vm, int64_t when)
{
    const struct vm_metrics *metrics = db_vm_metrics(txn_db(t), vm->metrics);

    drop_guest_metrics(t, vm);
    if (metrics) {
        vm_metrics_set_start_time(t, metrics, when);
        vm_metrics_set_last_updated(t, metrics, clock_wall());
    }
}

void co_vm_record_truth(struct call *c, struct ref ref)
{
    CLEANUP_ERR struct err e = {0};
    struct agent *agent = vm_agent(c->x, ref, &e);
    enum hv_state state;

    if (!agent || co_agent_vm_state(agent, talloc_strdup(c->mem, db_vm(c->db, ref)->uuid), &state, &e) < 0 ||
        state == HV_STATE_GONE)
        return;
    union value v = {.i = state == HV_STATE_PAUSED ? VM_POWER_STATE_PAUSED : VM_POWER_STATE_RUNNING};
    (void)call_set_field(c, CLASS_VM, ref, VM_F_POWER_STATE, v, &e);
}
