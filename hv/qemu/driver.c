#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "hv/qemu/access.h"
#include "hv/qemu/probe.h"
#include "hv/qemu/qemu.h"
#include "hv/qemu/shape.h"
#include "hv/qemu/vm_dir.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/mem.h"

#define TIDY_S 10.0
#define LOG_MAX (4 * 1024 * 1024)

static struct qemu_hv *qemu_of(struct hv *hv)
{
    return (struct qemu_hv *)(void *)hv;
}

static enum hv_state qemu_state(struct hv *hv, const char *uuid)
{
    const struct qemu_vm *vm = qemu_vm_find(qemu_of(hv), uuid);

    return vm && vm->committed ? vm->state : HV_STATE_GONE;
}

static int co_qemu_console(struct hv *hv, const char *uuid, const char *kind)
{
    struct qemu_vm *vm = qemu_vm_find(qemu_of(hv), uuid);

    if (!vm)
        return -ENOENT;
    if (strcmp(kind, "serial") == 0)
        return vm_dir_connect(vm->dir_fd, VM_DIR_SERIAL);
    if (strcmp(kind, "vnc") == 0 && vm->vnc)
        return vm_dir_connect(vm->dir_fd, VM_DIR_VNC);
    return -ENODEV;
}

static void qemu_free(struct hv *hv)
{
    struct qemu_hv *q = qemu_of(hv);

    ev_timer_stop(loop_get(), &q->tidy);
    while (!TAILQ_EMPTY(&q->vms))
        qemu_vm_detach(TAILQ_FIRST(&q->vms));
    cgroups_close(&q->cgroups);
    close(q->vms_fd);
    free(q->pool_dir);
    free(q->program);
    free(q->accelerator);
    free(q);
}

static const struct hv_driver driver;

static void tidy_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct qemu_hv *q = w->data;
    struct qemu_vm *vm;

    TAILQ_FOREACH (vm, &q->vms, link) {
        vm_dir_trim_log(vm->dir_fd, VM_DIR_CONSOLE_LOG, LOG_MAX);
        vm_dir_trim_log(vm->dir_fd, VM_DIR_QEMU_LOG, LOG_MAX);
    }
}

/* Absolute, since a QEMU works in its guest's folder. */
static char *pool_dir_of(const char *state_dir)
{
    CLEANUP_FREE char *real = realpath(state_dir, NULL);
    char *path;

    if (asprintf(&path, "%s/pool", real ? real : state_dir) < 0)
        mem_abort();
    return path;
}

int qemu_open_with(const struct hv_options *o, const struct qemu_cmdline_host *host, struct hv **ret)
{
    int vms_fd = vm_dirs_open(o->state_dir);
    struct qemu_hv *q;
    struct stat st;
    int r;

    if (vms_fd < 0)
        return vms_fd;
    q = mem_zalloc(sizeof *q);
    q->hv.driver = &driver;
    q->vms_fd = vms_fd;
    r = cgroups_open(&q->cgroups);
    if (r == 0 && fstat(vms_fd, &st) == 0)
        snprintf(q->cgroups.host, sizeof q->cgroups.host, "@%llx.%llx", (unsigned long long)st.st_dev,
                 (unsigned long long)st.st_ino);
    if (r < 0)
        log_info("guests have no cgroups, so the weight and cap of their processors have no effect: %s",
                 strerror(-r));
    if (qemu_user_find(o->guest_user, &q->user) < 0)
        log_warning("there is no user %s, so QEMU runs as root", o->guest_user);
    q->pool_dir = pool_dir_of(o->state_dir);
    q->program = mem_strdup(host->program);
    q->accelerator = mem_strdup(host->accelerator);
    q->host = (struct qemu_cmdline_host){q->program, q->accelerator, host->sandbox};
    q->report = o->report;
    q->report_arg = o->report_arg;
    TAILQ_INIT(&q->vms);
    ev_timer_init(&q->tidy, tidy_cb, TIDY_S, TIDY_S);
    q->tidy.data = q;
    ev_timer_start(loop_get(), &q->tidy);
    *ret = &q->hv;
    return 0;
}

int co_hv_qemu_open(const struct hv_options *o, struct hv **ret, struct hv_host_facts *facts, struct err *e)
{
    static struct qemu_probe probe; /* the facts point into it */
    struct qemu_cmdline_host host;
    int r;

    if (co_qemu_probe(o->state_dir, &probe, e) < 0)
        return -1;
    host = (struct qemu_cmdline_host){probe.program, probe.accelerator, probe.sandbox};
    r = qemu_open_with(o, &host, ret);
    if (r < 0)
        return err_errno(e, r, "%s/vm", o->state_dir);
    *facts = (struct hv_host_facts){.accelerator = probe.accelerator, .version = probe.version};
    qemu_probe_host(facts);
    log_info("QEMU %s, accelerator %s%s", probe.version, probe.accelerator,
             probe.sandbox ? "" : ", no sandbox");
    return 0;
}

static const struct hv_driver driver = {
    .name = "qemu",
    .co_start = co_qemu_start,
    .co_pause = co_qemu_pause,
    .co_unpause = co_qemu_unpause,
    .co_shutdown = co_qemu_shutdown,
    .co_reboot = co_qemu_reboot,
    .co_stop = co_qemu_stop,
    .co_reset = co_qemu_reset,
    .co_trigger = co_qemu_trigger,
    .co_command = co_qemu_command,
    .co_plug_disk = co_qemu_plug_disk,
    .co_plug_nic = co_qemu_plug_nic,
    .co_unplug = co_qemu_unplug,
    .co_resize = co_qemu_resize,
    .co_insert = co_qemu_insert,
    .co_eject = co_qemu_eject,
    .co_look = co_qemu_look,
    .co_set_processors = co_qemu_set_processors,
    .co_set_memory = co_qemu_set_memory,
    .co_grow_memory = co_qemu_grow_memory,
    .co_hold = co_qemu_hold,
    .co_follow_disk = co_qemu_follow_disk,
    .co_dump = co_qemu_dump,
    .co_mirror_disk = co_qemu_mirror_disk,
    .co_settle_disk = co_qemu_settle_disk,
    .co_save = co_qemu_save,
    .co_shape = co_qemu_shape,
    .co_receive = co_qemu_receive,
    .co_move_prepare = co_qemu_move_prepare,
    .co_move_switch = co_qemu_move_switch,
    .co_move_finish = co_qemu_move_finish,
    .co_move_accept = co_qemu_move_accept,
    .co_move_drain = co_qemu_move_drain,
    .co_move_cancel = co_qemu_move_cancel,
    .co_adopt = co_qemu_adopt,
    .co_usage = co_qemu_usage,
    .state = qemu_state,
    .co_console = co_qemu_console,
    .free = qemu_free,
};
