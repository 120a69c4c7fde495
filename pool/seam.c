/* pool/agent.h: arguments are gathered, and the agent of this host or another does it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "pool/operations.h"
#include "pool/remote.h"

#ifdef AGENT_AS_IF_REMOTE
static int pass(const struct codec_type *type, const void *value, void *ctx, void *ret, struct err *e)
{
    json_t *j = codec_encode(type, value);
    int rc = j ? codec_decode(type, j, ctx, ret, e) : err_internal(e, "text that is no UTF-8");

    json_decref(j);
    return rc;
}

/* In the build for the sanitizers arguments and results pass through the codec here too: what could not go to
 * another host shows in the tests of a single one. */
static int co_do_here(struct agent *a, const struct agent_operation *op, const struct agent_call *c,
                      struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err ignored = {0};
    struct agent_call passed = {.args = talloc_zero_size(mem, op->args->size),
                                .result = op->result ? talloc_zero_size(mem, op->result->size) : NULL,
                                .ctx = mem,
                                .progress = c->progress,
                                .progress_arg = c->progress_arg};

    if (pass(op->args, c->args, mem, (void *)(uintptr_t)passed.args, e) < 0)
        return -1;
    int rc = op->co_run(a, &passed, e);
    if (!op->result)
        return rc;
    if (rc == 0)
        return pass(op->result, passed.result, c->ctx, c->result, e);
    if (pass(op->result, passed.result, c->ctx, c->result, &ignored) < 0)
        memset(c->result, 0, op->result->size);
    return -1;
}
#else
static int co_do_here(struct agent *a, const struct agent_operation *op, const struct agent_call *c,
                      struct err *e)
{
    return op->co_run(a, c, e);
}
#endif

int co_agent_do(struct agent *a, enum agent_operation_id id, const struct agent_call *c, struct err *e)
{
    const struct agent_operation *op = &agent_operations[id];

    return a->remote ? co_remote_do(a->remote, op, c, e) : co_do_here(a, op, c, e);
}

bool agent_is_remote(const struct agent *a)
{
    return a->remote != NULL;
}

bool agent_outcome_unknown(const struct err *e)
{
    return err_is(e, "CANNOT_CONTACT_HOST");
}

/* ---- arguments ---- */

static void put_uuid(char to[UUID_TEXT_SIZE], const char *uuid)
{
    snprintf(to, UUID_TEXT_SIZE, "%s", uuid);
}

static int64_t ms_until(int64_t deadline)
{
    int64_t left = deadline - clock_now();

    if (deadline == CLOCK_NEVER)
        return -1;
    return left > 0 ? left / 1000000 + 1 : 0;
}

static int co_guest(struct agent *a, enum agent_operation_id id, const char *uuid, struct err *e)
{
    struct guest_args g;

    put_uuid(g.uuid, uuid);
    return co_agent_do(a, id, &(struct agent_call){.args = &g}, e);
}

static int co_guest_timed(struct agent *a, enum agent_operation_id id, const char *uuid, int64_t deadline,
                          struct err *e)
{
    struct guest_timed_args g = {.timeout_ms = ms_until(deadline)};

    put_uuid(g.uuid, uuid);
    return co_agent_do(a, id, &(struct agent_call){.args = &g}, e);
}

static int co_disk(struct agent *a, enum agent_operation_id id, const char *uuid, const struct agent_disk *d,
                   int64_t size, struct err *e)
{
    struct disk_args args = {.disk = *d, .size = size};

    put_uuid(args.uuid, uuid);
    return co_agent_do(a, id, &(struct agent_call){.args = &args}, e);
}

static int co_sr(struct agent *a, enum agent_operation_id id, const struct sm_sr *sr, struct err *e)
{
    return co_agent_do(a, id, &(struct agent_call){.args = &(struct sr_args){.sr = *sr}}, e);
}

/* ---- life of guests ---- */

int co_agent_vm_start(struct agent *a, const struct agent_vm_spec *spec, struct hv_vm_facts *ret,
                      struct err *e)
{
    return co_agent_do(a, AGENT_VM_START, &(struct agent_call){.args = spec, .result = ret}, e);
}

int co_agent_vm_clean(struct agent *a, const char *uuid, struct err *e)
{
    return co_guest(a, AGENT_VM_CLEAN, uuid, e);
}

