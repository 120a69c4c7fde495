/* Guests that move from one simulated host to another. Nothing is sent: who has the guest is all there is to
 * it.
 */
#include "hv/sim/sim.h"
#include "lib/clock.h"
#include "model/errors.gen.h"

#define PORT 49152 /* what a coordinator is told; nobody listens there */

static bool is_in(const struct sim_vm *vm, enum hv_passage_state passage)
{
    return vm->record.passage == passage;
}

/* Take the time of a step for a guest that is in this state of its passage before and after; NULL with *e
 * filled. */
static struct sim_vm *co_step(struct hv *hv, const char *uuid, enum sim_op op, enum hv_passage_state passage,
                              struct err *e)
{
    struct sim_hv *s = sim_of(hv);
    struct sim_vm *vm = sim_find_started(s, uuid);

    if (vm && co_sim_meet_fate(s, op, uuid, CLOCK_NEVER, e) < 0)
        return NULL;
    vm = sim_find_started(s, uuid);
    if (!vm)
        sim_fail_halted(e, uuid);
    else if (!is_in(vm, passage))
        err_internal(e, "sim %s: %s is not on its way", sim_op_name(op), uuid);
    return vm && is_in(vm, passage) ? vm : NULL;
}

static int set_passage(struct sim_vm *vm, enum hv_passage_state passage, bool paused, struct err *e)
{
    int r;

    vm->record.passage = passage;
    vm->record.paused = paused;
    r = sim_store_set_state(vm->hv->store, &vm->record);
    return r < 0 ? err_errno(e, r, "the passage of %s", vm->record.uuid) : 0;
}

static bool has_come_to(struct hv *hv, const char *uuid, enum hv_passage_state passage)
{
    const struct sim_vm *vm = sim_find_started(sim_of(hv), uuid);

    return vm && is_in(vm, passage);
}

/* ---- the destination ---- */

int co_sim_receive(struct hv *hv, const struct hv_vm_spec *spec, const struct hv_passage *p,
                   struct hv_reception *ret, struct err *e)
{
    const struct sim_record how = {
        .paused = true, .stays_paused = spec->start_paused, .passage = HV_PASSAGE_ARRIVING};
    struct hv_reception r = {.memory_port = PORT, .disk_port = p->n_mirrors > 0 ? PORT : 0};

    if (has_come_to(hv, spec->uuid, HV_PASSAGE_ARRIVING))
        sim_facts(sim_find_started(sim_of(hv), spec->uuid), &r.facts);
    else if (co_sim_bring_up(sim_of(hv), spec, &how, SIM_RECEIVE, &r.facts, e) < 0)
        return -1;
    *ret = r;
    return 0;
}

int co_sim_move_switch(struct hv *hv, const char *uuid, struct err *e)
{
    return co_step(hv, uuid, SIM_SWITCH, HV_PASSAGE_ARRIVING, e) ? 0 : -1;
}

int co_sim_move_accept(struct hv *hv, const char *uuid, struct err *e)
{
    struct sim_vm *vm;

    if (has_come_to(hv, uuid, HV_PASSAGE_NONE))
        return 0;
    vm = co_step(hv, uuid, SIM_ACCEPT, HV_PASSAGE_ARRIVING, e);
    if (!vm)
        return -1;
    sim_begin_life(vm);
    return set_passage(vm, HV_PASSAGE_NONE, vm->record.stays_paused, e);
}

/* ---- the source ---- */

/* Whatever became of the attempt, it is over. */
static void give_up(struct hv *hv, const char *uuid)
{
    struct sim_vm *vm = sim_find_started(sim_of(hv), uuid);
    CLEANUP_ERR struct err ignored = {0};

    if (vm)
        set_passage(vm, HV_PASSAGE_NONE, vm->record.stays_paused, &ignored);
}

int co_sim_move_prepare(struct hv *hv, const char *uuid, const struct hv_passage *p, hv_progress_fn *progress,
                        void *arg, struct err *e)
{
    struct sim_vm *vm = sim_find_started(sim_of(hv), uuid);

    if (!vm)
        return sim_fail_halted(e, uuid);
    if (vm->record.passage == HV_PASSAGE_LEAVING || vm->record.passage == HV_PASSAGE_LEFT)
        return 0;
    vm->record.stays_paused = vm->record.paused;
    if (set_passage(vm, HV_PASSAGE_LEAVING, vm->record.paused, e) < 0)
        return -1;
    if (progress)
        progress(0.5, arg);
    vm = co_step(hv, uuid, SIM_MOVE, HV_PASSAGE_LEAVING, e);
    if (vm && set_passage(vm, HV_PASSAGE_LEAVING, true, e) == 0)
        return 0;
    give_up(hv, uuid);
    return -1;
}

int co_sim_move_finish(struct hv *hv, const char *uuid, struct err *e)
{
    struct sim_vm *vm;

    if (has_come_to(hv, uuid, HV_PASSAGE_LEFT))
        return 0;
    vm = co_step(hv, uuid, SIM_FINISH, HV_PASSAGE_LEAVING, e);
    if (!vm)
        return -1;
    sim_end_life(vm);
    return set_passage(vm, HV_PASSAGE_LEFT, true, e);
}

int co_sim_move_drain(struct hv *hv, const char *uuid, hv_progress_fn *progress, void *arg, struct err *e)
{
    return co_step(hv, uuid, SIM_DRAIN, HV_PASSAGE_LEFT, e) ? 0 : -1;
}

int co_sim_move_cancel(struct hv *hv, const char *uuid, struct err *e)
{
    struct sim_hv *s = sim_of(hv);
    struct sim_vm *vm = sim_find_started(s, uuid);

    if (vm && is_in(vm, HV_PASSAGE_NONE))
        return 0;
    if (vm && co_sim_meet_fate(s, SIM_CANCEL, uuid, CLOCK_NEVER, e) < 0)
        return -1;
    vm = sim_find_started(s, uuid);
    if (!vm)
        return sim_fail_halted(e, uuid);
    if (!vm->lives)
        sim_begin_life(vm);
    return set_passage(vm, HV_PASSAGE_NONE, vm->record.stays_paused, e);
}

/* ---- disks that go to other storage of the same host ---- */

/* Nothing is copied: there is nothing on the disks. */
int co_sim_mirror_disk(struct hv *hv, const char *uuid, const struct hv_disk *copy, hv_progress_fn *progress,
                       void *arg, struct err *e)
{
    struct sim_hv *s = sim_of(hv);

    if (progress)
        progress(0.5, arg);
    if (co_sim_meet_fate(s, SIM_MIRROR, uuid, CLOCK_NEVER, e) < 0)
        return -1;
    return sim_find_started(s, uuid) ? 0 : sim_fail_halted(e, uuid);
}

int co_sim_settle_disk(struct hv *hv, const char *uuid, const struct hv_disk *disk, struct err *e)
{
    struct sim_hv *s = sim_of(hv);

    if (co_sim_meet_fate(s, SIM_SETTLE, uuid, CLOCK_NEVER, e) < 0)
        return -1;
    return sim_find_started(s, uuid) ? 0 : sim_fail_halted(e, uuid);
}
