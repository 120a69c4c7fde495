/* Guests live on when the daemon ends, or loses sight of their host: once they are found again the rows are
 * made true. */
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "db/setters.gen.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "xapid/host/bootstrap.h"
#include "xapid/host/host_agent.h"
#include "xapid/network/vif.h"
#include "xapid/op_rules.h"
#include "xapid/reftext.h"
#include "xapid/storage/sr.h"
#include "xapid/vm/crossing.h"
#include "xapid/vm/image.h"
#include "xapid/vm/lifecycle.h"
#include "xapid/vm/placement.h"
#include "xapid/vm/record.h"
#include "xapid/vm/share.h"
#include "xapid/vm/spec.h"
#include "xapid/vm/squeeze.h"
#include "xapid/vm/vm.h"

void host_guests_add(struct host_guests *g, const char *uuid, const struct hv_vm_facts *f)
{
    if (g->n % 64 == 0)
        g->v = talloc_realloc(g, g->v, struct agent_guest, g->n + 64);
    g->v[g->n] = (struct agent_guest){.facts = *f};
    strncpy(g->v[g->n++].uuid, uuid, UUID_TEXT_SIZE - 1);
}

/* One host's guests being taken over. */
struct adoption {
    struct xapid *x;
    struct ref host;
    struct host_guests *guests; /* sorted by uuid */
    struct vm_guest *looks;     /* of each guest that is kept, in the same order */
    uint64_t *as_of;            /* the database's generation when each was last seen; 0: does not matter */
};

static int compare_guests(const void *a, const void *b)
{
    return strcmp(((const struct agent_guest *)a)->uuid, ((const struct agent_guest *)b)->uuid);
}

/* Which guest the VM has on the host; -1: none. */
static int find(const struct adoption *a, const char *uuid)
{
    struct agent_guest key = {{0}, {0}};

    strncpy(key.uuid, uuid, UUID_TEXT_SIZE - 1);
    const struct agent_guest *g =
        a->guests->n ? bsearch(&key, a->guests->v, a->guests->n, sizeof key, compare_guests) : NULL;
    return g && g->facts.state != HV_STATE_GONE ? (int)(g - a->guests->v) : -1;
}

/* Could a guest of this VM be running? */
static bool may_run(const struct vm *vm)
{
    return vm && !vm->is_a_template && !vm->is_control_domain;
}

/* Is the VM up, as far as is recorded, on a host that is not this one? */
static bool is_elsewhere(const struct adoption *a, const struct vm *vm)
{
    return vm_is_up(vm) && !ref_is_null(vm->resident_on) && !ref_equal(vm->resident_on, a->host);
}

/* Is it recorded as up on this host? What does not say where was here, as all is in a pool of one. */
static bool is_here(const struct adoption *a, const struct vm *vm)
{
    return vm_is_up(vm) && (ref_equal(vm->resident_on, a->host) ||
                            (ref_is_null(vm->resident_on) && ref_equal(a->host, a->x->host)));
}

/* Was the guest made after what the database says of its VM? Numbers of domains only grow. */
static bool is_news(const struct agent_guest *g, const struct vm *vm)
{
    return g->facts.passage == HV_PASSAGE_NONE && g->facts.domid > vm->domid;
}

/* The VM that a guest stands for; NULL when it is to be ended: an operation that was undone by a crash, a
 * database from before, a guest that has moved on, or was on its way here when the attempt was given up. */
static const struct vm *vm_of(const struct adoption *a, const struct agent_guest *g)
{
    const struct vm *vm = (const struct vm *)db_get_by_uuid(a->x->db, CLASS_VM, g->uuid);

    if (!may_run(vm) || (is_elsewhere(a, vm) && !is_news(g, vm)))
        return NULL;
    return g->facts.passage != HV_PASSAGE_ARRIVING || is_here(a, vm) ? vm : NULL;
}

/* Is an operation at work on the VM that knows better, and settles it; or has another pool to be asked? */
static bool is_busy(struct xapid *x, const char *uuid)
{
    const struct vm *vm = (const struct vm *)db_get_by_uuid(x->db, CLASS_VM, uuid);

    return vm && (op_current_has(vm->current_operations, lifecycle_operations()) || crossing_is_leaving(vm));
}

/* Has the VM changed since its guest (i; -1: none) was seen? Then an operation may have been at work. */
static bool has_changed(const struct adoption *a, const struct vm *vm, int i)
{
    uint64_t as_of = i >= 0 ? a->as_of[i] : a->guests->as_of;

    return as_of > 0 && vm->row.modified > as_of;
}

/* ---- guests ---- */

