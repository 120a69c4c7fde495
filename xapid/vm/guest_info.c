#include "xapid/vm/guest_info.h"
#include <stdio.h>
#include <stdlib.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/log.h"
#include "xapid/network/vif_address.h"
#include "xapid/reftext.h"

/* "7.2.1" as clients expect a driver version: major, minor, micro, build. */
static const struct map *version_map(void *ctx, const char *version)
{
    static const char *const keys[] = {"major", "minor", "micro", "build"};
    struct map *map = NULL;
    char text[16];

    for (unsigned i = 0; i < 4; i++) {
        snprintf(text, sizeof text, "%ld", version ? strtol(version, (char **)&version, 10) : 0L);
        map = map_with(ctx, map, keys[i], text);
        if (version && *version == '.')
            version++;
        else
            version = NULL;
    }
    return map;
}

static bool same(const struct map *a, const struct map *b)
{
    return value_equal(&model_type_string_map, (union value){.map = a}, (union value){.map = b});
}

/* Write what is new; true when something was. */
static bool update(struct txn *t, const struct vm_guest_metrics *m, const struct hv_guest_info *info,
                   void *mem)
{
    const struct map *version = version_map(mem, info->agent_version);
    const struct map *other = map_with(mem, NULL, "feature-shutdown", "1");
    const struct map *name =
        info->hostname ? map_with(mem, NULL, "host_name", info->hostname) : m->netbios_name;
    const struct map *os = info->os ? info->os : m->os_version;

    other = map_with(mem, other, "feature-reboot", "1");
    if (m->live && same(m->networks, info->addresses) && same(m->os_version, os) &&
        same(m->PV_drivers_version, version) && same(m->netbios_name, name))
        return false;
    vm_guest_metrics_set_networks(t, m, info->addresses);
    vm_guest_metrics_set_os_version(t, m, os);
    vm_guest_metrics_set_pv_drivers_version(t, m, version);
    vm_guest_metrics_set_netbios_name(t, m, name);
    vm_guest_metrics_set_other(t, m, other);
    vm_guest_metrics_set_pv_drivers_detected(t, m, true);
    vm_guest_metrics_set_pv_drivers_up_to_date(t, m, true);
    vm_guest_metrics_set_live(t, m, true);
    vm_guest_metrics_set_last_updated(t, m, clock_wall());
    return true;
}

void guest_info_record(struct xapid *x, const struct vm *vm, const struct hv_guest_info *info)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};

    if (vm->power_state != VM_POWER_STATE_RUNNING && vm->power_state != VM_POWER_STATE_PAUSED)
        return;
    struct txn *t = db_begin(x->db);
    const struct vm_guest_metrics *m = db_vm_guest_metrics(x->db, vm->guest_metrics);
    if (!m) {
        m = vm_guest_metrics_create(t);
        vm_set_guest_metrics(t, vm, m->row.ref);
    }
    if (!update(t, m, info, mem))
        db_abort(t);
    else if (db_commit(t, &e) < 0)
        log_error("recording what the guest of VM %s says: %s", vm->uuid, e.code);
    else
        vif_addresses_apply(x, vm, false);
}
