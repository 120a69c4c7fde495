#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "hv/qemu/access.h"
#include "hv/qemu/qemu.h"
#include "hv/qemu/vm_dir.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define ANSWER_MS 5000 /* for all of them together; who is silent then is taken over all the same */
#define NOTE_MS 5000   /* between a clone and an exec lie microseconds */
#define NOTE_LOOK_MS 2
#define END_MS 10000

/* ---- what is left in the folders ---- */

static void ignore_end(struct process *p, void *arg)
{
}

/* Read the note of a folder, waiting for one that is just being written. */
static int co_read_note(int dir_fd, pid_t *pid, uint64_t *start_ticks)
{
    int64_t deadline = clock_in_ms(NOTE_MS);

    while (clock_now() < deadline) {
        enum process_note_state s = process_note_read(dir_fd, VM_DIR_PROCESS, pid, start_ticks);
        int r;

        if (s != NOTE_STARTING)
            return s == NOTE_ALIVE ? 0 : -ESRCH;
        r = co_sleep_until(clock_in_ms(NOTE_LOOK_MS), "a process to sign its note");
        if (r < 0)
            return r;
    }
    return -ETIMEDOUT;
}

static int co_kill_noted(pid_t pid, uint64_t start_ticks)
{
    struct process p;
    int r = process_adopt(&p, pid, start_ticks, ignore_end, NULL);

    if (r < 0)
        return r == -ESRCH ? 0 : r;
    process_kill(&p, SIGKILL);
    r = co_process_wait(&p, clock_in_ms(END_MS));
    process_release(&p);
    return r;
}

int co_qemu_sweep(struct qemu_hv *hv, const char *uuid)
{
    CLEANUP_FD int dir_fd = vm_dir_open(hv->vms_fd, uuid);
    uint64_t start_ticks;
    pid_t pid;
    int r;

    if (dir_fd < 0)
        return dir_fd == -ENOENT ? 0 : dir_fd;
    r = co_read_note(dir_fd, &pid, &start_ticks);
    if (r == 0)
        r = co_kill_noted(pid, start_ticks);
    if (r == 0 || r == -ESRCH)
        qemu_report_nvram(hv, uuid, dir_fd);
    if (r == 0 || r == -ESRCH)
        qemu_access_revoke_all(hv, uuid, dir_fd);
    if (r == 0 || r == -ESRCH)
        r = cgroup_remove(&hv->cgroups, uuid);
    if (r == 0)
        r = vm_dir_remove(hv->vms_fd, uuid);
    return r;
}

/* ---- taking over ---- */

/* Read the folder of a live guest into vm and watch its process. -ESRCH: there is no live guest whose start
 * was complete. */
static int co_take_over(struct qemu_vm *vm)
{
    uint64_t start_ticks;
    pid_t pid;
    int r;

    vm->dir_fd = vm_dir_open(vm->hv->vms_fd, vm->uuid);
    if (vm->dir_fd < 0)
        return vm->dir_fd;
    r = co_read_note(vm->dir_fd, &pid, &start_ticks);
    if (r == 0 && faccessat(vm->dir_fd, VM_DIR_STARTED, F_OK, 0) < 0)
        r = -ESRCH;
    if (r == 0)
        r = qemu_spec_load(vm);
    if (r == 0)
        r = process_adopt(&vm->process, pid, start_ticks, qemu_vm_process_ended, vm);
    vm->spawned = r == 0;
    qemu_passage_load(vm->dir_fd, &vm->passage);
    vm->held = faccessat(vm->dir_fd, VM_DIR_HELD, F_OK, 0) == 0;
    return r;
}

/* One folder: its guest comes into the table, or its remains go. A live guest that makes no sense is left
 * alone. */
