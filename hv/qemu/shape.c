#include "hv/qemu/shape.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "hv/qemu/devices.h"
#include "hv/qemu/migration.h"
#include "lib/mem.h"
#include "model/errors.gen.h"

#define QUEUES_MAX 64
#define NUMBERS_MAX 4096
#define MEMORY_MAX ((json_int_t)1 << 50)

/* ---- what it is built from ---- */

json_t *qemu_shape_begin(const struct hv_vm_spec *s, const struct qemu_layout *l)
{
    json_t *platform = json_object(), *shape;

    for (uint32_t i = 0; i < map_count(s->platform); i++)
        json_object_set_new(platform, s->platform->e[i].k.s, json_string(s->platform->e[i].v.s));
    shape = json_pack("{s:I, s:i, s:i, s:b, s:b, s:s*, s:o}", "memory", (json_int_t)hv_memory_of(s),
                      "vcpus_max", (int)s->vcpus_max, "queues", (int)l->queues, "q35", l->q35, "ports",
                      l->ports, "boot_order", s->boot_order, "platform", platform);
    if (l->slots > 0) {
        json_object_set_new(shape, "slots", json_integer(l->slots));
        json_object_set_new(shape, "memory_limit", json_integer(l->memory_limit));
    }
    return shape;
}

static unsigned dimms_of(const json_t *shape, int64_t to[QEMU_DIMMS_MAX])
{
    const json_t *list = json_object_get(shape, "dimms");
    unsigned n = 0;

    for (; n < json_array_size(list) && n < QEMU_DIMMS_MAX; n++)
        to[n] = json_integer_value(json_array_get(list, n));
    return n;
}

struct qemu_layout qemu_shape_layout(const json_t *shape)
{
    struct qemu_layout l = {.queues = (unsigned)json_integer_value(json_object_get(shape, "queues")),
                            .q35 = json_is_true(json_object_get(shape, "q35")),
                            .ports = json_is_true(json_object_get(shape, "ports")),
                            .slots = (unsigned)json_integer_value(json_object_get(shape, "slots")),
                            .memory_limit = json_integer_value(json_object_get(shape, "memory_limit"))};

    l.n_dimms = dimms_of(shape, l.dimms);
    return l;
}

static bool is_number(const json_t *shape, const char *name, json_int_t least, json_int_t most)
{
    const json_t *value = json_object_get(shape, name);

    return json_is_integer(value) && json_integer_value(value) >= least && json_integer_value(value) <= most;
}

static bool is_text_map(const json_t *map)
{
    const char *key;
    const json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)map, key, value)
        if (!json_is_string(value))
            return false;
    return json_is_object(map);
}

/* Older shapes say nothing of slots. */
static bool has_sound_slots(const json_t *shape)
{
    return !json_object_get(shape, "slots") ||
           (is_number(shape, "slots", 1, QEMU_DIMMS_MAX) &&
            is_number(shape, "memory_limit", json_integer_value(json_object_get(shape, "memory")) + 1,
                      MEMORY_MAX));
}

bool qemu_shape_is_sound(const json_t *shape)
{
    const json_t *order = json_object_get(shape, "boot_order");

    return is_number(shape, "memory", 1 << 20, MEMORY_MAX) && is_number(shape, "vcpus_max", 0, NUMBERS_MAX) &&
           is_number(shape, "queues", 0, QUEUES_MAX) && has_sound_slots(shape) &&
           (!order || json_is_string(order)) && is_text_map(json_object_get(shape, "platform"));
}

/* What came later, in all; -1 when the slots cannot hold such. */
static int64_t sum_of_dimms(const json_t *shape)
{
    const json_t *list = json_object_get(shape, "dimms"), *entry;
    json_int_t sum = 0;
    size_t i;

    if (list && (!json_is_array(list) ||
                 (json_int_t)json_array_size(list) > json_integer_value(json_object_get(shape, "slots"))))
        return -1;
    json_array_foreach (list, i, entry) {
        json_int_t size = json_integer_value(entry);

        if (size < HV_MEMORY_STEP || size > MEMORY_MAX || size % HV_MEMORY_STEP != 0)
            return -1;
        sum += size;
    }
    return sum;
}

static bool is_whole(const json_t *shape)
{
    return qemu_shape_is_sound(shape) && sum_of_dimms(shape) >= 0 &&
           is_number(shape, "vcpus", 1, NUMBERS_MAX) && json_is_array(json_object_get(shape, "disks")) &&
           json_is_array(json_object_get(shape, "nics"));
}

