#include "xapid/vm/spec.h"
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "xapid/network/network.h"
#include "xapid/network/vif.h"
#include "xapid/reftext.h"
#include "xapid/storage/device.h"
#include "xapid/storage/sr.h"
#include "xapid/vm/record.h"
#include "xapid/vm/share.h"

/* ---- the specification ---- */

/* Windows has no virtio drivers of its own: platform:disk_bus=ide, as its templates say. */
bool vm_disks_are_ide(const struct vm *vm)
{
    const char *bus = map_get(vm->platform, "disk_bus");
    return bus && strcmp(bus, "ide") == 0;
}

/* Without what it holds. */
static void describe_drive(struct xapid *x, const struct vm *vm, const struct vbd *vbd, struct agent_disk *d)
{
    const struct vdi *vdi = db_vdi(x->db, vbd->VDI);

    *d = (struct agent_disk){.userdevice = (unsigned)device_number(vbd->userdevice),
                             .cdrom = vbd->type == VBD_TYPE_CD,
                             .readonly = vbd->mode == VBD_MODE_RO || (vdi && vdi->read_only),
                             .bus = vbd->type == VBD_TYPE_CD || vm_disks_are_ide(vm) ? HV_BUS_IDE
                                                                                     : HV_BUS_VIRTIO};
    memcpy(d->vbd_uuid, vbd->uuid, sizeof d->vbd_uuid);
}

int vm_describe_disk(struct xapid *x, void *ctx, const struct vm *vm, const struct vbd *vbd, struct ref host,
                     struct agent_disk *d, struct err *e)
{
    const struct vdi *vdi = db_vdi(x->db, vbd->VDI);
    struct sr_handle h;

    describe_drive(x, vm, vbd, d);
    if (!vdi)
        return 0;
    if (sr_open_at(x, ctx, vdi->SR, host, &h, e) < 0)
        return -1;
    d->sr = h.sm;
    d->location = talloc_strdup(ctx, text_of(vdi->location));
    return 0;
}

static int compare_disks(const void *a, const void *b)
{
    const struct agent_disk *x = a, *y = b;
    return x->userdevice < y->userdevice ? -1 : x->userdevice > y->userdevice;
}

/* The disk that stands in for the drive's own; NULL: none does. */
static const struct vm_other_disk *other_disk(const struct vm_start_options *o, const struct vbd *vbd)
{
    for (unsigned i = 0; i < o->n_others; i++)
        if (ref_equal(o->others[i].vbd, vbd->row.ref))
            return &o->others[i];
    return NULL;
}

static int add_disk(struct xapid *x, void *ctx, const struct vm *vm, const struct vbd *vbd, struct ref host,
                    const struct vm_start_options *o, struct agent_disk *ret, struct err *e)
{
    const struct vm_other_disk *other = other_disk(o, vbd);

    if (!other)
        return vm_describe_disk(x, ctx, vm, vbd, host, ret, e);
    describe_drive(x, vm, vbd, ret);
    ret->sr = other->sr;
    ret->location = other->location;
    return 0;
}

static int add_disks(struct xapid *x, void *ctx, const struct vm *vm, struct ref host,
                     const struct vm_start_options *o, struct agent_vm_spec *spec, struct err *e)
{
    struct agent_disk *disks = talloc_zero_array(ctx, struct agent_disk, DEVICE_COUNT);

    FOREACH_REFERRER (x->db, vbd, vbd, VBD, VM, vm->row.ref)
        if (spec->n_disks < DEVICE_COUNT && (vbd->currently_attached || !o->only_attached) &&
            add_disk(x, ctx, vm, vbd, host, o, &disks[spec->n_disks++], e) < 0)
            return -1;
    qsort(disks, spec->n_disks, sizeof *disks, compare_disks);
    spec->disks = disks;
    return 0;
}

static int compare_nics(const void *a, const void *b)
{
    const struct agent_nic *x = a, *y = b;
    return x->device < y->device ? -1 : x->device > y->device;
}

/* "10.1.2.3 10.1.2.4" */
static const char *with_blanks(void *ctx, const struct set *addresses)
{
    char *text = talloc_strdup(ctx, "");

    for (uint32_t i = 0; i < set_count(addresses); i++)
        text = talloc_asprintf_append(text, "%s%s", i ? " " : "", addresses->v[i].s);
    return text;
}

static enum net_filter_mode filter_mode(const struct vif *vif, const struct network *network)
{
    switch (vif->locking_mode) {
    case VIF_LOCKING_MODE_LOCKED:
        return NET_LOCKED;
    case VIF_LOCKING_MODE_DISABLED:
        return NET_DISABLED;
    case VIF_LOCKING_MODE_UNLOCKED:
        return NET_UNLOCKED;
    default: /* as the network has it */
        return network->default_locking_mode == NETWORK_DEFAULT_LOCKING_MODE_DISABLED ? NET_DISABLED
                                                                                      : NET_UNLOCKED;
    }
}

