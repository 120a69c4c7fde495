#include "pool/operations.h"
#include <string.h>
#include "lib/clock.h"

/* ---- tables of arguments and results ---- */

static const struct codec_field guest_fields[] = {CODEC_FIELD_UUID(struct guest_args, uuid), {0}};
static const struct codec_type guest = CODEC_TYPE(struct guest_args, guest_fields);

static const struct codec_field guest_timed_fields[] = {CODEC_FIELD_UUID(struct guest_timed_args, uuid),
                                                        CODEC_FIELD_INT(struct guest_timed_args, timeout_ms),
                                                        {0}};
static const struct codec_type guest_timed = CODEC_TYPE(struct guest_timed_args, guest_timed_fields);

static const struct codec_field processors_fields[] = {CODEC_FIELD_UUID(struct processors_args, uuid),
                                                       CODEC_FIELD_UNSIGNED(struct processors_args, n),
                                                       CODEC_FIELD_MAP(struct processors_args, params),
                                                       {0}};
static const struct codec_type processors = CODEC_TYPE(struct processors_args, processors_fields);

static const char *const trigger_names[] = {"nmi", "power", "sleep", "wake", "sysrq", NULL};
static const struct codec_field trigger_fields[] = {
    CODEC_FIELD_UUID(struct trigger_args, uuid),
    CODEC_FIELD_ENUM(struct trigger_args, trigger, trigger_names),
    CODEC_FIELD_CHARS(struct trigger_args, key),
    {0}};
static const struct codec_type trigger = CODEC_TYPE(struct trigger_args, trigger_fields);

static const struct codec_field hv_command_fields[] = {CODEC_FIELD_TEXT(struct hv_command, path),
                                                       CODEC_FIELD_TEXT(struct hv_command, argument),
                                                       CODEC_FIELD_MAP(struct hv_command, environment),
                                                       CODEC_FIELD_TEXT(struct hv_command, input),
                                                       {0}};
static const struct codec_type hv_command = CODEC_TYPE(struct hv_command, hv_command_fields);
static const struct codec_field command_fields[] = {
    CODEC_FIELD_UUID(struct command_args, uuid),
    CODEC_FIELD_STRUCT(struct command_args, command, &hv_command),
    CODEC_FIELD_INT(struct command_args, timeout_ms),
    {0}};
static const struct codec_type command = CODEC_TYPE(struct command_args, command_fields);
static const struct codec_field command_result_fields[] = {CODEC_FIELD_INT(struct hv_command_result, status),
                                                           CODEC_FIELD_TEXT(struct hv_command_result, out),
                                                           CODEC_FIELD_TEXT(struct hv_command_result, err),
                                                           {0}};
static const struct codec_type command_result = CODEC_TYPE(struct hv_command_result, command_result_fields);

static const struct codec_field memory_fields[] = {
    CODEC_FIELD_UUID(struct memory_args, uuid), CODEC_FIELD_INT(struct memory_args, bytes), {0}};
static const struct codec_type memory = CODEC_TYPE(struct memory_args, memory_fields);

static const struct codec_field growth_fields[] = {CODEC_FIELD_UUID(struct growth_args, uuid),
                                                   CODEC_FIELD_INT(struct growth_args, max),
                                                   CODEC_FIELD_INT(struct growth_args, target),
                                                   {0}};
static const struct codec_type growth = CODEC_TYPE(struct growth_args, growth_fields);

static const struct codec_field disk_fields[] = {
    CODEC_FIELD_UUID(struct disk_args, uuid),
    CODEC_FIELD_STRUCT(struct disk_args, disk, &codec_agent_disk),
    CODEC_FIELD_INT(struct disk_args, size),
    {0}};
static const struct codec_type disk = CODEC_TYPE(struct disk_args, disk_fields);

static const struct codec_field nic_fields[] = {
    CODEC_FIELD_UUID(struct nic_args, uuid), CODEC_FIELD_STRUCT(struct nic_args, nic, &codec_agent_nic), {0}};
static const struct codec_type nic = CODEC_TYPE(struct nic_args, nic_fields);