/* ---- applying it ---- */

static bool has_number(const json_t *list, unsigned number)
{
    json_t *entry;
    size_t i;

    json_array_foreach (list, i, entry)
        if (json_is_integer(entry) && json_integer_value(entry) == (json_int_t)number)
            return true;
    return false;
}

/* The guest's clock is what the record says, not what it was. */
static const struct map *platform_of(void *ctx, const json_t *shape, const struct map *now)
{
    const char *key, *offset = map_get(now, "timeoffset");
    const struct map *m = NULL;
    json_t *value;

    json_object_foreach (json_object_get(shape, "platform"), key, value)
        if (strcmp(key, "timeoffset") != 0)
            m = map_with(ctx, m, key, json_string_value(value));
    return offset ? map_with(ctx, m, "timeoffset", offset) : m;
}

static void take_disks(void *ctx, struct hv_vm_spec *s, const json_t *list)
{
    struct hv_disk *kept = talloc_zero_array(ctx, struct hv_disk, s->n_disks + 1);
    unsigned n = 0;

    for (unsigned i = 0; i < s->n_disks; i++)
        if (has_number(list, s->disks[i].userdevice))
            kept[n++] = s->disks[i];
    s->disks = kept;
    s->n_disks = n;
}

static void take_nics(void *ctx, struct hv_vm_spec *s, const json_t *list)
{
    struct hv_nic *kept = talloc_zero_array(ctx, struct hv_nic, s->n_nics + 1);
    unsigned n = 0;

    for (unsigned i = 0; i < s->n_nics; i++)
        if (has_number(list, s->nics[i].device))
            kept[n++] = s->nics[i];
    s->nics = kept;
    s->n_nics = n;
}

static int take_devices(void *ctx, struct hv_vm_spec *s, const json_t *shape, struct err *e)
{
    const json_t *disks = json_object_get(shape, "disks"), *nics = json_object_get(shape, "nics");

    take_disks(ctx, s, disks);
    take_nics(ctx, s, nics);
    if (s->n_disks == json_array_size(disks) && s->n_nics == json_array_size(nics))
        return 0;
    return err_domain_builder_error(e, "qemu", "state", "the VM has no more all devices that its state has");
}

/* The limits of a VM do not change while it has a state: more is not its own. */
static bool is_within(const json_t *shape, const struct hv_vm_spec *s)
{
    json_int_t memory = json_integer_value(json_object_get(shape, "memory")) + sum_of_dimms(shape);
    unsigned vcpus = s->vcpus_max > s->vcpus ? s->vcpus_max : s->vcpus;

    return memory <= hv_memory_of(s) && json_integer_value(json_object_get(shape, "vcpus_max")) <= vcpus &&
           json_integer_value(json_object_get(shape, "vcpus")) <= vcpus;
}

static int take_all(void *ctx, struct hv_vm_spec *s, const json_t *shape, struct err *e)
{
    const char *order = json_string_value(json_object_get(shape, "boot_order"));

    if (!is_whole(shape) || !is_within(shape, s))
        return err_domain_builder_error(e, "qemu", "state", "its shape makes no sense");
    s->memory = s->memory_max = json_integer_value(json_object_get(shape, "memory"));
    s->vcpus = (unsigned)json_integer_value(json_object_get(shape, "vcpus"));
    s->vcpus_max = (unsigned)json_integer_value(json_object_get(shape, "vcpus_max"));
    s->boot_order = order ? talloc_strdup(ctx, order) : NULL;
    s->platform = platform_of(ctx, shape, s->platform);
    return take_devices(ctx, s, shape, e);
}

/* One for each processor that there may be: QEMU's own choice is one for each that there is at the start. */
static unsigned queues_of_new(const struct hv_vm_spec *s)
{
    unsigned n = s->vcpus_max > s->vcpus ? s->vcpus_max : s->vcpus;

    return n < 1 ? 1 : n > QUEUES_MAX ? QUEUES_MAX : n;
}