void vm_describe_nic(struct xapid *x, void *ctx, const struct vif *vif, struct agent_nic *n)
{
    *n = (struct agent_nic){.device = (unsigned)vif_device_number(vif->device),
                            .mac = talloc_strdup(ctx, text_of(vif->MAC)),
                            .mtu = vif->MTU > 0 ? (unsigned)vif->MTU : 1500};
    const struct network *network = db_network(x->db, vif->network);

    memcpy(n->vif_uuid, vif->uuid, sizeof n->vif_uuid);
    n->filter = (struct net_filter){.mode = filter_mode(vif, network),
                                    .mac = n->mac,
                                    .ipv4 = with_blanks(ctx, vif->ipv4_allowed),
                                    .ipv6 = with_blanks(ctx, vif->ipv6_allowed)};
    network_describe(ctx, network, &n->network);
}

static void add_nics(struct xapid *x, void *ctx, const struct vm *vm, const struct vm_start_options *o,
                     struct agent_vm_spec *spec)
{
    struct agent_nic *nics = talloc_zero_array(ctx, struct agent_nic, VIF_DEVICE_COUNT);

    FOREACH_REFERRER (x->db, vif, vif, VIF, VM, vm->row.ref) {
        if (spec->n_nics == VIF_DEVICE_COUNT)
            break;
        if (o->only_attached && !vif->currently_attached)
            continue;
        vm_describe_nic(x, ctx, vif, &nics[spec->n_nics++]);
    }
    qsort(nics, spec->n_nics, sizeof *nics, compare_nics);
    spec->nics = nics;
}

/* An empty HVM_boot_policy with a kernel is a direct boot; everything else goes through firmware. */
static void describe_boot(void *ctx, const struct vm *vm, struct hv_vm_spec *spec)
{
    const char *order = map_get(vm->HVM_boot_params, "order"),
               *firmware = map_get(vm->HVM_boot_params, "firmware");

    if (!text_of(vm->HVM_boot_policy)[0] && text_of(vm->PV_kernel)[0]) {
        spec->boot = HV_BOOT_KERNEL;
        spec->kernel = talloc_strdup(ctx, vm->PV_kernel);
        spec->ramdisk = text_of(vm->PV_ramdisk)[0] ? talloc_strdup(ctx, vm->PV_ramdisk) : NULL;
        spec->cmdline = talloc_strdup(ctx, text_of(vm->PV_args));
        return;
    }
    spec->boot = firmware && strcmp(firmware, "uefi") == 0 ? HV_BOOT_UEFI : HV_BOOT_BIOS;
    if (map_get(vm->NVRAM, HV_NVRAM_KEY))
        spec->nvram = talloc_strdup(ctx, map_get(vm->NVRAM, HV_NVRAM_KEY));
    spec->boot_order = talloc_strdup(ctx, order && order[0] ? order : "cd");
}

/* What a guest sees of the host's processor, where it is the host's own: what all hosts of the pool have, so
 * that it can go to each of them; one that is up or suspended what it has begun with. */
static const char *processor_features(struct xapid *x, const struct vm *vm, struct ref ref)
{
    const struct pool *pool = (const struct pool *)db_first(x->db, CLASS_POOL);
    const struct host *host = db_host(x->db, ref);
    const char *all = host ? map_get(host->cpu_info, "features_hvm") : NULL;
    const char *may_see = vm->power_state == VM_POWER_STATE_HALTED
                              ? map_get(pool ? pool->cpu_info : NULL, "features_hvm")
                              : map_get(vm->last_boot_CPU_flags, "features");

    return may_see && *may_see ? may_see : all;
}

/* NULL where nothing need be hidden. */
static const char *describe_processor(struct xapid *x, void *ctx, const struct vm *vm, struct ref ref)
{
    const struct host *host = db_host(x->db, ref);
    const char *may_see = processor_features(x, vm, ref);
    const char *all = host ? map_get(host->cpu_info, "features_hvm") : NULL;

    return may_see && all && strcmp(may_see, all) != 0 ? talloc_strdup(ctx, may_see) : NULL;
}

int vm_build_spec(struct xapid *x, void *ctx, const struct vm *vm, struct ref host,
                  const struct vm_start_options *o, struct agent_vm_spec *ret, struct err *e)
{
    *ret = (struct agent_vm_spec){.vm = {.name = talloc_strdup(ctx, text_of(vm->name_label)),
                                         .domid = vm_next_domid(x),
                                         .memory = vm_memory_given(vm),
                                         .memory_max = vm->memory_static_max,
                                         .vcpus = (unsigned)vm->VCPUs_at_startup,
                                         .vcpus_max = (unsigned)vm->VCPUs_max,
                                         .start_paused = o->paused,
                                         .cpu_features = describe_processor(x, ctx, vm, host),
                                         .platform = copy_text_map(ctx, vm->platform),
                                         .bios_strings = copy_text_map(ctx, vm->bios_strings),
                                         .xenstore_data = copy_text_map(ctx, vm->xenstore_data),
                                         .vcpus_params = copy_text_map(ctx, vm->VCPUs_params)}};
    memcpy(ret->vm.uuid, vm->uuid, sizeof ret->vm.uuid);
    describe_boot(ctx, vm, &ret->vm);
    if (add_disks(x, ctx, vm, host, o, ret, e) < 0)
        return -1;
    add_nics(x, ctx, vm, o, ret);
    return 0;
}
