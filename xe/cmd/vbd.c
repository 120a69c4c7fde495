/* Connections of virtual disks to VMs. */
#include <string.h>
#include <strings.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "xe/cmd/common.h"
#include "xe/cmd/devices.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"

/* How often a disk that the guest would not let go is looked at again. */
#define UNPLUG_POLL_SECONDS 5

/* The one of the texts that given is, in any case, or NULL. */
static const char *pick_word(const char *given, const char *const *words, struct err *e, const char *what)
{
    for (; *words; words++)
        if (strcasecmp(*words, given) == 0)
            return *words;
    fail_text(e, "'%s' is not a VBD %s", given, what);
    return NULL;
}

static int co_vbd_create(struct xe *x, struct err *e)
{
    static const char *const types[] = {"CD", "Disk", "Floppy", NULL}, *const modes[] = {"RO", "RW", NULL};
    const char *vm = co_arg_ref(x, "vm-uuid", "VM", e), *vdi, *type, *mode;
    struct wire *record;
    bool bootable, unpluggable;

    if (!vm || co_arg_ref_or_none(x, "vdi-uuid", "VDI", &vdi, e) < 0 ||
        !(type = pick_word(args_get_or(x->args, "type", "Disk"), types, e, "type")) ||
        !(mode = pick_word(args_get_or(x->args, "mode", strcmp(type, "CD") == 0 ? "RO" : "RW"), modes, e,
                           "mode")) ||
        args_get_bool(x->args, "bootable", false, &bootable, e) < 0 ||
        args_get_bool(x->args, "unpluggable", true, &unpluggable, e) < 0)
        return -1;
    record = vbd_record(x, vm, vdi, args_get(x->args, "device"), mode, type);
    wire_add_member(x, record, "bootable", wire_bool(bootable));
    wire_add_member(x, record, "unpluggable", wire_bool(unpluggable));
    wire_add_member(x, record, "other_config", *wire_empty_struct(x));
    return co_print_uuid(x, "VBD", co_call_text(x, e, "VBD.create", "w", record), e);
}

const struct command cmd_vbd_create = {
    .name = "vbd-create",
    .required = "vm-uuid,device",
    .optional = "vdi-uuid,bootable,type,mode,unpluggable",
    .help = "Connect a virtual disk, or an empty drive, to a VM; prints the uuid of the connection.",
    .run = co_vbd_create,
};

static int co_vbd_destroy(struct xe *x, struct err *e)
{
    return co_on_uuid(x, "VBD", "VBD.destroy", e);
}

const struct command cmd_vbd_destroy = {
    .name = "vbd-destroy",
    .required = "uuid",
    .help = "Disconnect a virtual disk from its VM for good.",
    .run = co_vbd_destroy,
};

static int co_vbd_insert(struct xe *x, struct err *e)
{
    const char *vbd = co_arg_ref(x, "uuid", "VBD", e),
               *vdi = vbd ? co_arg_ref(x, "vdi-uuid", "VDI", e) : NULL;

    return vdi ? co_call_void(x, e, "VBD.insert", "ss", vbd, vdi) : -1;
}

const struct command cmd_vbd_insert = {
    .name = "vbd-insert",
    .required = "uuid,vdi-uuid",
    .help = "Put a medium into an empty drive.",
    .run = co_vbd_insert,
};

static int co_vbd_eject(struct xe *x, struct err *e)
{
    return co_on_uuid(x, "VBD", "VBD.eject", e);
}

const struct command cmd_vbd_eject = {
    .name = "vbd-eject",
    .required = "uuid",
    .help = "Take the medium out of a drive.",
    .run = co_vbd_eject,
};

static int co_vbd_plug(struct xe *x, struct err *e)
{
    return co_on_uuid(x, "VBD", "VBD.plug", e);
}

const struct command cmd_vbd_plug = {
    .name = "vbd-plug",
    .required = "uuid",
    .help = "Attach a disk to its running VM.",
    .run = co_vbd_plug,
};

/* After the guest refused: look until it has let go, or the time is over. */
static int co_wait_unplugged(struct xe *x, const char *vbd, int64_t seconds, struct err *refusal,
                             struct err *e)
{
    int64_t deadline = clock_in_ms(seconds * 1000);

    while (clock_now() < deadline) {
        const char *attached;

        co_sleep_until(clock_in_ms(UNPLUG_POLL_SECONDS * 1000), "the guest to let go of a disk");
        if (!(attached = co_field(x, "VBD", "currently_attached", vbd, e)))
            return -1;
        if (strcmp(attached, "false") == 0)
            return 0;
    }
    err_move(e, refusal);
    return -1;
}

static int co_vbd_unplug(struct xe *x, struct err *e)
{
    CLEANUP_ERR struct err refusal = {0};
    const char *vbd = co_arg_ref(x, "uuid", "VBD", e);
    int64_t timeout;
    bool force;

    if (!vbd || args_get_bool(x->args, "force", false, &force, e) < 0 ||
        args_get_int(x->args, "timeout", 0, &timeout, e) < 0)
        return -1;
    if (co_call_void(x, &refusal, force ? "VBD.unplug_force" : "VBD.unplug", "s", vbd) == 0)
        return 0;
    if (timeout > 0 && err_is(&refusal, "DEVICE_DETACH_REJECTED"))
        return co_wait_unplugged(x, vbd, timeout, &refusal, e);
    err_move(e, &refusal);
    return -1;
}

const struct command cmd_vbd_unplug = {
    .name = "vbd-unplug",
    .required = "uuid",
    .optional = "timeout,force",
    .help = "Detach a disk from its running VM; timeout= is how many seconds a guest may take that refuses "
            "at first.",
    .run = co_vbd_unplug,
};
