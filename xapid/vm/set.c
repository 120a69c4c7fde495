/* The setters of a VM that check something first. */
#include <stdio.h>
#include <stdlib.h>
#include <talloc.h>
#include "xapid/field.h"
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/vm/vm.h"

int vcpus_check(int64_t max, int64_t at_startup, struct err *e)
{
    enum { MOST = 1024 }; /* more than any hypervisor gives a guest; sums stay what they are */
    char text[24];

    if (at_startup >= 1 && at_startup <= max && max <= MOST)
        return 0;
    snprintf(text, sizeof text, "%lld", (long long)(at_startup < 1 ? at_startup : max));
    return err_invalid_value(
        e, at_startup < 1 ? "VCPU values must satisfy: 0 < VCPUs_at_startup" : "VCPUs_max", text);
}

/* Write both once the operation is declared. */
static int co_set_vcpus(struct call *c, struct ref ref, int64_t max, int64_t at_startup, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_VM, ref, VM_OPERATIONS_CHANGING_VCPUS, &op, e) < 0)
        return -1;
    const struct vm *vm = db_vm(c->db, ref);
    max = max >= 0 ? max : vm->VCPUs_max;
    at_startup = at_startup >= 0 ? at_startup : vm->VCPUs_at_startup;
    if (vcpus_check(max, at_startup, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    vm_set_vcpus_max(t, vm, max);
    vm_set_vcpus_at_startup(t, vm, at_startup);
    return db_commit(t, e);
}

int co_vm_set_vcpus_max(struct call *c, const struct vm_set_vcpus_max_args *a, struct err *e)
{
    return co_set_vcpus(c, a->self, a->value < 0 ? 0 : a->value, -1, e);
}

int co_vm_set_vcpus_at_startup(struct call *c, const struct vm_set_vcpus_at_startup_args *a, struct err *e)
{
    return co_set_vcpus(c, a->self, -1, a->value < 0 ? 0 : a->value, e);
}

static int set_plain(struct call *c, struct ref vm, unsigned field, union value v, struct err *e)
{
    return call_set_field(c, CLASS_VM, vm, field, v, e);
}

/* ---- templates ---- */

/* A halted VM may become a template, and a template of one's own a VM again. */
int co_vm_set_is_a_template(struct call *c, const struct vm_set_is_a_template_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, a->self, e);

    if (!vm)
        return -1;
    if (vm->is_default_template)
        return err_operation_not_allowed(e, "A default template stays one");
    if (a->value && !vm->is_a_template &&
        co_op_begin(c, CLASS_VM, a->self, VM_OPERATIONS_MAKE_INTO_TEMPLATE, &op, e) < 0)
        return -1;
    if (!(vm = (const struct vm *)call_row(c, CLASS_VM, a->self, e)))
        return -1;
    struct txn *t = db_begin(c->db);
    vm_set_is_a_template(t, vm, a->value);
    if (a->value) {
        vm_set_appliance(t, vm, REF_NULL);
        vm_set_ha_restart_priority(t, vm, "");
    }
    return db_commit(t, e);
}

/* ---- boot ---- */

int co_vm_set_hvm_boot_policy(struct call *c, const struct vm_set_hvm_boot_policy_args *a, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, a->self, e);

    if (!vm)
        return -1;
    struct txn *t = db_begin(c->db);
    vm_set_hvm_boot_policy(t, vm, a->value);
    vm_set_domain_type(t, vm, a->value[0] ? DOMAIN_TYPE_HVM : DOMAIN_TYPE_PV);
    return db_commit(t, e);
}

int co_vm_set_domain_type(struct call *c, const struct vm_set_domain_type_args *a, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, a->self, e);
    static const char *const states[] = {"halted", "paused", "running", "suspended"};

    if (vm && vm->power_state != VM_POWER_STATE_HALTED)
        return err_vm_bad_power_state(e, REF_TEXT(a->self), "halted", states[vm->power_state]);
    return set_plain(c, a->self, VM_F_DOMAIN_TYPE, (union value){.i = a->value}, e);
}

#define BIOS_STRING_MAX 512

/* SMBIOS holds printable ASCII. */
static bool bios_string_is_valid(const char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; i < n; i++)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    return n <= BIOS_STRING_MAX;
}

int co_vm_set_bios_strings(struct call *c, const struct vm_set_bios_strings_args *a, struct err *e)
{
    static const char *const known[] = {"bios-vendor",
                                        "bios-version",
                                        "system-manufacturer",
                                        "system-product-name",
                                        "system-version",
                                        "system-serial-number",
                                        "enclosure-asset-tag",
                                        "baseboard-manufacturer",
                                        "baseboard-product-name",
                                        "baseboard-version",
                                        "baseboard-serial-number",
                                        "baseboard-asset-tag",
                                        "baseboard-location-in-chassis"};
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, a->self, e);

    if (!vm)
        return -1;
    if (map_count(vm->bios_strings) > 0)
        return err_vm_bios_strings_already_set(e);
    for (uint32_t i = 0; i < map_count(a->value); i++) {
        bool ok = false;
        for (unsigned k = 0; k < sizeof known / sizeof *known && !ok; k++)
            ok = strcmp(a->value->e[i].k.s, known[k]) == 0;
        if (!ok)
            return err_invalid_value(e, a->value->e[i].k.s, "Unknown key");
        if (!bios_string_is_valid(a->value->e[i].v.s))
            return err_invalid_value(e, a->value->e[i].k.s, "Up to 512 printable ASCII characters");
    }
    return set_plain(c, a->self, VM_F_BIOS_STRINGS, (union value){.map = a->value}, e);
}

