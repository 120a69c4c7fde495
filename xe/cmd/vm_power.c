/* Starting, stopping and pausing VMs. */
#include <string.h>
#include <talloc.h>
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"
#include "xe/report.h"
#include "xe/select.h"
#include "xe/task.h"

/* Why each host cannot run the VM, as a table on stdout. */
static void co_explain_no_hosts(struct xe *x, const char *vm)
{
    CLEANUP_ERR struct err e = {0};
    CLEANUP_TABLE struct table t = {0};
    const struct wire *hosts = co_call(x, &e, "host.get_all_records", "");

    for (uint32_t i = 0; hosts && hosts->kind == WIRE_STRUCT && i < hosts->n; i++) {
        CLEANUP_ERR struct err reason = {0};

        if (!co_call(x, &reason, "VM.assert_can_boot_here", "ss", vm, hosts->members[i].name))
            table_row(&t, member_text(x, &hosts->members[i].value, "name_label"), report_line(x, &reason));
    }
    if (t.n_rows == 0)
        return;
    table_end_record(&t);
    out_text(&x->out, "There are no suitable hosts to start this VM on.\n"
                      "The hosts are not suitable for these reasons:\n");
    out_table(&x->out, &t);
}

/* Start or resume a VM: on= names the host, paused= and force= are passed on. */
static int co_boot(struct xe *x, const struct record *vm, const char *verb, struct err *e)
{
    const char *on = args_get(x->args, "on"), *host = NULL, *task;
    bool paused, force;

    if (args_get_bool(x->args, "paused", false, &paused, e) < 0 ||
        args_get_bool(x->args, "force", false, &force, e) < 0 || (on && !(host = co_find_host(x, on, e))))
        return -1;
    if (host)
        task = co_call_text(x, e, talloc_asprintf(x->ctx, "Async.VM.%s_on", verb), "ssbb", vm->ref, host,
                            paused, force);
    else
        task =
            co_call_text(x, e, talloc_asprintf(x->ctx, "Async.VM.%s", verb), "sbb", vm->ref, paused, force);
    if (co_task_wait(x, task, e))
        return 0;
    if (err_is(e, "NO_HOSTS_AVAILABLE"))
        co_explain_no_hosts(x, vm->ref);
    return -1;
}

static int co_start_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    return co_boot(x, vm, "start", e);
}

static int co_vm_start(struct xe *x, struct err *e)
{
    return co_for_vms(x, SELECT_CONTROL_DOMAINS, co_start_one, e);
}

const struct command cmd_vm_start = {
    .name = "vm-start",
    .optional = "force,on,paused",
    .help = "Start VMs; on= picks the host by name or uuid, --paused leaves them paused, --progress shows "
            "how far it "
            "is.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_start,
};

static int co_resume_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    return co_boot(x, vm, "resume", e);
}

static int co_vm_resume(struct xe *x, struct err *e)
{
    return co_for_vms(x, 0, co_resume_one, e);
}

const struct command cmd_vm_resume = {
    .name = "vm-resume",
    .optional = "force,on",
    .help = "Bring suspended VMs back to life; on= picks the host by name or uuid.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_resume,
};

/* Run an asynchronous message that takes only the VM. */
static int co_async(struct xe *x, const struct record *vm, const char *method, struct err *e)
{
    return co_task_wait(x, co_call_text(x, e, method, "s", vm->ref), e) ? 0 : -1;
}

/* The one of two messages that --force picks, or NULL. */
static const char *pick_forced(struct xe *x, const char *gentle, const char *forced, struct err *e)
{
    bool force;

    if (args_get_bool(x->args, "force", false, &force, e) < 0)
        return NULL;
    return force ? forced : gentle;
}

static int co_suspend_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    return co_async(x, vm, "Async.VM.suspend", e);
}

static int co_vm_suspend(struct xe *x, struct err *e)
{
    return co_for_vms(x, 0, co_suspend_one, e);
}

const struct command cmd_vm_suspend = {
    .name = "vm-suspend",
    .help = "Save the memory of VMs to disk and stop them.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_suspend,
};

static int co_shutdown_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    const char *method = pick_forced(x, "Async.VM.clean_shutdown", "Async.VM.hard_shutdown", e);

    return method ? co_async(x, vm, method, e) : -1;
}

static int co_vm_shutdown(struct xe *x, struct err *e)
{
    return co_for_vms(x, 0, co_shutdown_one, e);
}

const struct command cmd_vm_shutdown = {
    .name = "vm-shutdown",
    .optional = "force",
    .help = "Let the guests shut themselves down, or with --force cut their power.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_shutdown,
};

static int co_reboot_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    const char *method = pick_forced(x, "VM.clean_reboot", "VM.hard_reboot", e);

    return method ? co_call_void(x, e, method, "s", vm->ref) : -1;
}

static int co_vm_reboot(struct xe *x, struct err *e)
{
    return co_for_vms(x, 0, co_reboot_one, e);
}

const struct command cmd_vm_reboot = {
    .name = "vm-reboot",
    .optional = "force",
    .help = "Let the guests reboot themselves, or with --force stop and start them at once.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_reboot,
};

static int co_pause_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    return co_call_void(x, e, "VM.pause", "s", vm->ref);
}

static int co_vm_pause(struct xe *x, struct err *e)
{
    return co_for_vms(x, 0, co_pause_one, e);
}

const struct command cmd_vm_pause = {
    .name = "vm-pause",
    .help = "Freeze the virtual CPUs of running VMs.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_pause,
};

static int co_unpause_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    return co_call_void(x, e, "VM.unpause", "s", vm->ref);
}

static int co_vm_unpause(struct xe *x, struct err *e)
{
    return co_for_vms(x, 0, co_unpause_one, e);
}

const struct command cmd_vm_unpause = {
    .name = "vm-unpause",
    .help = "Let paused VMs run on.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_unpause,
};

static int co_reset_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    return co_call_void(x, e, "VM.power_state_reset", "s", vm->ref);
}

static int co_vm_reset_powerstate(struct xe *x, struct err *e)
{
    if (require_force(x, "mark VMs as halted whatever their guests do, which can ruin their disks", e) < 0)
        return -1;
    return co_for_vms(x, 0, co_reset_one, e);
}

const struct command cmd_vm_reset_powerstate = {
    .name = "vm-reset-powerstate",
    .optional = "force",
    .help =
        "Mark VMs as halted in the database only, for when their host is known to be dead. Needs --force.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_reset_powerstate,
};
