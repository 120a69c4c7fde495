#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>
#include "hv/platform.h"
#include "hv/qemu/access.h"
#include "hv/qemu/cmdline.h"
#include "hv/qemu/nvram.h"
#include "hv/qemu/qemu.h"
#include "hv/qemu/shape.h"
#include "hv/qemu/start.h"
#include "hv/qemu/vm_dir.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "model/errors.gen.h"

#define START_MS 60000 /* for QEMU to answer: a loaded host is slow, a hung QEMU must end some time */
#define END_MS 10000   /* for a killed process to go */
#define LAST_WORDS_MS 1000

/* ---- before QEMU exists ---- */

static void note_spec(struct qemu_vm *vm, const struct hv_vm_spec *spec, const struct hv_platform *platform,
                      const struct qemu_layout *layout)
{
    vm->domid = spec->domid;
    vm->uid = vm->hv->user.count ? qemu_user_pick(vm->hv, spec->domid) : 0;
    vm->timeoffset = platform->timeoffset;
    vm->acpi = platform->acpi;
    vm->nic_model = platform->nic_model;
    vm->vnc = qemu_spec_has_vnc(spec);
    vm->nics_boot = qemu_spec_nics_boot(spec);
    vm->layout = *layout;
    vm->shape = qemu_shape_begin(spec, layout);
    vm->memory = qemu_memory_of(vm, layout);
    if (spec->n_nics > 0)
        vm->nics = mem_zalloc(spec->n_nics * sizeof *vm->nics);
    for (unsigned i = 0; i < spec->n_nics; i++) {
        vm->nics[i].device = spec->nics[i].device;
        snprintf(vm->nics[i].mac, sizeof vm->nics[i].mac, "%s", spec->nics[i].mac ? spec->nics[i].mac : "");
    }
    vm->n_nics = spec->n_nics;
}

/* Make the guest's folder; a dead one's remains are swept away, a live one's are in the way. */
static int co_make_folder(struct qemu_vm *vm, struct err *e)
{
    int r = vm_dir_create(vm->hv->vms_fd, vm->uuid);

    if (r == -EEXIST) {
        pid_t pid;
        uint64_t start_ticks;
        CLEANUP_FD int fd = vm_dir_open(vm->hv->vms_fd, vm->uuid);

        if (fd >= 0 && process_note_read(fd, VM_DIR_PROCESS, &pid, &start_ticks) != NOTE_DEAD)
            return err_domain_exists(e, vm->uuid, "unknown");
        r = vm_dir_remove(vm->hv->vms_fd, vm->uuid);
        if (r == 0)
            r = vm_dir_create(vm->hv->vms_fd, vm->uuid);
    }
    if (r < 0)
        return err_errno(e, r, "folder of %s", vm->uuid);
    vm->dir_fd = r;
    return 0;
}