int co_vm_copy_bios_strings(struct call *c, const struct vm_copy_bios_strings_args *a, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, a->vm, e);
    const struct host *host = (const struct host *)call_row(c, CLASS_HOST, a->host, e);

    if (!vm || !host)
        return -1;
    if (map_count(vm->bios_strings) > 0)
        return err_vm_bios_strings_already_set(e);
    return set_plain(c, a->vm, VM_F_BIOS_STRINGS, (union value){.map = host->bios_strings}, e);
}

/* ---- the rest ---- */

int co_vm_set_actions_after_crash(struct call *c, const struct vm_set_actions_after_crash_args *a,
                                  struct err *e)
{
    return set_plain(c, a->self, VM_F_ACTIONS_AFTER_CRASH, (union value){.i = a->value}, e);
}

int co_vm_set_has_vendor_device(struct call *c, const struct vm_set_has_vendor_device_args *a, struct err *e)
{
    return set_plain(c, a->self, VM_F_HAS_VENDOR_DEVICE, (union value){.b = a->value}, e);
}

/* Errors: INVALID_VALUE below zero. */
static int set_count_field(struct call *c, struct ref vm, unsigned field, const char *name, int64_t value,
                           struct err *e)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)value);
    return value < 0 ? err_invalid_value(e, name, text)
                     : set_plain(c, vm, field, (union value){.i = value}, e);
}

int co_vm_set_start_delay(struct call *c, const struct vm_set_start_delay_args *a, struct err *e)
{
    return set_count_field(c, a->self, VM_F_START_DELAY, "start_delay", a->value, e);
}

int co_vm_set_shutdown_delay(struct call *c, const struct vm_set_shutdown_delay_args *a, struct err *e)
{
    return set_count_field(c, a->self, VM_F_SHUTDOWN_DELAY, "shutdown_delay", a->value, e);
}

int co_vm_set_order(struct call *c, const struct vm_set_order_args *a, struct err *e)
{
    return set_count_field(c, a->self, VM_F_ORDER, "order", a->value, e);
}

int co_vm_set_suspend_vdi(struct call *c, const struct vm_set_suspend_vdi_args *a, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, a->self, e);
    static const char *const states[] = {"halted", "paused", "running", "suspended"};

    if (!vm || (!ref_is_null(a->value) && !call_row(c, CLASS_VDI, a->value, e)))
        return -1;
    if (vm->power_state != VM_POWER_STATE_SUSPENDED)
        return err_vm_bad_power_state(e, REF_TEXT(a->self), "suspended", states[vm->power_state]);
    return set_plain(c, a->self, VM_F_SUSPEND_VDI, (union value){.r = a->value}, e);
}

int co_vm_set_appliance(struct call *c, const struct vm_set_appliance_args *a, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, a->self, e);

    if (!vm || (!ref_is_null(a->value) && !call_row(c, CLASS_VM_APPLIANCE, a->value, e)))
        return -1;
    if (vm->is_control_domain || vm->is_a_template)
        return err_operation_not_allowed(e, "Control domains and templates cannot be part of an appliance");
    return set_plain(c, a->self, VM_F_APPLIANCE, (union value){.r = a->value}, e);
}

int co_vm_set_groups(struct call *c, const struct vm_set_groups_args *a, struct err *e)
{
    if (set_count(a->value) > 1)
        return err_too_many_groups(e);
    for (uint32_t i = 0; i < set_count(a->value); i++)
        if (!call_row(c, CLASS_VM_GROUP, a->value->v[i].r, e))
            return -1;
    return set_plain(c, a->self, VM_F_GROUPS, (union value){.set = a->value}, e);
}

int co_vm_set_ha_always_run(struct call *c, const struct vm_set_ha_always_run_args *a, struct err *e)
{
    return set_plain(c, a->self, VM_F_HA_ALWAYS_RUN, (union value){.b = a->value}, e);
}

/* "restart", "best-effort" or nothing. */
int co_vm_set_ha_restart_priority(struct call *c, const struct vm_set_ha_restart_priority_args *a,
                                  struct err *e)
{
    if (a->value[0] && strcmp(a->value, "restart") != 0 && strcmp(a->value, "best-effort") != 0)
        return err_invalid_value(e, "ha_restart_priority", a->value);
    return set_plain(c, a->self, VM_F_HA_RESTART_PRIORITY, (union value){.s = a->value}, e);
}

/* Nothing here has shadow memory that could be made larger, so it is recorded only. */
static int co_set_shadow_multiplier(struct call *c, struct ref ref, double value, int operation,
                                    struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (!(value >= 1))
        return err_invalid_value(e, "HVM_shadow_multiplier", "a multiplier is at least 1");
    if (co_op_begin(c, CLASS_VM, ref, operation, &op, e) < 0)
        return -1;
    return set_plain(c, ref, VM_F_HVM_SHADOW_MULTIPLIER, (union value){.f = value}, e);
}

int co_vm_set_hvm_shadow_multiplier(struct call *c, const struct vm_set_hvm_shadow_multiplier_args *a,
                                    struct err *e)
{
    return co_set_shadow_multiplier(c, a->self, a->value, VM_OPERATIONS_CHANGING_SHADOW_MEMORY, e);
}

int co_vm_set_shadow_multiplier_live(struct call *c, const struct vm_set_shadow_multiplier_live_args *a,
                                     struct err *e)
{
    return co_set_shadow_multiplier(c, a->self, a->multiplier, VM_OPERATIONS_CHANGING_SHADOW_MEMORY_LIVE, e);
}