/* One that has moved on may still have to hand over the last of its memory. */
static void co_end(struct agent *agent, struct agent_guest *g)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    CLEANUP_ERR struct err second = {0};

    if (g->facts.state == HV_STATE_GONE)
        log_info("removing what guest %s has left", g->uuid);
    else
        log_warning("ending guest %s, which no VM stands for", g->uuid);
    if (g->facts.passage == HV_PASSAGE_LEFT && co_agent_vm_move_drain(agent, g->uuid, NULL, NULL, &e) < 0)
        log_warning("the memory of guest %s: %s", g->uuid, err_text(mem, &e));
    if (co_agent_vm_stop(agent, g->uuid, &second) < 0)
        log_warning("ending guest %s: %s", g->uuid, err_text(mem, &second));
    g->facts.state = HV_STATE_GONE;
}

static void co_end_unknown(struct adoption *a, struct agent *agent)
{
    for (unsigned i = 0; i < a->guests->n; i++) {
        struct agent_guest *g = &a->guests->v[i];

        if (!is_busy(a->x, g->uuid) && (g->facts.state == HV_STATE_GONE || !vm_of(a, g)))
            co_end(agent, g);
    }
}

/* A guest that was on its way is where its VM is recorded, which is here. */
static void co_settle_passage(struct agent *agent, struct agent_guest *g)
{
    CLEANUP_ERR struct err e = {0};
    int rc = g->facts.passage == HV_PASSAGE_ARRIVING ? co_agent_vm_move_accept(agent, g->uuid, &e)
                                                     : co_agent_vm_move_cancel(agent, g->uuid, &e);

    if (rc < 0)
        log_warning("guest %s was on its way: %s", g->uuid, e.code);
    CLEANUP_ERR struct err second = {0};
    if (co_agent_vm_state(agent, g->uuid, &g->facts.state, &second) < 0)
        log_warning("guest %s: %s", g->uuid, second.code);
}

/* A guest that a suspend, a resume or a checkpoint left standing still: where the VM counts as suspended the
 * image is the guest, and else it goes on. */
static void co_settle_held(struct agent *agent, struct agent_guest *g, const struct vm *vm)
{
    CLEANUP_ERR struct err e = {0};

    if (vm->power_state == VM_POWER_STATE_SUSPENDED && g->facts.state == HV_STATE_PAUSED) {
        if (co_agent_vm_stop(agent, g->uuid, &e) == 0)
            g->facts.state = HV_STATE_GONE;
    } else if (vm->power_state == VM_POWER_STATE_RUNNING && g->facts.held) {
        if (co_agent_vm_unpause(agent, g->uuid, &e) == 0)
            g->facts.state = HV_STATE_RUNNING;
    }
    if (err_is_set(&e))
        log_warning("guest %s stands still: %s", g->uuid, e.code);
}

/* A disk that was on its way to other storage is where it is recorded. */
static void co_settle_drive(const struct adoption *a, struct agent *agent, const char *uuid,
                            const char *vbd_uuid, void *mem)
{
    const struct vbd *vbd = (const struct vbd *)db_get_by_uuid(a->x->db, CLASS_VBD, vbd_uuid);
    const struct vm *vm = vbd ? db_vm(a->x->db, vbd->VM) : NULL;
    CLEANUP_ERR struct err e = {0};
    struct agent_disk disk;

    if (!vm || !db_vdi(a->x->db, vbd->VDI))
        return;
    if (vm_describe_disk(a->x, mem, vm, vbd, a->host, &disk, &e) < 0 ||
        co_agent_vm_settle_disk(agent, uuid, &disk, &e) < 0)
        log_warning("a disk of guest %s was on its way: %s", uuid, err_text(mem, &e));
}

static void co_settle_disks(const struct adoption *a, struct agent *agent, const char *uuid)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    struct agent_device *devices;
    unsigned n;

    if (co_agent_vm_devices(agent, mem, uuid, &devices, &n, &e) < 0)
        return;
    for (unsigned i = 0; i < n; i++)
        if (devices[i].copying)
            co_settle_drive(a, agent, uuid, devices[i].uuid, mem);
}

/* One that was just given memory may not have been told yet how much of it is its own. */
static void co_settle_memory(struct agent *agent, const struct agent_guest *g, const struct vm *vm)
{
    CLEANUP_ERR struct err e = {0};

    if (g->facts.state == HV_STATE_RUNNING && g->facts.memory_max > vm->memory_static_max &&
        co_agent_vm_set_memory(agent, g->uuid, vm_memory_given(vm), &e) < 0)
        log_warning("guest %s is not told what memory it may have: %s", g->uuid, e.code);
}

/* What the list says of the guest may be older than what the database says of its VM. */
static int co_see_again(struct adoption *a, struct agent *agent, unsigned i, struct err *e)
{
    struct agent_guest *g = &a->guests->v[i];
    const struct vm *vm = vm_of(a, g);

    a->as_of[i] = a->guests->as_of;
    if (!vm || !has_changed(a, vm, (int)i))
        return 0;
    a->as_of[i] = db_generation(a->x->db);
    return co_agent_vm_state(agent, g->uuid, &g->facts.state, e);
}