static const struct codec_field unplug_fields[] = {
    CODEC_FIELD_UUID(struct unplug_args, uuid),
    CODEC_FIELD_UUID(struct unplug_args, device_uuid),
    CODEC_FIELD_ENUM(struct unplug_args, kind, codec_hv_device_kind_names),
    CODEC_FIELD_UNSIGNED(struct unplug_args, number),
    CODEC_FIELD_BOOL(struct unplug_args, force),
    CODEC_FIELD_INT(struct unplug_args, timeout_ms),
    {0}};
static const struct codec_type unplug = CODEC_TYPE(struct unplug_args, unplug_fields);

static const struct codec_field save_fields[] = {
    CODEC_FIELD_UUID(struct save_args, uuid),
    CODEC_FIELD_STRUCT(struct save_args, image, &codec_agent_image),
    {0}};
static const struct codec_type save = CODEC_TYPE(struct save_args, save_fields);

static const struct codec_field sr_fields[] = {CODEC_FIELD_STRUCT(struct sr_args, sr, &codec_sm_sr),
                                               CODEC_FIELD_INT(struct sr_args, physical_size),
                                               {0}};
static const struct codec_type sr = CODEC_TYPE(struct sr_args, sr_fields);

static const struct codec_field vdi_fields[] = {
    CODEC_FIELD_STRUCT(struct vdi_args, sr, &codec_sm_sr), CODEC_FIELD_TEXT(struct vdi_args, location),
    CODEC_FIELD_UUID_OR_NONE(struct vdi_args, new_uuid),   CODEC_FIELD_INT(struct vdi_args, size),
    CODEC_FIELD_MAP(struct vdi_args, sm_config),           {0}};
static const struct codec_type vdi = CODEC_TYPE(struct vdi_args, vdi_fields);

static const char *const setting_names[] = {"clock",        "console_timeout", "debug_keys", "ntp", "ssh",
                                            "ssh_fallback", "syslog",          "timezone",   NULL};
static const struct codec_field machine_fields[] = {
    CODEC_FIELD_ENUM(struct machine_args, what, setting_names),
    CODEC_FIELD_MAP(struct machine_args, values),
    {0}};
static const struct codec_type machine = CODEC_TYPE(struct machine_args, machine_fields);

static const struct codec_field revert_fields[] = {CODEC_FIELD_STRUCT(struct revert_args, sr, &codec_sm_sr),
                                                   CODEC_FIELD_TEXT(struct revert_args, location),
                                                   CODEC_FIELD_TEXT(struct revert_args, snapshot),
                                                   {0}};
static const struct codec_type revert = CODEC_TYPE(struct revert_args, revert_fields);

static const struct codec_field copy_fields[] = {
    CODEC_FIELD_STRUCT(struct copy_args, from, &codec_agent_place),
    CODEC_FIELD_STRUCT(struct copy_args, to, &codec_agent_place),
    {0}};
static const struct codec_type copy = CODEC_TYPE(struct copy_args, copy_fields);

static const struct codec_field disk_send_fields[] = {
    CODEC_FIELD_STRUCT(struct disk_send_args, from, &codec_agent_place),
    CODEC_FIELD_STRUCT(struct disk_send_args, to, &codec_agent_target),
    {0}};
static const struct codec_type disk_send = CODEC_TYPE(struct disk_send_args, disk_send_fields);

static const struct codec_field ticket_fields[] = {CODEC_FIELD_TEXT(struct ticket_result, ticket), {0}};
static const struct codec_type ticket = CODEC_TYPE(struct ticket_result, ticket_fields);

static const struct codec_field receive_fields[] = {
    CODEC_FIELD_STRUCT(struct receive_args, spec, &codec_agent_vm_spec),
    CODEC_FIELD_STRUCT(struct receive_args, passage, &codec_hv_passage),
    {0}};
static const struct codec_type receive = CODEC_TYPE(struct receive_args, receive_fields);

static const struct codec_field prepare_fields[] = {
    CODEC_FIELD_UUID(struct prepare_args, uuid),
    CODEC_FIELD_STRUCT(struct prepare_args, passage, &codec_hv_passage),
    {0}};
static const struct codec_type prepare = CODEC_TYPE(struct prepare_args, prepare_fields);

static const struct codec_field state_result_fields[] = {
    CODEC_FIELD_ENUM(struct state_result, state, codec_hv_state_names), {0}};
static const struct codec_type state_result = CODEC_TYPE(struct state_result, state_result_fields);

