/* Guests live on when the daemon ends: at its next start they are found and the rows made true again. */
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "db/setters.gen.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "xapid/host/bootstrap.h"
#include "xapid/reftext.h"
#include "xapid/vm/image.h"
#include "xapid/vm/record.h"

struct found {
    char uuid[UUID_TEXT_SIZE];
    struct hv_vm_facts facts;
};

struct adoption {
    void *mem;
    struct found *found;
    unsigned n;
};

static void add_found(const char *uuid, const struct hv_vm_facts *f, void *arg)
{
    struct adoption *a = arg;

    if (a->n % 64 == 0)
        a->found = talloc_realloc(a->mem, a->found, struct found, a->n + 64);
    memset(&a->found[a->n], 0, sizeof a->found[a->n]);
    strncpy(a->found[a->n].uuid, uuid, UUID_TEXT_SIZE - 1);
    a->found[a->n++].facts = *f;
}

static int compare_found(const void *a, const void *b)
{
    return strcmp(((const struct found *)a)->uuid, ((const struct found *)b)->uuid);
}

static const struct found *find(const struct adoption *a, const char *uuid)
{
    struct found key = {{0}, {0}};

    strncpy(key.uuid, uuid, UUID_TEXT_SIZE - 1);
    const struct found *f = a->n ? bsearch(&key, a->found, a->n, sizeof key, compare_found) : NULL;
    return f && f->facts.state != HV_STATE_GONE ? f : NULL;
}

/* Could a guest of this VM be running? */
static bool may_run(const struct vm *vm)
{
    return vm && !vm->is_a_template && !vm->is_control_domain;
}

static void mend_one(struct txn *t, struct xapid *x, const struct vm *vm, const struct adoption *a)
{
    const struct found *f = find(a, vm->uuid);
    bool up = vm->power_state == VM_POWER_STATE_RUNNING || vm->power_state == VM_POWER_STATE_PAUSED;

    if (f) {
        if (!up)
            log_info("VM %s is up though it was not recorded so", vm->uuid);
        vm_record_started(t, x, vm, &f->facts);
    } else if (up && (ref_equal(vm->resident_on, x->host) || ref_is_null(vm->resident_on))) {
        log_info("VM %s has ended while the daemon was away", vm->uuid);
        vm_record_stopped(t, vm);
        vm_post_message(t, vm, "VM_SHUTDOWN");
    }
}

/* One transaction for all, so that nobody sees half of it. */
static int mend_rows(struct xapid *x, const struct adoption *a, struct err *e)
{
    struct txn *t = db_begin(x->db);

    DB_FOREACH_VM (x->db, vm)
        if (may_run(vm))
            mend_one(t, x, vm, a);
    return db_commit(t, e);
}

/* Guests that no VM stands for: an operation that was undone by the crash, or a database from before. */
static void co_end_unknown(struct xapid *x, const struct adoption *a)
{
    for (unsigned i = 0; i < a->n; i++) {
        CLEANUP_ERR struct err e = {0};
        if (may_run((const struct vm *)db_get_by_uuid(x->db, CLASS_VM, a->found[i].uuid)))
            continue;
        log_warning("ending guest %s, which no VM stands for", a->found[i].uuid);
        if (co_agent_vm_stop(x->agent, a->found[i].uuid, &e) < 0)
            log_warning("ending guest %s: %s", a->found[i].uuid, err_text(a->mem, &e));
    }
}

/* A guest that a suspend, a resume or a checkpoint left standing still: where the VM counts as suspended the
 * image is the guest, and else it goes on. */
static void co_settle_held(struct xapid *x, struct found *f, const struct vm *vm)
{
    CLEANUP_ERR struct err e = {0};

    if (vm->power_state == VM_POWER_STATE_SUSPENDED && f->facts.state == HV_STATE_PAUSED) {
        if (co_agent_vm_stop(x->agent, f->uuid, &e) == 0)
            f->facts.state = HV_STATE_GONE;
    } else if (vm->power_state == VM_POWER_STATE_RUNNING && f->facts.held) {
        if (co_agent_vm_unpause(x->agent, f->uuid, &e) == 0)
            f->facts.state = HV_STATE_RUNNING;
    }
    if (err_is_set(&e))
        log_warning("guest %s stands still: %s", f->uuid, e.code);
}

static void co_settle_all_held(struct xapid *x, const struct adoption *a)
{
    for (unsigned i = 0; i < a->n; i++) {
        const struct vm *vm = (const struct vm *)db_get_by_uuid(x->db, CLASS_VM, a->found[i].uuid);
        if (may_run(vm))
            co_settle_held(x, &a->found[i], vm);
    }
}

/* Memory images of VMs that are not suspended (any more). */
static void co_forget_images(struct xapid *x)
{
    CLEANUP_BUF struct buf refs = {0};

    DB_FOREACH_VM (x->db, vm)
        if (may_run(vm) && vm->power_state != VM_POWER_STATE_SUSPENDED && !ref_is_null(vm->suspend_VDI))
            buf_add(&refs, &vm->row.ref, sizeof vm->row.ref);
    for (size_t i = 0; i < refs.len / sizeof(struct ref); i++)
        co_image_forget(x, ((struct ref *)(void *)refs.data)[i]);
}

int co_host_adopt(struct xapid *x, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct adoption a = {.mem = mem};

    if (co_agent_adopt(x->agent, add_found, &a, e) < 0)
        return -1;
    if (a.n)
        qsort(a.found, a.n, sizeof *a.found, compare_found);
    co_end_unknown(x, &a);
    co_settle_all_held(x, &a);
    if (mend_rows(x, &a, e) < 0)
        return -1;
    co_forget_images(x);
    return 0;
}
