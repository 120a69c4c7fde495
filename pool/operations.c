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

static const struct codec_field memory_fields[] = {
    CODEC_FIELD_UUID(struct memory_args, uuid), CODEC_FIELD_INT(struct memory_args, bytes), {0}};
static const struct codec_type memory = CODEC_TYPE(struct memory_args, memory_fields);

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

static const struct codec_field copy_fields[] = {
    CODEC_FIELD_STRUCT(struct copy_args, from, &codec_agent_place),
    CODEC_FIELD_STRUCT(struct copy_args, to, &codec_agent_place),
    {0}};
static const struct codec_type copy = CODEC_TYPE(struct copy_args, copy_fields);

static const struct codec_field state_result_fields[] = {
    CODEC_FIELD_ENUM(struct state_result, state, codec_hv_state_names), {0}};
static const struct codec_type state_result = CODEC_TYPE(struct state_result, state_result_fields);

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

static const struct codec_field vdis_result_fields[] = {
    CODEC_FIELD_ARRAY(struct vdis_result, vdis, n, &codec_sm_vdi), {0}};
static const struct codec_type vdis_result = CODEC_TYPE(struct vdis_result, vdis_result_fields);

/* ---- what is done here ---- */

#define CO_RUN(function)                                                                     \
    static int co_run_##function(struct agent *a, const void *args, void *ctx, void *result, \
                                 const struct agent_progress *p, struct err *e)

/* Those that take a guest and nothing else. */
#define CO_RUN_GUEST(function)                     \
    CO_RUN(function)                               \
    {                                              \
        const struct guest_args *g = args;         \
        return co_local_##function(a, g->uuid, e); \
    }
CO_RUN_GUEST(vm_clean)
CO_RUN_GUEST(vm_hold)
CO_RUN_GUEST(vm_pause)
CO_RUN_GUEST(vm_reset)
CO_RUN_GUEST(vm_stop)
CO_RUN_GUEST(vm_unpause)

/* Those that take an SR and nothing else. */
#define CO_RUN_SR(function)                       \
    CO_RUN(function)                              \
    {                                             \
        const struct sr_args *s = args;           \
        return co_local_##function(a, &s->sr, e); \
    }
CO_RUN_SR(sr_attach)
CO_RUN_SR(sr_destroy)
CO_RUN_SR(sr_detach)

static int64_t deadline_of(int64_t timeout_ms)
{
    return timeout_ms < 0 || timeout_ms > INT32_MAX ? CLOCK_NEVER : clock_in_ms(timeout_ms);
}

CO_RUN(sr_create)
{
    const struct sr_args *s = args;
    return co_local_sr_create(a, &s->sr, s->physical_size, e);
}

CO_RUN(sr_scan)
{
    const struct sr_args *s = args;
    struct vdis_result *r = result;
    return co_local_sr_scan(a, &s->sr, ctx, &r->vdis, &r->n, e);
}

CO_RUN(sr_stat)
{
    const struct sr_args *s = args;
    return co_local_sr_stat(a, &s->sr, result, e);
}

CO_RUN(vdi_clone)
{
    const struct vdi_args *v = args;
    return co_local_vdi_clone(a, &v->sr, ctx, v->location, v->new_uuid, result, e);
}

CO_RUN(vdi_copy)
{
    const struct copy_args *c = args;
    return co_local_vdi_copy(a, &c->from, &c->to, e);
}

CO_RUN(vdi_create)
{
    const struct vdi_args *v = args;
    return co_local_vdi_create(a, &v->sr, ctx, v->new_uuid, v->size, v->sm_config, result, e);
}

CO_RUN(vdi_destroy)
{
    const struct vdi_args *v = args;
    return co_local_vdi_destroy(a, &v->sr, v->location, e);
}

CO_RUN(vdi_resize)
{
    const struct vdi_args *v = args;
    return co_local_vdi_resize(a, &v->sr, ctx, v->location, v->size, result, e);
}

CO_RUN(vdi_snapshot)
{
    const struct vdi_args *v = args;
    return co_local_vdi_snapshot(a, &v->sr, ctx, v->location, v->new_uuid, result, e);
}

CO_RUN(vm_devices)
{
    const struct guest_args *g = args;
    struct devices_result *r = result;
    r->devices = local_vm_devices(a, ctx, g->uuid, &r->n);
    r->known = r->devices != NULL;
    if (!r->known)
        r->n = 0;
    return 0;
}

CO_RUN(vm_eject)
{
    const struct disk_args *d = args;
    return co_local_eject(a, d->uuid, &d->disk, e);
}

CO_RUN(vm_follow)
{
    const struct disk_args *d = args;
    return co_local_vm_follow(a, d->uuid, &d->disk, e);
}

CO_RUN(vm_insert)
{
    const struct disk_args *d = args;
    return co_local_insert(a, d->uuid, &d->disk, e);
}

CO_RUN(vm_plug_disk)
{
    const struct disk_args *d = args;
    return co_local_plug_disk(a, d->uuid, &d->disk, e);
}

CO_RUN(vm_plug_nic)
{
    const struct nic_args *n = args;
    return co_local_plug_nic(a, n->uuid, &n->nic, e);
}