static const struct codec_field shape_result_fields[] = {CODEC_FIELD_TEXT(struct shape_result, shape), {0}};
static const struct codec_type shape_result = CODEC_TYPE(struct shape_result, shape_result_fields);

static const struct codec_field processors_result_fields[] = {
    CODEC_FIELD_BOOL(struct processors_result, known),
    CODEC_FIELD_UNSIGNED(struct processors_result, now),
    {0}};
static const struct codec_type processors_result =
    CODEC_TYPE(struct processors_result, processors_result_fields);

static const struct codec_field devices_result_fields[] = {
    CODEC_FIELD_BOOL(struct devices_result, known),
    CODEC_FIELD_ARRAY(struct devices_result, devices, n, &codec_agent_device),
    {0}};
static const struct codec_type devices_result = CODEC_TYPE(struct devices_result, devices_result_fields);

static const struct codec_field machine_result_fields[] = {CODEC_FIELD_MAP(struct machine_result, values),
                                                           {0}};
static const struct codec_type machine_result = CODEC_TYPE(struct machine_result, machine_result_fields);

static const struct codec_field vdis_result_fields[] = {
    CODEC_FIELD_ARRAY(struct vdis_result, vdis, n, &codec_sm_vdi), {0}};
static const struct codec_type vdis_result = CODEC_TYPE(struct vdis_result, vdis_result_fields);

/* ---- what is done here ---- */

static void no_progress(double done, void *arg)
{
}

static int64_t deadline_of(int64_t timeout_ms)
{
    return timeout_ms < 0 || timeout_ms > INT32_MAX ? CLOCK_NEVER : clock_in_ms(timeout_ms);
}

static int co_run_vm_clean(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct guest_args *g = c->args;
    return co_local_vm_clean(a, g->uuid, e);
}

static int co_run_vm_hold(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct guest_args *g = c->args;
    return co_local_vm_hold(a, g->uuid, e);
}

static int co_run_vm_move_accept(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct guest_args *g = c->args;
    return co_local_vm_move_accept(a, g->uuid, e);
}

static int co_run_vm_move_cancel(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct guest_args *g = c->args;
    return co_local_vm_move_cancel(a, g->uuid, e);
}

static int co_run_vm_move_finish(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct guest_args *g = c->args;
    return co_local_vm_move_finish(a, g->uuid, e);
}

static int co_run_vm_move_switch(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct guest_args *g = c->args;
    return co_local_vm_move_switch(a, g->uuid, e);
}

static int co_run_vm_pause(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct guest_args *g = c->args;
    return co_local_vm_pause(a, g->uuid, e);
}

static int co_run_vm_reset(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct guest_args *g = c->args;
    return co_local_vm_reset(a, g->uuid, e);
}

static int co_run_vm_stop(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct guest_args *g = c->args;
    return co_local_vm_stop(a, g->uuid, e);
}

static int co_run_vm_unpause(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct guest_args *g = c->args;
    return co_local_vm_unpause(a, g->uuid, e);
}

static int co_run_machine_get(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct machine_args *m = c->args;
    struct machine_result *r = c->result;
    struct map *values = NULL;
    int rc = co_local_machine_get(a, c->ctx, m->what, &values, e);
    r->values = values;
    return rc;
}

static int co_run_machine_set(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct machine_args *m = c->args;
    return co_local_machine_set(a, m->what, m->values, e);
}

static int co_run_sr_attach(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct sr_args *s = c->args;
    return co_local_sr_attach(a, &s->sr, e);
}

static int co_run_sr_destroy(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct sr_args *s = c->args;
    return co_local_sr_destroy(a, &s->sr, e);
}

static int co_run_sr_detach(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct sr_args *s = c->args;
    return co_local_sr_detach(a, &s->sr, e);
}

static int co_run_sr_create(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct sr_args *s = c->args;
    return co_local_sr_create(a, &s->sr, s->physical_size, e);
}

static int co_run_sr_scan(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct sr_args *s = c->args;
    struct vdis_result *r = c->result;
    return co_local_sr_scan(a, &s->sr, c->ctx, &r->vdis, &r->n, e);
}

static int co_run_sr_stat(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct sr_args *s = c->args;
    return co_local_sr_stat(a, &s->sr, c->result, e);
}

