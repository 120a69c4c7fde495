#include "tests/hv/by_hand.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include "hv/qemu/vm_dir.h"
#include "lib/clock.h"
#include "lib/fiber.h"
#include "tests/hv/fixture.h"

#define GUARD_MS 60000
#define LOOK_US 500

static void ignore_event(const char *name, const json_t *data, void *arg)
{
}

static void ignore_ready(void *arg)
{
}

static void ignore_closed(int error, void *arg)
{
}

static void ignore_end(struct process *p, void *arg)
{
}

static void enter_cgroup(struct by_hand *h, const struct cgroups *cgroups)
{
    const struct hv_schedule usual = {.weight = HV_WEIGHT_DEFAULT};

    h->cgroups = cgroups;
    snprintf(h->group, sizeof h->group, "by-hand-%d", (int)h->process.pid);
    cgroup_add(cgroups, h->group, h->process.pid);
    cgroup_set(cgroups, h->group, &usual);
}

void by_hand_start(struct by_hand *h, const struct qemu_cmdline_host *host, const struct cgroups *cgroups,
                   const char *folder, const struct hv_vm_spec *spec, bool incoming)
{
    static const struct qmp_handlers handlers = {ignore_event, ignore_ready, ignore_closed};
    CLEANUP_ERR struct err e = {0};
    const char **argv = qemu_cmdline(NULL, host, spec, &(struct qemu_cmdline_how){.incoming = incoming}, &e);
    int fds[QEMU_FD_COUNT];
    struct process_launch l = {host->program, argv, -1, fds, QEMU_FD_COUNT, QEMU_FD_NOTE};

    REQUIRE(argv && mkdir(folder, 0700) == 0);
    h->dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    l.cwd_fd = h->dir_fd;
    for (unsigned i = 0; i < QEMU_FD_NOTE; i++)
        fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
    fds[QEMU_FD_NOTE] = process_note_create(h->dir_fd, VM_DIR_PROCESS);
    fds[QEMU_FD_QMP] = vm_dir_listen(h->dir_fd, VM_DIR_QMP);
    fds[QEMU_FD_AGENT] = vm_dir_listen(h->dir_fd, VM_DIR_AGENT);
    fds[QEMU_FD_SERIAL] = vm_dir_listen(h->dir_fd, VM_DIR_SERIAL);
    h->qmp = qmp_new(vm_dir_connect(h->dir_fd, VM_DIR_QMP), &handlers, NULL);
    REQUIRE(process_start(&h->process, &l, ignore_end, NULL) == 0);
    enter_cgroup(h, cgroups);
    process_set_ordinary(&h->process);
    for (unsigned i = 0; i < QEMU_FD_COUNT; i++)
        close(fds[i]);
    talloc_free(argv);
}

void co_by_hand_kill(struct by_hand *h)
{
    process_kill(&h->process, SIGKILL);
    REQUIRE(co_process_wait(&h->process, clock_in_ms(GUARD_MS)) == 0);
    cgroup_remove(h->cgroups, h->group);
    qmp_free(h->qmp);
    close(h->dir_fd);
}

int by_hand_console(const struct by_hand *h)
{
    return vm_dir_connect(h->dir_fd, VM_DIR_SERIAL);
}

json_t *co_by_hand(struct by_hand *h, const char *command, json_t *arguments)
{
    CLEANUP_ERR struct err e = {0};
    json_t *answer = NULL;

    if (co_qmp_command(h->qmp, command, arguments, clock_in_ms(GUARD_MS), &answer, &e) < 0)
        fprintf(stderr, "%s\n", err_text(NULL, &e));
    REQUIRE(!err_is_set(&e));
    return answer;
}

bool co_by_hand_await(struct by_hand *h, const char *status)
{
    for (;;) {
        json_t *answer = co_by_hand(h, "query-migrate", NULL);
        const char *now = json_string_value(json_object_get(answer, "status"));
        bool there = now && strcmp(now, status) == 0, over = now && strcmp(now, "completed") == 0;

        REQUIRE(!now || strcmp(now, "failed") != 0);
        json_decref(answer);
        if (there || over)
            return there;
        REQUIRE(co_sleep_until(clock_now() + LOOK_US * 1000, "a move by hand") == 0);
    }
}