int co_agent_vm_stop(struct agent *a, const char *uuid, struct err *e)
{
    return co_guest(a, AGENT_VM_STOP, uuid, e);
}

int co_agent_vm_shutdown(struct agent *a, const char *uuid, int64_t deadline, struct err *e)
{
    return co_guest_timed(a, AGENT_VM_SHUTDOWN, uuid, deadline, e);
}

int co_agent_vm_reboot(struct agent *a, const char *uuid, int64_t deadline, struct err *e)
{
    return co_guest_timed(a, AGENT_VM_REBOOT, uuid, deadline, e);
}

int co_agent_vm_reset(struct agent *a, const char *uuid, struct err *e)
{
    return co_guest(a, AGENT_VM_RESET, uuid, e);
}

int co_agent_vm_pause(struct agent *a, const char *uuid, struct err *e)
{
    return co_guest(a, AGENT_VM_PAUSE, uuid, e);
}

int co_agent_vm_unpause(struct agent *a, const char *uuid, struct err *e)
{
    return co_guest(a, AGENT_VM_UNPAUSE, uuid, e);
}

int co_agent_vm_set_processors(struct agent *a, const char *uuid, unsigned n, const struct map *params,
                               unsigned *ret_now, struct err *e)
{
    struct processors_args args = {.n = n, .params = params};
    struct processors_result result = {0};

    put_uuid(args.uuid, uuid);
    int rc =
        co_agent_do(a, AGENT_VM_SET_PROCESSORS, &(struct agent_call){.args = &args, .result = &result}, e);
    if (result.known)
        *ret_now = result.now;
    return rc;
}

int co_agent_vm_trigger(struct agent *a, const char *uuid, enum hv_trigger trigger, char key, struct err *e)
{
    struct trigger_args args = {.trigger = trigger, .key = {key}};

    put_uuid(args.uuid, uuid);
    return co_agent_do(a, AGENT_VM_TRIGGER, &(struct agent_call){.args = &args}, e);
}

int co_agent_vm_command(struct agent *a, const char *uuid, const struct hv_command *c, int64_t deadline,
                        void *ctx, struct hv_command_result *ret, struct err *e)
{
    struct command_args args = {.command = *c, .timeout_ms = ms_until(deadline)};

    put_uuid(args.uuid, uuid);
    return co_agent_do(a, AGENT_VM_COMMAND, &(struct agent_call){.args = &args, .result = ret, .ctx = ctx},
                       e);
}

int co_agent_vm_set_memory(struct agent *a, const char *uuid, int64_t bytes, struct err *e)
{
    struct memory_args args = {.bytes = bytes};

    put_uuid(args.uuid, uuid);
    return co_agent_do(a, AGENT_VM_SET_MEMORY, &(struct agent_call){.args = &args}, e);
}

int co_agent_vm_grow_memory(struct agent *a, const char *uuid, int64_t max, int64_t target, struct err *e)
{
    struct growth_args args = {.max = max, .target = target};

    put_uuid(args.uuid, uuid);
    return co_agent_do(a, AGENT_VM_GROW_MEMORY, &(struct agent_call){.args = &args}, e);
}

int co_agent_vm_hold(struct agent *a, const char *uuid, struct err *e)
{
    return co_guest(a, AGENT_VM_HOLD, uuid, e);
}

int co_agent_vm_follow(struct agent *a, const char *uuid, const struct agent_disk *disk, struct err *e)
{
    return co_disk(a, AGENT_VM_FOLLOW, uuid, disk, 0, e);
}

int co_agent_vm_mirror_disk(struct agent *a, const char *uuid, const struct agent_disk *copy,
                            hv_progress_fn *progress, void *arg, struct err *e)
{
    struct disk_args args = {.disk = *copy};

    put_uuid(args.uuid, uuid);
    return co_agent_do(a, AGENT_VM_MIRROR_DISK,
                       &(struct agent_call){.args = &args, .progress = progress, .progress_arg = arg}, e);
}

int co_agent_vm_settle_disk(struct agent *a, const char *uuid, const struct agent_disk *disk, struct err *e)
{
    return co_disk(a, AGENT_VM_SETTLE_DISK, uuid, disk, 0, e);
}

static int co_to_image(struct agent *a, enum agent_operation_id id, const char *uuid,
                       const struct agent_image *to, hv_progress_fn *progress, void *arg, struct err *e)
{
    struct save_args args = {.image = *to};

    put_uuid(args.uuid, uuid);
    return co_agent_do(a, id, &(struct agent_call){.args = &args, .progress = progress, .progress_arg = arg},
                       e);
}