static int co_run_vdi_await(struct agent *a, const struct agent_call *c, struct err *e)
{
    struct ticket_result *r = c->result;
    return co_local_vdi_await(a, c->args, c->ctx, &r->ticket, e);
}

static int co_run_vdi_send(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct disk_send_args *s = c->args;
    return co_local_vdi_send(a, &s->from, &s->to, c->progress ? c->progress : no_progress, c->progress_arg,
                             e);
}

static int co_run_vdi_clone(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct vdi_args *v = c->args;
    return co_local_vdi_clone(a, &v->sr, c->ctx, v->location, v->new_uuid, c->result, e);
}

static int co_run_vdi_copy(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct copy_args *k = c->args;
    return co_local_vdi_copy(a, &k->from, &k->to, e);
}

static int co_run_vdi_create(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct vdi_args *v = c->args;
    return co_local_vdi_create(a, &v->sr, c->ctx, v->new_uuid, v->size, v->sm_config, c->result, e);
}

static int co_run_vdi_destroy(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct vdi_args *v = c->args;
    return co_local_vdi_destroy(a, &v->sr, v->location, e);
}

static int co_run_vdi_resize(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct vdi_args *v = c->args;
    return co_local_vdi_resize(a, &v->sr, c->ctx, v->location, v->size, c->result, e);
}

static int co_run_vdi_revert(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct revert_args *r = c->args;
    return co_local_vdi_revert(a, &r->sr, c->ctx, r->location, r->snapshot, c->result, e);
}

static int co_run_vdi_snapshot(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct vdi_args *v = c->args;
    return co_local_vdi_snapshot(a, &v->sr, c->ctx, v->location, v->new_uuid, c->result, e);
}

static int co_run_vm_devices(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct guest_args *g = c->args;
    struct devices_result *r = c->result;
    r->devices = local_vm_devices(a, c->ctx, g->uuid, &r->n);
    r->known = r->devices != NULL;
    if (!r->known)
        r->n = 0;
    return 0;
}

static int co_run_vm_dump(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct save_args *s = c->args;
    return co_local_vm_dump(a, s->uuid, &s->image, c->progress ? c->progress : no_progress, c->progress_arg,
                            e);
}

static int co_run_vm_eject(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct disk_args *d = c->args;
    return co_local_eject(a, d->uuid, &d->disk, e);
}

static int co_run_vm_follow(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct disk_args *d = c->args;
    return co_local_vm_follow(a, d->uuid, &d->disk, e);
}

static int co_run_vm_insert(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct disk_args *d = c->args;
    return co_local_insert(a, d->uuid, &d->disk, e);
}

static int co_run_vm_mirror_disk(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct disk_args *d = c->args;
    return co_local_vm_mirror_disk(a, d->uuid, &d->disk, c->progress ? c->progress : no_progress,
                                   c->progress_arg, e);
}

static int co_run_vm_settle_disk(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct disk_args *d = c->args;
    return co_local_vm_settle_disk(a, d->uuid, &d->disk, e);
}

static int co_run_vm_plug_disk(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct disk_args *d = c->args;
    return co_local_plug_disk(a, d->uuid, &d->disk, e);
}

static int co_run_vm_change_nic(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct nic_args *n = c->args;
    return co_local_change_nic(a, n->uuid, &n->nic, e);
}

static int co_run_vm_plug_nic(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct nic_args *n = c->args;
    return co_local_plug_nic(a, n->uuid, &n->nic, e);
}

static int co_run_vm_move_drain(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct guest_args *g = c->args;
    return co_local_vm_move_drain(a, g->uuid, c->progress ? c->progress : no_progress, c->progress_arg, e);
}

static int co_run_vm_move_prepare(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct prepare_args *p = c->args;
    return co_local_vm_move_prepare(a, p->uuid, &p->passage, c->progress ? c->progress : no_progress,
                                    c->progress_arg, e);
}

static int co_run_vm_receive(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct receive_args *r = c->args;
    return co_local_vm_receive(a, &r->spec, &r->passage, c->result, e);
}

static int co_run_vm_reboot(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct guest_timed_args *g = c->args;
    return co_local_vm_reboot(a, g->uuid, deadline_of(g->timeout_ms), e);
}