/* Settle what was left in between, and learn which devices the guests have. */
static int co_look_at_guests(struct adoption *a, struct agent *agent, struct err *e)
{
    a->looks = talloc_zero_array(a->guests, struct vm_guest, a->guests->n + 1);
    a->as_of = talloc_zero_array(a->guests, uint64_t, a->guests->n + 1);
    for (unsigned i = 0; i < a->guests->n; i++) {
        struct agent_guest *g = &a->guests->v[i];
        if (co_see_again(a, agent, i, e) < 0)
            return -1;
        if (is_busy(a->x, g->uuid))
            continue;
        if (vm_of(a, g) && g->facts.passage != HV_PASSAGE_NONE)
            co_settle_passage(agent, g);
        if (vm_of(a, g) && g->facts.state != HV_STATE_GONE)
            co_settle_disks(a, agent, g->uuid);
        const struct vm *vm = vm_of(a, g);
        if (vm)
            co_settle_held(agent, g, vm);
        if ((vm = vm_of(a, g)))
            co_settle_memory(agent, g, vm);
        if (g->facts.state != HV_STATE_GONE &&
            co_vm_guest_look(a->x, a->guests, a->host, g->uuid, &g->facts, &a->looks[i], e) < 0)
            return -1;
    }
    return 0;
}

/* ---- rows ---- */

/* One that has crashed is settled afterwards, unless it was already. */
static void record_guest(struct txn *t, const struct adoption *a, const struct vm *vm,
                         const struct vm_guest *g)
{
    bool crashed = g->facts.crashed && vm->power_state != VM_POWER_STATE_PAUSED;

    vm_record_started(t, a->x, vm, g);
    if (crashed) {
        vm_set_power_state(t, vm, VM_POWER_STATE_RUNNING);
        lifecycle_guest_crashed(a->x, a->host, vm->uuid);
    }
}

static void mend_one(struct txn *t, const struct adoption *a, const struct vm *vm)
{
    int i = find(a, vm->uuid);

    if (is_busy(a->x, vm->uuid) || has_changed(a, vm, i)) {
        if (is_here(a, vm))
            lifecycle_guest_gone(a->x, a->host, vm->uuid, HV_STOP_KILLED); /* if so, once that has ended */
    } else if (i >= 0 && vm_of(a, &a->guests->v[i])) {
        if (!vm_is_up(vm))
            log_info("VM %s is up though it was not recorded so", vm->uuid);
        record_guest(t, a, vm, &a->looks[i]);
    } else if (i < 0 && is_here(a, vm)) {
        log_info("VM %s has ended while the daemon was away", vm->uuid);
        vm_record_stopped(t, vm);
        vm_post_message(t, vm, "VM_SHUTDOWN");
    }
}

/* One transaction for all, so that nobody sees half of it. */
static int mend_rows(const struct adoption *a, struct err *e)
{
    struct txn *t = db_begin(a->x->db);

    DB_FOREACH_VM (a->x->db, vm)
        if (may_run(vm))
            mend_one(t, a, vm);
    placement_forget_reservations(t, a->host);
    return db_commit(t, e);
}

/* Memory images of VMs that are not suspended (any more), on storage that this host has. */
static void co_forget_images(const struct adoption *a)
{
    CLEANUP_BUF struct buf refs = {0};

    DB_FOREACH_VM (a->x->db, vm) {
        const struct vdi *image = db_vdi(a->x->db, vm->suspend_VDI);
        if (may_run(vm) && vm->power_state != VM_POWER_STATE_SUSPENDED && !ref_is_null(vm->suspend_VDI) &&
            (!image || sr_is_attached_at(a->x->db, image->SR, a->host)))
            buf_add(&refs, &vm->row.ref, sizeof vm->row.ref);
    }
    for (size_t i = 0; i < refs.len / sizeof(struct ref); i++)
        co_image_forget(a->x, ((struct ref *)(void *)refs.data)[i]);
}

int co_host_adopt(struct xapid *x, struct ref host, struct host_guests *g, struct err *e)
{
    struct adoption a = {.x = x, .host = host, .guests = g};
    struct agent *agent = host_agent(x, host, e);

    if (!agent)
        return -1;
    if (g->n)
        qsort(g->v, g->n, sizeof *g->v, compare_guests);
    co_end_unknown(&a, agent);
    if (co_look_at_guests(&a, agent, e) < 0 || mend_rows(&a, e) < 0)
        return -1;
    squeeze_look_anew(host);
    vif_restore(x, host);
    co_forget_images(&a);
    return 0;
}