static int open_log(int dir_fd)
{
    int fd = openat(dir_fd, VM_DIR_QEMU_LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    return fd < 0 ? -errno : fd;
}

static int open_null(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

/* What the process inherits. */
static int open_fds(struct qemu_vm *vm, int fds[QEMU_FD_COUNT])
{
    fds[0] = open_null();
    fds[1] = open_log(vm->dir_fd);
    fds[2] = fds[1] < 0 ? fds[1] : fcntl(fds[1], F_DUPFD_CLOEXEC, 3);
    fds[QEMU_FD_NOTE] = process_note_create(vm->dir_fd, VM_DIR_PROCESS);
    fds[QEMU_FD_QMP] = vm_dir_listen(vm->dir_fd, VM_DIR_QMP);
    fds[QEMU_FD_AGENT] = vm_dir_listen(vm->dir_fd, VM_DIR_AGENT);
    fds[QEMU_FD_SERIAL] = vm_dir_listen(vm->dir_fd, VM_DIR_SERIAL);
    for (unsigned i = 0; i < QEMU_FD_COUNT; i++)
        if (fds[i] < 0)
            return fds[i];
    return 0;
}

static int make_nvram(struct qemu_vm *vm, const struct hv_vm_spec *spec, const struct hv_platform *platform,
                      struct err *e)
{
    int r = spec->boot == HV_BOOT_UEFI ? nvram_create(vm->dir_fd, spec->nvram, platform->secureboot) : 0;

    if (r == -ENOENT)
        return err_domain_builder_error(e, "qemu", "uefi",
                                        "no UEFI firmware is set up on this host: apt-get install ovmf");
    if (r == -EBADMSG)
        return err_invalid_value(e, "NVRAM:" HV_NVRAM_KEY, "not what a guest has left here");
    return r < 0 ? err_errno(e, r, "UEFI variables of %s", vm->uuid) : 0;
}

/* A tap for each NIC that has one, in their order; their number or -errno. */
static int open_taps(const struct hv_vm_spec *spec, int fds[QEMU_TAPS_MAX])
{
    int n = 0;

    for (unsigned i = 0; i < spec->n_nics; i++) {
        if (spec->nics[i].backend != HV_NIC_TAP)
            continue;
        if (n == QEMU_TAPS_MAX)
            return -E2BIG;
        fds[n] = qemu_open_tap(spec->nics[i].ifname);
        if (fds[n] < 0)
            return fds[n];
        n++;
    }
    return n;
}

/* Execute QEMU. Our copies of its listening sockets are closed at once, so that the connection breaks when it
 * dies; we connect before that, since a listening socket takes connections before anybody accepts them. */
static int launch(struct qemu_vm *vm, const struct hv_vm_spec *spec, const char **argv,
                  const struct hv_schedule *schedule)
{
    int fds[QEMU_FD_COUNT + QEMU_TAPS_MAX];
    const struct qemu_user *u = &vm->hv->user;
    struct process_launch l = {.program = vm->hv->program,
                               .argv = argv,
                               .cwd_fd = vm->dir_fd,
                               .fds = fds,
                               .note = QEMU_FD_NOTE,
                               .uid = vm->uid,
                               .gid = u->group,
                               .groups = &u->kvm,
                               .n_groups = u->kvm != 0};
    int r;

    memset(fds, -1, sizeof fds);
    r = open_fds(vm, fds);
    if (r == 0)
        r = open_taps(spec, fds + QEMU_FD_COUNT);
    l.n_fds = QEMU_FD_COUNT + (r > 0 ? (unsigned)r : 0);
    if (r >= 0)
        r = qemu_access_folder(vm, true);
    if (r == 0)
        r = qemu_spec_save(vm);
    if (r == 0)
        r = qemu_vm_connect(vm);
    if (r == 0)
        r = process_start(&vm->process, &l, qemu_vm_process_ended, vm);
    vm->spawned = r == 0;
    if (r == 0)
        qemu_enter_cgroup(vm, schedule);
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return r;
}

static int co_prepare_and_launch(struct qemu_vm *vm, const struct hv_vm_spec *spec,
                                 const struct hv_platform *platform, const struct hv_schedule *schedule,
                                 bool incoming, struct err *e)
{
    const struct qemu_cmdline_how how = {.incoming = incoming, .layout = vm->layout};
    const char **argv = qemu_cmdline(NULL, &vm->hv->host, spec, &how, e);
    int r;

    if (!argv)
        return -1;
    r = co_make_folder(vm, e);
    if (r == 0)
        r = make_nvram(vm, spec, platform, e);
    if (r == 0)
        r = qemu_access_all(vm, spec, e);
    if (r == 0) {
        r = launch(vm, spec, argv, schedule);
        if (r < 0)
            err_errno(e, r, "starting %s", vm->hv->program);
    }
    talloc_free(argv);
    return r < 0 ? -1 : 0;
}

/* ---- once it runs ---- */

/* QEMU went away during its start: what it said last is the reason. */
static int co_fail_with_last_words(struct qemu_vm *vm, struct err *e)
{
    CLEANUP_FREE char *words = NULL;
    char status[32];

    if (co_process_wait(&vm->process, clock_in_ms(LAST_WORDS_MS)) < 0)
        return err_errno(e, -ECONNRESET, "QEMU of %s", vm->uuid);
    words = vm_dir_last_words(vm->dir_fd);
    snprintf(status, sizeof status, "%d", vm->process.status);
    return err_domain_builder_error(e, "qemu", status, words);
}

static int co_run_guest(struct qemu_vm *vm, const struct hv_vm_spec *spec, const void *arg, struct err *e)
{
    int64_t deadline = clock_in_ms(START_MS);

    return spec->state_fd > 0   ? co_qemu_load(vm, spec->state_fd, e)
           : spec->start_paused ? co_qemu_vm_wait_known(vm, deadline)
                                : co_qmp_command(vm->qmp, "cont", NULL, deadline, NULL, e);
}

static int co_begin(struct qemu_vm *vm, const struct hv_vm_spec *spec, const struct qemu_beginning *how,
                    struct err *e)
{
    CLEANUP_ERR struct err refusal = {0};
    int r = how->co_begin(vm, spec, how->arg, &refusal);

    if (r == 0)
        return 0;
    if (r == -ECONNRESET || r == -ECONNABORTED || r == -ENOTCONN)
        return co_fail_with_last_words(vm, e);
    err_move(e, &refusal);
    return err_is_set(e) ? -1 : err_errno(e, r, "start of %s", vm->uuid);
}

/* From here on the guest counts as started, also for a daemon that comes after us. */
static int commit(struct qemu_vm *vm, struct err *e)
{
    char text[32];
    int r;

    process_set_ordinary(&vm->process);
    vm->start_time = clock_wall();
    snprintf(text, sizeof text, "%" PRId64 "\n", vm->start_time);
    r = vm->process.ended ? -ESRCH : vm_dir_write(vm->dir_fd, VM_DIR_STARTED, text);
    if (r < 0)
        return err_errno(e, r, "start of %s", vm->uuid);
    vm->committed = true;
    return 0;
}

/* It has made its files: its folder is ours again, before its guest runs. */
static int co_close_folder(struct qemu_vm *vm, struct err *e)
{
    int r = vm->uid ? co_qemu_vm_wait_known(vm, clock_in_ms(START_MS)) : 0;

    if (r == -ECONNRESET || r == -ENOTCONN)
        return co_fail_with_last_words(vm, e);
    if (r == 0)
        r = qemu_access_folder(vm, false);
    return r < 0 ? err_errno(e, r, "the folder of %s", vm->uuid) : 0;
}

/* Leave nothing behind. What cannot be ended now is ended when the daemon next looks for guests. */
static void co_abandon(struct qemu_vm *vm)
{
    int r = 0;

    fiber_mask_cancel();
    if (vm->spawned) {
        process_kill(&vm->process, SIGKILL);
        r = co_process_wait(&vm->process, clock_in_ms(END_MS));
    }
    if (r == 0 && vm->dir_fd >= 0)
        qemu_access_revoke_all(vm->hv, vm->uuid, vm->dir_fd);
    if (r == 0)
        r = cgroup_remove(&vm->hv->cgroups, vm->uuid);
    if (r == 0 && vm->dir_fd >= 0)
        r = vm_dir_remove(vm->hv->vms_fd, vm->uuid);
    if (r < 0)
        log_warning("the failed start of %s left something behind: %s", vm->uuid, strerror(-r));
    fiber_unmask_cancel();
}

static int co_come_up(struct qemu_vm *vm, const struct hv_vm_spec *spec, const struct hv_platform *platform,
                      const struct hv_schedule *schedule, const struct qemu_beginning *how, struct err *e)
{
    if (co_prepare_and_launch(vm, spec, platform, schedule, how->incoming, e) < 0 ||
        co_close_folder(vm, e) < 0 || (schedule->masked && co_qemu_pin(vm, schedule, e) < 0) ||
        (spec->memory_max > spec->memory && !how->incoming && co_qemu_balloon(vm, spec->memory, e) < 0))
        return -1;
    return co_begin(vm, spec, how, e) < 0 ? -1 : commit(vm, e);
}

/* spec: with what its shape says. */
static int co_bring_up_fitted(struct qemu_hv *q, const struct hv_vm_spec *spec,
                              const struct qemu_layout *layout, const struct qemu_beginning *how,
                              struct hv_vm_facts *ret, struct err *e)
{
    struct qemu_vm *vm = qemu_vm_find(q, spec->uuid);
    struct hv_platform platform;
    struct hv_schedule schedule;
    char domid[24];

    if (vm) {
        snprintf(domid, sizeof domid, "%" PRId64, vm->domid);
        return err_domain_exists(e, spec->uuid, domid);
    }
    if (!uuid_is_valid(spec->uuid))
        return err_internal(e, "not a uuid: %s", spec->uuid);
    if (hv_platform_read(spec, &platform, e) < 0 || hv_schedule_read(spec->vcpus_params, &schedule, e) < 0)
        return -1;
    vm = qemu_vm_new(q, spec->uuid);
    note_spec(vm, spec, &platform, layout);
    if (co_come_up(vm, spec, &platform, &schedule, how, e) < 0) {
        co_abandon(vm);
        qemu_vm_detach(vm);
        return -1;
    }
    qemu_vm_facts(vm, ret);
    return 0;
}

int co_qemu_bring_up(struct qemu_hv *q, const struct hv_vm_spec *spec, const struct qemu_beginning *how,
                     struct hv_vm_facts *ret, struct err *e)
{
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    struct hv_vm_spec fitted = *spec;
    struct hv_platform platform;
    struct qemu_layout layout;

    if (qemu_shape_apply(ctx, &fitted, how->incoming, &layout, e) < 0 ||
        hv_platform_read(&fitted, &platform, e) < 0)
        return -1;
    if (!how->incoming)
        qemu_memory_plan(&layout, &fitted, &platform, q->accelerator);
    return co_bring_up_fitted(q, &fitted, &layout, how, ret, e);
}

int co_qemu_start(struct hv *hv, const struct hv_vm_spec *spec, struct hv_vm_facts *ret, struct err *e)
{
    const struct qemu_beginning how = {.incoming = spec->state_fd > 0, .co_begin = co_run_guest};

    return co_qemu_bring_up((struct qemu_hv *)(void *)hv, spec, &how, ret, e);
}