int co_agent_vm_save(struct agent *a, const char *uuid, const struct agent_image *to,
                     hv_progress_fn *progress, void *arg, struct err *e)
{
    return co_to_image(a, AGENT_VM_SAVE, uuid, to, progress, arg, e);
}

int co_agent_vm_dump(struct agent *a, const char *uuid, const struct agent_image *to,
                     hv_progress_fn *progress, void *arg, struct err *e)
{
    return co_to_image(a, AGENT_VM_DUMP, uuid, to, progress, arg, e);
}

int co_agent_vm_state(struct agent *a, const char *uuid, enum hv_state *ret, struct err *e)
{
    struct state_result result = {0};
    struct guest_args g;

    put_uuid(g.uuid, uuid);
    int rc = co_agent_do(a, AGENT_VM_STATE, &(struct agent_call){.args = &g, .result = &result}, e);
    if (rc == 0)
        *ret = result.state;
    return rc;
}

int co_agent_vm_console(struct agent *a, const char *uuid, const char *kind)
{
    return a->remote ? co_remote_console(a->remote, uuid, kind) : co_local_vm_console(a, uuid, kind);
}

/* ---- moves ---- */

int co_agent_vm_shape(struct agent *a, const char *uuid, void *ctx, const char **ret, struct err *e)
{
    struct shape_result result = {0};
    struct guest_args g;

    put_uuid(g.uuid, uuid);
    int rc =
        co_agent_do(a, AGENT_VM_SHAPE, &(struct agent_call){.args = &g, .result = &result, .ctx = ctx}, e);
    *ret = rc == 0 ? result.shape : NULL;
    if (rc == 0 || !err_is(e, "NOT_IMPLEMENTED")) /* an older host's guests are as their records say */
        return rc;
    err_clear(e);
    return 0;
}

int co_agent_vm_receive(struct agent *a, const struct agent_vm_spec *spec, const struct hv_passage *p,
                        struct hv_reception *ret, struct err *e)
{
    const struct receive_args args = {.spec = *spec, .passage = *p};

    return co_agent_do(a, AGENT_VM_RECEIVE, &(struct agent_call){.args = &args, .result = ret}, e);
}

int co_agent_vm_move_prepare(struct agent *a, const char *uuid, const struct hv_passage *p,
                             hv_progress_fn *progress, void *arg, struct err *e)
{
    struct prepare_args args = {.passage = *p};

    put_uuid(args.uuid, uuid);
    return co_agent_do(a, AGENT_VM_MOVE_PREPARE,
                       &(struct agent_call){.args = &args, .progress = progress, .progress_arg = arg}, e);
}

int co_agent_vm_move_switch(struct agent *a, const char *uuid, struct err *e)
{
    return co_guest(a, AGENT_VM_MOVE_SWITCH, uuid, e);
}

int co_agent_vm_move_finish(struct agent *a, const char *uuid, struct err *e)
{
    return co_guest(a, AGENT_VM_MOVE_FINISH, uuid, e);
}

int co_agent_vm_move_accept(struct agent *a, const char *uuid, struct err *e)
{
    return co_guest(a, AGENT_VM_MOVE_ACCEPT, uuid, e);
}

int co_agent_vm_move_drain(struct agent *a, const char *uuid, hv_progress_fn *progress, void *arg,
                           struct err *e)
{
    struct guest_args g;

    put_uuid(g.uuid, uuid);
    return co_agent_do(a, AGENT_VM_MOVE_DRAIN,
                       &(struct agent_call){.args = &g, .progress = progress, .progress_arg = arg}, e);
}

int co_agent_vm_move_cancel(struct agent *a, const char *uuid, struct err *e)
{
    return co_guest(a, AGENT_VM_MOVE_CANCEL, uuid, e);
}

/* ---- devices ---- */

int co_agent_plug_disk(struct agent *a, const char *vm_uuid, const struct agent_disk *d, struct err *e)
{
    return co_disk(a, AGENT_VM_PLUG_DISK, vm_uuid, d, 0, e);
}

static int co_nic(struct agent *a, enum agent_operation_id id, const char *vm_uuid, const struct agent_nic *n,
                  struct err *e)
{
    struct nic_args args = {.nic = *n};