int qemu_shape_apply(void *ctx, struct hv_vm_spec *s, bool incoming, struct qemu_layout *ret, struct err *e)
{
    json_t *shape = s->shape ? json_loads(s->shape, 0, NULL) : NULL;
    int r = s->shape ? take_all(ctx, s, shape, e) : 0;
    struct hv_platform platform;

    if (r == 0)
        r = hv_platform_read(s, &platform, e);
    if (r == 0) {
        *ret = s->shape   ? qemu_shape_layout(shape)
               : incoming ? (struct qemu_layout){0}
                          : (struct qemu_layout){.queues = queues_of_new(s), .ports = true};
        ret->q35 = platform.secureboot;
    }
    json_decref(shape);
    return r;
}

/* ---- asking for it ---- */

/* The number in a device's id, "disk12" or "nic0"; -1 when it is none of the kind. */
static int number_of(const char *id, const char *kind)
{
    size_t n = strlen(kind);
    char *end;
    long number;

    if (!id || strncmp(id, kind, n) != 0 || id[n] < '0' || id[n] > '9')
        return -1;
    number = strtol(id + n, &end, 10);
    return *end || number > NUMBERS_MAX ? -1 : (int)number;
}

static json_t *numbers_of(const json_t *devices, const char *kind)
{
    json_t *list = json_array(), *entry;
    size_t i;

    json_array_foreach (devices, i, entry) {
        int number = number_of(json_string_value(json_object_get(entry, "name")), kind);

        if (number >= 0)
            json_array_append_new(list, json_integer(number));
    }
    return list;
}

static int co_add_devices(struct qemu_vm *vm, json_t *shape, struct err *e)
{
    json_t *devices = NULL;
    int r = co_qemu_ask(vm, "qom-list", json_pack("{s:s}", "path", "/machine/peripheral"), &devices, e);

    json_object_set_new(shape, "disks", numbers_of(devices, "disk"));
    json_object_set_new(shape, "nics", numbers_of(devices, "nic"));
    json_decref(devices);
    return r;
}

/* In the order of their slots. The control plane has been told of all of them, or it would not let the state
 * be loaded. */
static int co_add_dimms(struct qemu_vm *vm, json_t *shape, struct err *e)
{
    struct qemu_layout l = vm->layout;
    int r = l.slots > 0 ? co_qemu_ask_dimms(vm, &l, e) : 0;
    json_t *list = json_array();

    for (unsigned i = 0; r == 0 && i < l.n_dimms; i++)
        json_array_append_new(list, json_integer(l.dimms[i]));
    json_object_set_new(shape, "dimms", list);
    if (r == 0 && qemu_memory_of(vm, &l) > vm->memory) {
        err_vm_non_suspendable(e, vm->uuid, "It was given memory and that is not recorded: set it once more");
        r = -EINVAL;
    }
    return r;
}

static int co_add_processors(struct qemu_vm *vm, json_t *shape, struct err *e)
{
    json_t *slots = NULL;
    int r = co_qemu_ask(vm, "query-hotpluggable-cpus", NULL, &slots, e), n = qemu_count_processors(slots);

    json_object_set_new(shape, "vcpus", json_integer(n));
    json_decref(slots);
    if (r == 0 && n < 1) {
        err_vm_non_suspendable(e, vm->uuid, "The guest has given up a processor in the middle");
        r = -EINVAL;
    }
    return r;
}

int co_qemu_vm_shape(struct qemu_vm *vm, char **ret, struct err *e)
{
    json_t *shape = vm->shape ? json_copy(vm->shape) : NULL;
    int r = shape ? co_add_devices(vm, shape, e) : 0;

    if (shape && r == 0)
        r = co_add_processors(vm, shape, e);
    if (shape && r == 0)
        r = co_add_dimms(vm, shape, e);
    *ret = shape && r == 0 ? json_dumps(shape, JSON_COMPACT) : NULL;
    json_decref(shape);
    return r;
}

struct question {
    void *ctx;
    const char *answer;
};

static int co_answer(struct qemu_vm *vm, void *arg, struct err *e)
{
    CLEANUP_FREE char *text = NULL;
    struct question *q = arg;
    int r = co_qemu_vm_shape(vm, &text, e);

    q->answer = text ? talloc_strdup(q->ctx, text) : NULL;
    return r;
}

int co_qemu_shape(struct hv *hv, const char *uuid, void *ctx, const char **ret, struct err *e)
{
    struct question q = {.ctx = ctx};
    int r = co_qemu_with_guest(hv, uuid, co_answer, &q, e);

    *ret = q.answer;
    return r;
}
