#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "hv/qemu/qemu.h"
#include "hv/qemu/vm_dir.h"

/* The mark of a guest that is on its way: STATE/vm/<uuid>/passage. */

#define MARK_MAX 1024

static const char *const state_names[] = {
    [HV_PASSAGE_NONE] = "none",
    [HV_PASSAGE_ARRIVING] = "arriving",
    [HV_PASSAGE_LEAVING] = "leaving",
    [HV_PASSAGE_LEFT] = "left",
};

bool qemu_passage_is_here(const struct qemu_passage *p)
{
    return p->state == HV_PASSAGE_NONE || p->state == HV_PASSAGE_LEAVING;
}

static void copy_host(char to[UUID_TEXT_SIZE], const json_t *text)
{
    const char *uuid = json_string_value(text);

    snprintf(to, UUID_TEXT_SIZE, "%s", uuid ? uuid : "");
}

static enum hv_passage_state state_of(const json_t *mark)
{
    const char *name = json_string_value(json_object_get(mark, "state"));

    for (unsigned i = HV_PASSAGE_ARRIVING; i <= HV_PASSAGE_LEFT; i++)
        if (name && strcmp(name, state_names[i]) == 0)
            return i;
    return HV_PASSAGE_NONE;
}

void qemu_passage_load(int dir_fd, struct qemu_passage *ret)
{
    CLEANUP_FREE char *text = vm_dir_read(dir_fd, VM_DIR_PASSAGE, MARK_MAX);
    json_t *mark = text ? json_loads(text, 0, NULL) : NULL;

    *ret = (struct qemu_passage){
        .state = state_of(mark),
        .stays_paused = json_is_true(json_object_get(mark, "stays_paused")),
        .memory_port = (unsigned)json_integer_value(json_object_get(mark, "memory_port")),
        .disk_port = (unsigned)json_integer_value(json_object_get(mark, "disk_port")),
    };
    copy_host(ret->source, json_object_get(mark, "source"));
    copy_host(ret->destination, json_object_get(mark, "destination"));
    json_decref(mark);
}

static int write_mark(int dir_fd, const struct qemu_passage *p)
{
    json_t *mark;
    int r;

    if (p->state == HV_PASSAGE_NONE)
        return unlinkat(dir_fd, VM_DIR_PASSAGE, 0) < 0 && errno != ENOENT ? -errno : 0;
    mark = json_pack("{s:s, s:b, s:s, s:s, s:i, s:i}", "state", state_names[p->state], "stays_paused",
                     p->stays_paused, "source", p->source, "destination", p->destination, "memory_port",
                     (int)p->memory_port, "disk_port", (int)p->disk_port);
    r = vm_dir_write_json(dir_fd, VM_DIR_PASSAGE, mark);
    json_decref(mark);
    return r;
}

int qemu_vm_set_passage(struct qemu_vm *vm, const struct qemu_passage *p, struct err *e)
{
    int r = vm->gone ? -ESRCH : write_mark(vm->dir_fd, p);

    if (r < 0)
        err_errno(e, r, "the mark of %s", vm->uuid);
    else
        vm->passage = *p;
    return r;
}