static int co_adopt_folder(struct qemu_hv *hv, const char *uuid)
{
    struct qemu_vm *vm = qemu_vm_new(hv, uuid);
    int r = co_take_over(vm);

    if (r == 0) {
        vm->committed = true;
        vm->state = HV_STATE_RUNNING;
        if (qemu_vm_connect(vm) < 0)
            ev_timer_start(loop_get(), &vm->reconnect);
        return 0;
    }
    qemu_vm_detach(vm);
    if (r == -ESRCH)
        r = co_qemu_sweep(hv, uuid);
    if (r < 0 && r != -ECANCELED)
        log_warning("the folder vm/%s is left alone: %s", uuid, strerror(-r));
    return r == -ECANCELED ? r : 0;
}

struct names {
    char (*v)[UUID_TEXT_SIZE];
    size_t n;
};

static int read_names(int vms_fd, struct names *names)
{
    int copy = openat(vms_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *entry;

    if (!d)
        return -errno;
    while ((entry = readdir(d))) {
        if (!uuid_is_valid(entry->d_name))
            continue;
        names->v = mem_resize(names->v, (names->n + 1) * sizeof *names->v);
        memcpy(names->v[names->n++], entry->d_name, UUID_TEXT_SIZE);
    }
    closedir(d);
    return 0;
}

static int co_adopt_folders(struct qemu_hv *hv)
{
    struct names names = {0};
    int r = read_names(hv->vms_fd, &names);

    for (size_t i = 0; r == 0 && i < names.n; i++)
        if (!qemu_vm_find(hv, names.v[i]))
            r = co_adopt_folder(hv, names.v[i]);
    free(names.v);
    return r;
}

/* A guest of the table whose state is still to be heard; NULL when none is left. */
static struct qemu_vm *find_unknown(struct qemu_hv *hv)
{
    struct qemu_vm *vm;

    TAILQ_FOREACH (vm, &hv->vms, link)
        if (vm->committed && !vm->state_known)
            return vm;
    return NULL;
}

/* They were all asked at once; wait for the answers. */
static int co_hear_all(struct qemu_hv *hv)
{
    int64_t deadline = clock_in_ms(ANSWER_MS);
    struct qemu_vm *vm;
    int r = 0;

    while (r == 0 && (vm = find_unknown(hv))) {
        qemu_vm_ref(vm);
        r = co_cond_wait(&vm->changed, deadline, "QEMU of %s to answer", vm->uuid);
        qemu_vm_unref(vm);
    }
    while (r == -ETIMEDOUT && (vm = find_unknown(hv))) {
        log_warning("QEMU of %s does not answer", vm->uuid);
        break;
    }
    return r == -ETIMEDOUT ? 0 : r;
}

/* A guest that may have grown, and whose QEMU answers, but was not asked; NULL when none is left. */
static struct qemu_vm *find_unmeasured(struct qemu_hv *hv)
{
    struct qemu_vm *vm;

    TAILQ_FOREACH (vm, &hv->vms, link)
        if (vm->committed && vm->state_known && vm->shape && vm->memory == 0)
            return vm;
    return NULL;
}

static void co_hear_memory_of_all(struct qemu_hv *hv)
{
    struct qemu_vm *vm;

    while ((vm = find_unmeasured(hv))) {
        qemu_vm_ref(vm);
        co_qemu_hear_memory(vm);
        qemu_vm_unref(vm);
    }
}

int co_qemu_adopt(struct hv *hv, void (*visit)(const char *uuid, const struct hv_vm_facts *f, void *arg),
                  void *arg, struct err *e)
{
    struct qemu_hv *q = (struct qemu_hv *)(void *)hv;
    struct hv_vm_facts facts;
    struct qemu_vm *vm;
    int r = co_adopt_folders(q);

    if (r == 0)
        r = co_hear_all(q);
    if (r < 0)
        return err_errno(e, r, "looking for guests");
    co_hear_memory_of_all(q);
    TAILQ_FOREACH (vm, &q->vms, link) {
        if (!vm->committed)
            continue;
        qemu_vm_facts(vm, &facts);
        visit(vm->uuid, &facts, arg);
    }
    return 0;
}