static int co_run_vm_resize(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct disk_args *d = c->args;
    return co_local_resize(a, d->uuid, &d->disk, d->size, e);
}

static int co_run_vm_save(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct save_args *s = c->args;
    return co_local_vm_save(a, s->uuid, &s->image, c->progress ? c->progress : no_progress, c->progress_arg,
                            e);
}

static int co_run_vm_trigger(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct trigger_args *t = c->args;
    return co_local_vm_trigger(a, t->uuid, t->trigger, t->key[0], e);
}

static int co_run_vm_command(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct command_args *args = c->args;
    return co_local_vm_command(a, args->uuid, &args->command, deadline_of(args->timeout_ms), c->ctx,
                               c->result, e);
}

static int co_run_vm_set_memory(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct memory_args *m = c->args;
    return co_local_vm_set_memory(a, m->uuid, m->bytes, e);
}

static int co_run_vm_grow_memory(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct growth_args *g = c->args;
    return co_local_vm_grow_memory(a, g->uuid, g->max, g->target, e);
}

static int co_run_vm_set_processors(struct agent *a, const struct agent_call *c, struct err *e)
{
    enum { UNKNOWN = -1 };
    const struct processors_args *n = c->args;
    struct processors_result *r = c->result;
    unsigned now = (unsigned)UNKNOWN;
    int rc = co_local_vm_set_processors(a, n->uuid, n->n, n->params, &now, e);
    r->known = now != (unsigned)UNKNOWN;
    r->now = r->known ? now : 0;
    return rc;
}

static int co_run_vm_shape(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct guest_args *g = c->args;
    struct shape_result *r = c->result;
    return co_local_vm_shape(a, g->uuid, c->ctx, &r->shape, e);
}

static int co_run_vm_shutdown(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct guest_timed_args *g = c->args;
    return co_local_vm_shutdown(a, g->uuid, deadline_of(g->timeout_ms), e);
}

static int co_run_vm_start(struct agent *a, const struct agent_call *c, struct err *e)
{
    return co_local_vm_start(a, c->args, c->result, e);
}

static int co_run_vm_state(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct guest_args *g = c->args;
    struct state_result *r = c->result;
    r->state = local_vm_state(a, g->uuid);
    return 0;
}

static int co_run_vm_unplug(struct agent *a, const struct agent_call *c, struct err *e)
{
    const struct unplug_args *u = c->args;
    return co_local_unplug(a, u->uuid, u->kind, u->device_uuid, u->number, u->force,
                           deadline_of(u->timeout_ms), e);
}

/* ---- all of them ---- */

#define OPERATION(function, args, result)          \
    {                                              \
#function, args, result, co_run_##function \
    }