    put_uuid(args.uuid, vm_uuid);
    return co_agent_do(a, id, &(struct agent_call){.args = &args}, e);
}

int co_agent_plug_nic(struct agent *a, const char *vm_uuid, const struct agent_nic *n, struct err *e)
{
    return co_nic(a, AGENT_VM_PLUG_NIC, vm_uuid, n, e);
}

int co_agent_change_nic(struct agent *a, const char *vm_uuid, const struct agent_nic *n, struct err *e)
{
    return co_nic(a, AGENT_VM_CHANGE_NIC, vm_uuid, n, e);
}

int co_agent_unplug(struct agent *a, const char *vm_uuid, enum hv_device_kind kind, const char *device_uuid,
                    unsigned number, bool force, int64_t deadline, struct err *e)
{
    struct unplug_args args = {
        .kind = kind, .number = number, .force = force, .timeout_ms = ms_until(deadline)};

    put_uuid(args.uuid, vm_uuid);
    put_uuid(args.device_uuid, device_uuid);
    return co_agent_do(a, AGENT_VM_UNPLUG, &(struct agent_call){.args = &args}, e);
}

int co_agent_resize(struct agent *a, const char *vm_uuid, const struct agent_disk *d, int64_t size,
                    struct err *e)
{
    return co_disk(a, AGENT_VM_RESIZE, vm_uuid, d, size, e);
}

int co_agent_insert(struct agent *a, const char *vm_uuid, const struct agent_disk *medium, struct err *e)
{
    return co_disk(a, AGENT_VM_INSERT, vm_uuid, medium, 0, e);
}

int co_agent_eject(struct agent *a, const char *vm_uuid, const struct agent_disk *drive, struct err *e)
{
    return co_disk(a, AGENT_VM_EJECT, vm_uuid, drive, 0, e);
}

int co_agent_vm_devices(struct agent *a, void *ctx, const char *vm_uuid, struct agent_device **ret,
                        unsigned *ret_n, struct err *e)
{
    struct devices_result result = {0};
    struct guest_args g;

    put_uuid(g.uuid, vm_uuid);
    if (co_agent_do(a, AGENT_VM_DEVICES, &(struct agent_call){.args = &g, .result = &result, .ctx = ctx}, e) <
        0)
        return -1;
    *ret = result.known && !result.devices ? talloc_array(ctx, struct agent_device, 0) : result.devices;
    *ret_n = result.n;
    return 0;
}

/* ---- the machine ---- */

int co_agent_machine_set(struct agent *a, enum agent_setting what, const struct map *values, struct err *e)
{
    struct machine_args args = {what, values};

    return co_agent_do(a, AGENT_MACHINE_SET, &(struct agent_call){.args = &args}, e);
}

int co_agent_machine_get(struct agent *a, void *ctx, enum agent_setting what, const struct map **ret,
                         struct err *e)
{
    struct machine_args args = {.what = what};
    struct machine_result result = {0};

    if (co_agent_do(a, AGENT_MACHINE_GET, &(struct agent_call){.args = &args, .result = &result, .ctx = ctx},
                    e) < 0)
        return -1;
    *ret = result.values;
    return 0;
}

/* ---- storage ---- */

int co_agent_sr_create(struct agent *a, const struct sm_sr *sr, int64_t physical_size, struct err *e)
{
    struct sr_args args = {.sr = *sr, .physical_size = physical_size};

    return co_agent_do(a, AGENT_SR_CREATE, &(struct agent_call){.args = &args}, e);
}

int co_agent_sr_attach(struct agent *a, const struct sm_sr *sr, struct err *e)
{
    return co_sr(a, AGENT_SR_ATTACH, sr, e);
}

int co_agent_sr_detach(struct agent *a, const struct sm_sr *sr, struct err *e)
{
    return co_sr(a, AGENT_SR_DETACH, sr, e);
}

int co_agent_sr_destroy(struct agent *a, const struct sm_sr *sr, struct err *e)
{
    return co_sr(a, AGENT_SR_DESTROY, sr, e);
}

int co_agent_sr_stat(struct agent *a, const struct sm_sr *sr, struct sm_sr_stat *ret, struct err *e)
{
    return co_agent_do(a, AGENT_SR_STAT,
                       &(struct agent_call){.args = &(struct sr_args){.sr = *sr}, .result = ret}, e);
}

