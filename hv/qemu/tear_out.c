/*
 * A device is taken from a guest that does not let go of it, for which QEMU has no command: a guest says by
 * ACPI that a slot may be emptied, in two writes to I/O ports, and the monitor can write there in its place
 * (docs/specs/acpi_pci_hotplug of QEMU). The guest stands still meanwhile, so that its own two writes, if it
 * is just about them, are not mixed with ours.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hv/qemu/devices.h"
#include "lib/log.h"
#include "model/errors.gen.h"

enum { PORTS_PC = 0xae00, PORTS_Q35 = 0xcc0, EJECT = 0x8, SELECT = 0x10 };
#define NAME_MAX_SIZE 256

struct slot {
    unsigned ports, number;
    json_int_t bus; /* as ACPI numbers those where anything can be plugged */
};

/* ---- where it sits ---- */

static int co_get(struct qemu_vm *vm, const char *path, const char *property, json_t **ret, struct err *e)
{
    return co_qemu_ask(vm, "qom-get", json_pack("{s:s, s:s}", "path", path, "property", property), ret, e);
}

/* A property that is text; "" when it is none. */
static int co_get_text(struct qemu_vm *vm, const char *path, const char *property, char to[NAME_MAX_SIZE],
                       struct err *e)
{
    json_t *value = NULL;
    int r = co_get(vm, path, property, &value, e);
    const char *text = json_string_value(value);

    snprintf(to, NAME_MAX_SIZE, "%s", text ? text : "");
    json_decref(value);
    return r;
}

static int co_find_bus(struct qemu_vm *vm, const char *device, struct slot *s, struct err *e)
{
    char bus[NAME_MAX_SIZE];
    json_t *number = NULL;
    int r = co_get_text(vm, device, "parent_bus", bus, e);

    if (r == 0)
        r = co_get(vm, bus, "acpi-pcihp-bsel", &number, e);
    s->bus = json_integer_value(number);
    json_decref(number);
    return r;
}

/* The slot's number and that of a function in it, of 8. */
static int co_find_slot(struct qemu_vm *vm, const char *device, struct slot *s, struct err *e)
{
    json_t *value = NULL;
    int r = co_get(vm, device, "addr", &value, e);
    json_int_t place = json_is_integer(value) ? json_integer_value(value) : -1;

    json_decref(value);
    s->number = (unsigned)(place / 8);
    if (r < 0 || (place >= 0 && place < 256))
        return r;
    err_internal(e, "QEMU of %s does not say where its devices are", vm->uuid);
    return -EPROTO;
}

static int co_find(struct qemu_vm *vm, const char *id, struct slot *s, struct err *e)
{
    char device[NAME_MAX_SIZE], machine[NAME_MAX_SIZE];
    int r;

    snprintf(device, sizeof device, "/machine/peripheral/%s", id);
    r = co_get_text(vm, "/machine", "type", machine, e);
    if (r == 0)
        r = co_find_bus(vm, device, s, e);
    if (r == 0)
        r = co_find_slot(vm, device, s, e);
    s->ports = strstr(machine, "q35") ? PORTS_Q35 : PORTS_PC;
    return r;
}

/* ---- the ports ---- */

static int co_write(struct qemu_vm *vm, unsigned port, uint32_t value, struct err *e)
{
    char line[64];

    snprintf(line, sizeof line, "o /4 0x%x 0x%" PRIx32, port, value);
    return co_qemu_ask(vm, "human-monitor-command", json_pack("{s:s}", "command-line", line), NULL, e);
}

/* "portl[0xae10] = 0x00000001" */
static int co_read(struct qemu_vm *vm, unsigned port, uint32_t *ret, struct err *e)
{
    char line[64];
    const char *at;
    json_t *answer = NULL;
    int r;

    snprintf(line, sizeof line, "i /4 0x%x", port);
    r = co_qemu_ask(vm, "human-monitor-command", json_pack("{s:s}", "command-line", line), &answer, e);
    at = json_is_string(answer) ? strchr(json_string_value(answer), '=') : NULL;
    *ret = at ? (uint32_t)strtoul(at + 1, NULL, 0) : 0;
    json_decref(answer);
    return r;
}

static int co_empty(struct qemu_vm *vm, const struct slot *s, struct err *e)
{
    uint32_t selected;
    int r = co_read(vm, s->ports + SELECT, &selected, e);

    if (r == 0)
        r = co_write(vm, s->ports + SELECT, (uint32_t)s->bus, e);
    if (r == 0)
        r = co_write(vm, s->ports + EJECT, UINT32_C(1) << s->number, e);
    return r < 0 ? r : co_write(vm, s->ports + SELECT, selected, e);
}

/* ---- while the guest stands still ---- */

static int co_empty_held(struct qemu_vm *vm, const struct slot *s, struct err *e)
{
    int r = qemu_vm_hold(vm);

    if (r < 0) {
        err_errno(e, r, "the mark of %s", vm->uuid);
        return r;
    }
    r = co_qemu_ask(vm, "stop", NULL, NULL, e);
    if (r == 0)
        r = co_empty(vm, s, e);
    co_qemu_let_go(vm);
    return r;
}

int co_qemu_tear_out(struct qemu_vm *vm, const char *id, struct err *e)
{
    struct slot slot;
    int r = co_find(vm, id, &slot, e);

    if (r < 0)
        return r;
    log_warning("%s is taken from guest %s, which did not let go of it", id, vm->uuid);
    return vm->state == HV_STATE_RUNNING ? co_empty_held(vm, &slot, e) : co_empty(vm, &slot, e);
}