const struct agent_operation agent_operations[AGENT_OPERATIONS] = {
    [AGENT_MACHINE_GET] = OPERATION(machine_get, &machine, &machine_result),
    [AGENT_MACHINE_SET] = OPERATION(machine_set, &machine, NULL),
    [AGENT_SR_ATTACH] = OPERATION(sr_attach, &sr, NULL),
    [AGENT_SR_CREATE] = OPERATION(sr_create, &sr, NULL),
    [AGENT_SR_DESTROY] = OPERATION(sr_destroy, &sr, NULL),
    [AGENT_SR_DETACH] = OPERATION(sr_detach, &sr, NULL),
    [AGENT_SR_SCAN] = OPERATION(sr_scan, &sr, &vdis_result),
    [AGENT_SR_STAT] = OPERATION(sr_stat, &sr, &codec_sm_sr_stat),
    [AGENT_VDI_AWAIT] = OPERATION(vdi_await, &codec_agent_place, &ticket),
    [AGENT_VDI_CLONE] = OPERATION(vdi_clone, &vdi, &codec_sm_vdi),
    [AGENT_VDI_COPY] = OPERATION(vdi_copy, &copy, NULL),
    [AGENT_VDI_CREATE] = OPERATION(vdi_create, &vdi, &codec_sm_vdi),
    [AGENT_VDI_DESTROY] = OPERATION(vdi_destroy, &vdi, NULL),
    [AGENT_VDI_RESIZE] = OPERATION(vdi_resize, &vdi, &codec_sm_vdi),
    [AGENT_VDI_SEND] = OPERATION(vdi_send, &disk_send, NULL),
    [AGENT_VDI_REVERT] = OPERATION(vdi_revert, &revert, &codec_sm_vdi),
    [AGENT_VDI_SNAPSHOT] = OPERATION(vdi_snapshot, &vdi, &codec_sm_vdi),
    [AGENT_VM_CHANGE_NIC] = OPERATION(vm_change_nic, &nic, NULL),
    [AGENT_VM_CLEAN] = OPERATION(vm_clean, &guest, NULL),
    [AGENT_VM_COMMAND] = OPERATION(vm_command, &command, &command_result),
    [AGENT_VM_DEVICES] = OPERATION(vm_devices, &guest, &devices_result),
    [AGENT_VM_DUMP] = OPERATION(vm_dump, &save, NULL),
    [AGENT_VM_EJECT] = OPERATION(vm_eject, &disk, NULL),
    [AGENT_VM_FOLLOW] = OPERATION(vm_follow, &disk, NULL),
    [AGENT_VM_GROW_MEMORY] = OPERATION(vm_grow_memory, &growth, NULL),
    [AGENT_VM_HOLD] = OPERATION(vm_hold, &guest, NULL),
    [AGENT_VM_INSERT] = OPERATION(vm_insert, &disk, NULL),
    [AGENT_VM_MIRROR_DISK] = OPERATION(vm_mirror_disk, &disk, NULL),
    [AGENT_VM_MOVE_ACCEPT] = OPERATION(vm_move_accept, &guest, NULL),
    [AGENT_VM_MOVE_CANCEL] = OPERATION(vm_move_cancel, &guest, NULL),
    [AGENT_VM_MOVE_DRAIN] = OPERATION(vm_move_drain, &guest, NULL),
    [AGENT_VM_MOVE_FINISH] = OPERATION(vm_move_finish, &guest, NULL),
    [AGENT_VM_MOVE_PREPARE] = OPERATION(vm_move_prepare, &prepare, NULL),
    [AGENT_VM_MOVE_SWITCH] = OPERATION(vm_move_switch, &guest, NULL),
    [AGENT_VM_PAUSE] = OPERATION(vm_pause, &guest, NULL),
    [AGENT_VM_PLUG_DISK] = OPERATION(vm_plug_disk, &disk, NULL),
    [AGENT_VM_PLUG_NIC] = OPERATION(vm_plug_nic, &nic, NULL),
    [AGENT_VM_REBOOT] = OPERATION(vm_reboot, &guest_timed, NULL),
    [AGENT_VM_RECEIVE] = OPERATION(vm_receive, &receive, &codec_hv_reception),
    [AGENT_VM_RESET] = OPERATION(vm_reset, &guest, NULL),
    [AGENT_VM_RESIZE] = OPERATION(vm_resize, &disk, NULL),
    [AGENT_VM_SAVE] = OPERATION(vm_save, &save, NULL),
    [AGENT_VM_SET_MEMORY] = OPERATION(vm_set_memory, &memory, NULL),
    [AGENT_VM_SET_PROCESSORS] = OPERATION(vm_set_processors, &processors, &processors_result),
    [AGENT_VM_SHAPE] = OPERATION(vm_shape, &guest, &shape_result),
    [AGENT_VM_SETTLE_DISK] = OPERATION(vm_settle_disk, &disk, NULL),
    [AGENT_VM_SHUTDOWN] = OPERATION(vm_shutdown, &guest_timed, NULL),
    [AGENT_VM_START] = OPERATION(vm_start, &codec_agent_vm_spec, &codec_hv_vm_facts),
    [AGENT_VM_STATE] = OPERATION(vm_state, &guest, &state_result),
    [AGENT_VM_STOP] = OPERATION(vm_stop, &guest, NULL),
    [AGENT_VM_TRIGGER] = OPERATION(vm_trigger, &trigger, NULL),
    [AGENT_VM_UNPAUSE] = OPERATION(vm_unpause, &guest, NULL),
    [AGENT_VM_UNPLUG] = OPERATION(vm_unplug, &unplug, NULL),
};

const struct agent_operation *agent_operation_by_name(const char *name)
{
    for (unsigned i = 0; i < AGENT_OPERATIONS; i++)
        if (strcmp(agent_operations[i].name, name) == 0)
            return &agent_operations[i];
    return NULL;
}