int co_agent_sr_scan(struct agent *a, const struct sm_sr *sr, void *ctx, struct sm_vdi **ret, unsigned *ret_n,
                     struct err *e)
{
    struct vdis_result result = {0};

    if (co_agent_do(a, AGENT_SR_SCAN,
                    &(struct agent_call){.args = &(struct sr_args){.sr = *sr}, .result = &result, .ctx = ctx},
                    e) < 0)
        return -1;
    *ret = result.vdis;
    *ret_n = result.n;
    return 0;
}

int co_agent_vdi_create(struct agent *a, const struct sm_sr *sr, void *ctx, const char *uuid, int64_t size,
                        const struct map *sm_config, struct sm_vdi *ret, struct err *e)
{
    struct vdi_args args = {.sr = *sr, .size = size, .sm_config = sm_config};

    put_uuid(args.new_uuid, uuid);
    return co_agent_do(a, AGENT_VDI_CREATE, &(struct agent_call){.args = &args, .result = ret, .ctx = ctx},
                       e);
}

int co_agent_vdi_destroy(struct agent *a, const struct sm_sr *sr, const char *location, struct err *e)
{
    struct vdi_args args = {.sr = *sr, .location = location};

    return co_agent_do(a, AGENT_VDI_DESTROY, &(struct agent_call){.args = &args}, e);
}

/* A disk out of another. */
static int co_derive(struct agent *a, enum agent_operation_id id, const struct sm_sr *sr, void *ctx,
                     const char *location, const char *new_uuid, struct sm_vdi *ret, struct err *e)
{
    struct vdi_args args = {.sr = *sr, .location = location};

    put_uuid(args.new_uuid, new_uuid);
    return co_agent_do(a, id, &(struct agent_call){.args = &args, .result = ret, .ctx = ctx}, e);
}

int co_agent_vdi_clone(struct agent *a, const struct sm_sr *sr, void *ctx, const char *location,
                       const char *new_uuid, struct sm_vdi *ret, struct err *e)
{
    return co_derive(a, AGENT_VDI_CLONE, sr, ctx, location, new_uuid, ret, e);
}

int co_agent_vdi_snapshot(struct agent *a, const struct sm_sr *sr, void *ctx, const char *location,
                          const char *new_uuid, struct sm_vdi *ret, struct err *e)
{
    return co_derive(a, AGENT_VDI_SNAPSHOT, sr, ctx, location, new_uuid, ret, e);
}

int co_agent_vdi_revert(struct agent *a, const struct sm_sr *sr, void *ctx, const char *location,
                        const char *snapshot, struct sm_vdi *ret, struct err *e)
{
    struct revert_args args = {.sr = *sr, .location = location, .snapshot = snapshot};

    return co_agent_do(a, AGENT_VDI_REVERT, &(struct agent_call){.args = &args, .result = ret, .ctx = ctx},
                       e);
}

int co_agent_vdi_resize(struct agent *a, const struct sm_sr *sr, void *ctx, const char *location,
                        int64_t size, struct sm_vdi *ret, struct err *e)
{
    struct vdi_args args = {.sr = *sr, .location = location, .size = size};

    return co_agent_do(a, AGENT_VDI_RESIZE, &(struct agent_call){.args = &args, .result = ret, .ctx = ctx},
                       e);
}

int co_agent_vdi_copy(struct agent *a, const struct agent_place *from, const struct agent_place *to,
                      struct err *e)
{
    return co_agent_do(a, AGENT_VDI_COPY, &(struct agent_call){.args = &(struct copy_args){*from, *to}}, e);
}

int co_agent_vdi_await(struct agent *a, const struct agent_place *to, void *ctx, const char **ret_ticket,
                       struct err *e)
{
    struct ticket_result result = {0};

    if (co_agent_do(a, AGENT_VDI_AWAIT, &(struct agent_call){.args = to, .result = &result, .ctx = ctx}, e) <
        0)
        return -1;
    *ret_ticket = result.ticket ? result.ticket : "";
    return 0;
}

int co_agent_vdi_send(struct agent *a, const struct agent_place *from, const struct agent_target *to,
                      hv_progress_fn *progress, void *arg, struct err *e)
{
    struct disk_send_args args = {.from = *from, .to = *to};

    return co_agent_do(a, AGENT_VDI_SEND,
                       &(struct agent_call){.args = &args, .progress = progress, .progress_arg = arg}, e);
}