CO_RUN(vm_reboot)
{
    const struct guest_timed_args *g = args;
    return co_local_vm_reboot(a, g->uuid, deadline_of(g->timeout_ms), e);
}

CO_RUN(vm_resize)
{
    const struct disk_args *d = args;
    return co_local_resize(a, d->uuid, &d->disk, d->size, e);
}

static void no_progress(double done, void *arg)
{
}

CO_RUN(vm_save)
{
    const struct save_args *s = args;
    bool asked = p && p->fn;
    return co_local_vm_save(a, s->uuid, &s->image, asked ? p->fn : no_progress, asked ? p->arg : NULL, e);
}

CO_RUN(vm_set_memory)
{
    const struct memory_args *m = args;
    return co_local_vm_set_memory(a, m->uuid, m->bytes, e);
}

CO_RUN(vm_set_processors)
{
    enum { UNKNOWN = -1 };
    const struct processors_args *n = args;
    struct processors_result *r = result;
    unsigned now = (unsigned)UNKNOWN;
    int rc = co_local_vm_set_processors(a, n->uuid, n->n, n->params, &now, e);
    r->known = now != (unsigned)UNKNOWN;
    r->now = r->known ? now : 0;
    return rc;
}

CO_RUN(vm_shutdown)
{
    const struct guest_timed_args *g = args;
    return co_local_vm_shutdown(a, g->uuid, deadline_of(g->timeout_ms), e);
}

CO_RUN(vm_start)
{
    return co_local_vm_start(a, args, result, e);
}

CO_RUN(vm_state)
{
    const struct guest_args *g = args;
    struct state_result *r = result;
    r->state = local_vm_state(a, g->uuid);
    return 0;
}

CO_RUN(vm_unplug)
{
    const struct unplug_args *u = args;
    return co_local_unplug(a, u->uuid, u->kind, u->device_uuid, u->number, deadline_of(u->timeout_ms), e);
}

/* ---- all of them ---- */

#define OPERATION(function, args, result)          \
    {                                              \
#function, args, result, co_run_##function \
    }

const struct agent_operation agent_operations[AGENT_OPERATIONS] = {
    [AGENT_SR_ATTACH] = OPERATION(sr_attach, &sr, NULL),
    [AGENT_SR_CREATE] = OPERATION(sr_create, &sr, NULL),
    [AGENT_SR_DESTROY] = OPERATION(sr_destroy, &sr, NULL),
    [AGENT_SR_DETACH] = OPERATION(sr_detach, &sr, NULL),
    [AGENT_SR_SCAN] = OPERATION(sr_scan, &sr, &vdis_result),
    [AGENT_SR_STAT] = OPERATION(sr_stat, &sr, &codec_sm_sr_stat),
    [AGENT_VDI_CLONE] = OPERATION(vdi_clone, &vdi, &codec_sm_vdi),
    [AGENT_VDI_COPY] = OPERATION(vdi_copy, &copy, NULL),
    [AGENT_VDI_CREATE] = OPERATION(vdi_create, &vdi, &codec_sm_vdi),
    [AGENT_VDI_DESTROY] = OPERATION(vdi_destroy, &vdi, NULL),
    [AGENT_VDI_RESIZE] = OPERATION(vdi_resize, &vdi, &codec_sm_vdi),
    [AGENT_VDI_SNAPSHOT] = OPERATION(vdi_snapshot, &vdi, &codec_sm_vdi),
    [AGENT_VM_CLEAN] = OPERATION(vm_clean, &guest, NULL),
    [AGENT_VM_DEVICES] = OPERATION(vm_devices, &guest, &devices_result),
    [AGENT_VM_EJECT] = OPERATION(vm_eject, &disk, NULL),
    [AGENT_VM_FOLLOW] = OPERATION(vm_follow, &disk, NULL),
    [AGENT_VM_HOLD] = OPERATION(vm_hold, &guest, NULL),
    [AGENT_VM_INSERT] = OPERATION(vm_insert, &disk, NULL),
    [AGENT_VM_PAUSE] = OPERATION(vm_pause, &guest, NULL),
    [AGENT_VM_PLUG_DISK] = OPERATION(vm_plug_disk, &disk, NULL),
    [AGENT_VM_PLUG_NIC] = OPERATION(vm_plug_nic, &nic, NULL),
    [AGENT_VM_REBOOT] = OPERATION(vm_reboot, &guest_timed, NULL),
    [AGENT_VM_RESET] = OPERATION(vm_reset, &guest, NULL),
    [AGENT_VM_RESIZE] = OPERATION(vm_resize, &disk, NULL),
    [AGENT_VM_SAVE] = OPERATION(vm_save, &save, NULL),
    [AGENT_VM_SET_MEMORY] = OPERATION(vm_set_memory, &memory, NULL),
    [AGENT_VM_SET_PROCESSORS] = OPERATION(vm_set_processors, &processors, &processors_result),
    [AGENT_VM_SHUTDOWN] = OPERATION(vm_shutdown, &guest_timed, NULL),
    [AGENT_VM_START] = OPERATION(vm_start, &codec_agent_vm_spec, &codec_hv_vm_facts),
    [AGENT_VM_STATE] = OPERATION(vm_state, &guest, &state_result),
    [AGENT_VM_STOP] = OPERATION(vm_stop, &guest, NULL),
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
