/* What a guest has used: the time of its processors' threads, and what went to and from its disks. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "hv/qemu/qemu.h"
#include "lib/clock.h"
#include "model/errors.gen.h"

enum { ASK_MS = 2000 };

/* Seconds at work of a thread, by the 14th and 15th word of its stat; its name may hold anything. */
static double thread_seconds(pid_t pid, json_int_t tid)
{
    char path[64], text[512];
    unsigned long user, system;
    snprintf(path, sizeof path, "/proc/%d/task/%lld/stat", (int)pid, (long long)tid);
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    const char *end = strrchr(text, ')');
    if (!end || sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        return 0;
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void read_processors(const struct qemu_vm *vm, const json_t *cpus, struct hv_usage *u)
{
    const json_t *cpu;
    size_t i;
    json_array_foreach (cpus, i, cpu)
        if (u->n_processors < HV_USAGE_PROCESSORS)
            u->processor[u->n_processors++] =
                thread_seconds(vm->process.pid, json_integer_value(json_object_get(cpu, "thread-id")));
}

/* The drive's device is "disk" with the userdevice, or lies below one of that name. */
static bool drive_number(const json_t *block, unsigned *ret)
{
    const char *qdev = json_string_value(json_object_get(block, "qdev"));
    const char *disk = qdev ? strstr(qdev, "disk") : NULL;
    return disk && sscanf(disk, "disk%u", ret) == 1;
}

static void read_disks(const json_t *blocks, struct hv_usage *u)
{
    const json_t *block;
    size_t i;
    unsigned number;
    json_array_foreach (blocks, i, block) {
        const json_t *stats = json_object_get(block, "stats");
        if (!drive_number(block, &number) || u->n_disks == HV_USAGE_DISKS)
            continue;
        u->disk[u->n_disks++] = (struct hv_disk_usage){
            .userdevice = number,
            .read_bytes = (double)json_integer_value(json_object_get(stats, "rd_bytes")),
            .written_bytes = (double)json_integer_value(json_object_get(stats, "wr_bytes")),
            .reads = (double)json_integer_value(json_object_get(stats, "rd_operations")),
            .writes = (double)json_integer_value(json_object_get(stats, "wr_operations"))};
    }
}

static int co_ask(struct qemu_vm *vm, const char *command, json_t **ret, struct err *e)
{
    if (!vm->qmp || vm->gone || !vm->committed || !qemu_passage_is_here(&vm->passage))
        return err_vm_bad_power_state(e, vm->uuid, "Running", "Halted");
    return co_qmp_command(vm->qmp, command, NULL, clock_in_ms(ASK_MS), ret, e) < 0 ? -1 : 0;
}

int co_qemu_usage(struct hv *hv, const char *uuid, struct hv_usage *ret, struct err *e)
{
    struct qemu_vm *vm = qemu_vm_find((struct qemu_hv *)hv, uuid);
    json_t *cpus = NULL, *blocks = NULL;
    memset(ret, 0, sizeof *ret);
    if (!vm)
        return err_vm_bad_power_state(e, uuid, "Running", "Halted");
    qemu_vm_ref(vm);
    int r = co_ask(vm, "query-cpus-fast", &cpus, e);
    if (r == 0 && !vm->gone)
        read_processors(vm, cpus, ret);
    if (r == 0)
        r = co_ask(vm, "query-blockstats", &blocks, e);
    if (r == 0)
        read_disks(blocks, ret);
    json_decref(cpus);
    json_decref(blocks);
    qemu_vm_unref(vm);
    return r;
}
