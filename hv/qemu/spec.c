#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "hv/qemu/qemu.h"
#include "hv/qemu/shape.h"
#include "hv/qemu/vm_dir.h"
#include "lib/mem.h"

/* What a daemon that did not start the guest must know of it, as STATE/vm/<uuid>/spec.json and `started`. */

#define SPEC_MAX (1 << 20)
#define NICS_MAX 64

static json_t *nics_pack(const struct qemu_vm *vm)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < vm->n_nics; i++)
        json_array_append_new(
            list, json_pack("{s:i, s:s}", "device", (int)vm->nics[i].device, "mac", vm->nics[i].mac));
    return list;
}

int qemu_spec_save(const struct qemu_vm *vm)
{
    json_t *spec = json_pack("{s:i, s:s, s:I, s:b, s:b, s:I, s:i, s:b, s:O*, s:I, s:O*, s:o}", "version", 1,
                             "uuid", vm->uuid, "domid", (json_int_t)vm->domid, "vnc", vm->vnc, "acpi",
                             vm->acpi, "timeoffset", (json_int_t)vm->timeoffset, "nic_model",
                             (int)vm->nic_model, "nics_boot", vm->nics_boot, "shape", vm->shape, "uid",
                             (json_int_t)vm->uid, "grants", vm->grants, "nics", nics_pack(vm));
    int r = vm_dir_write_json(vm->dir_fd, VM_DIR_SPEC, spec);

    json_decref(spec);
    return r;
}

static void nics_unpack(struct qemu_vm *vm, const json_t *list)
{
    size_t n = json_array_size(list);

    if (n > NICS_MAX)
        n = NICS_MAX;
    if (n > 0)
        vm->nics = mem_zalloc(n * sizeof *vm->nics);
    for (size_t i = 0; i < n; i++) {
        const json_t *entry = json_array_get(list, i);
        const char *mac = json_string_value(json_object_get(entry, "mac"));

        vm->nics[i].device = (unsigned)json_integer_value(json_object_get(entry, "device"));
        snprintf(vm->nics[i].mac, sizeof vm->nics[i].mac, "%s", mac ? mac : "");
    }
    vm->n_nics = (unsigned)n;
}

/* Daemons that knew nothing of shapes wrote none. */
static void shape_unpack(struct qemu_vm *vm, json_t *shape)
{
    if (!qemu_shape_is_sound(shape))
        return;
    vm->shape = json_incref(shape);
    vm->layout = qemu_shape_layout(shape);
}

static int read_started(struct qemu_vm *vm)
{
    CLEANUP_FREE char *text = vm_dir_read(vm->dir_fd, VM_DIR_STARTED, 64);

    vm->start_time = text ? strtoll(text, NULL, 10) : 0;
    return vm->start_time > 0 ? 0 : -EINVAL;
}

static uid_t uid_of(const json_t *spec)
{
    json_int_t uid = json_integer_value(json_object_get(spec, "uid"));

    return uid > 0 && uid <= INT32_MAX ? (uid_t)uid : 0;
}

uid_t qemu_spec_grants(int dir_fd, json_t **ret_grants)
{
    CLEANUP_FREE char *text = vm_dir_read(dir_fd, VM_DIR_SPEC, SPEC_MAX);
    json_t *spec = text ? json_loads(text, 0, NULL) : NULL;
    uid_t uid = uid_of(spec);

    *ret_grants = json_incref(json_object_get(spec, "grants"));
    json_decref(spec);
    return uid;
}

int qemu_spec_load(struct qemu_vm *vm)
{
    CLEANUP_FREE char *text = vm_dir_read(vm->dir_fd, VM_DIR_SPEC, SPEC_MAX);
    json_t *spec = text ? json_loads(text, 0, NULL) : NULL;
    bool ours = json_integer_value(json_object_get(spec, "version")) == 1;

    if (ours) {
        vm->domid = json_integer_value(json_object_get(spec, "domid"));
        vm->vnc = json_is_true(json_object_get(spec, "vnc"));
        vm->acpi = json_is_true(json_object_get(spec, "acpi"));
        vm->timeoffset = json_integer_value(json_object_get(spec, "timeoffset"));
        if (json_integer_value(json_object_get(spec, "nic_model")) <= HV_NIC_RTL8139)
            vm->nic_model = (enum hv_nic_model)json_integer_value(json_object_get(spec, "nic_model"));
        nics_unpack(vm, json_object_get(spec, "nics"));
        shape_unpack(vm, json_object_get(spec, "shape"));
        vm->uid = uid_of(spec);
        vm->grants = json_incref(json_object_get(spec, "grants"));
        vm->nics_boot = json_is_true(json_object_get(spec, "nics_boot"));
    }
    json_decref(spec);
    return ours ? read_started(vm) : -EINVAL;
}
