#include "xapid/vm/spec.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "xapid/network/network.h"
#include "xapid/network/vif.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/device.h"
#include "xapid/storage/sr.h"
#include "xapid/vm/record.h"

#define MIB ((int64_t)1 << 20)

/* ---- memory ---- */

int64_t vm_memory_overhead(const struct vm *vm)
{
    /* What QEMU itself takes, and its page tables: 1/128 of the guest's memory. */
    return 32 * MIB + vm->VCPUs_max * MIB + vm->memory_static_max / 128;
}

int64_t host_free_memory(struct db *db, struct ref host)
{
    const struct host *row = db_host(db, host);
    const struct host_metrics *metrics = row ? db_host_metrics(db, row->metrics) : NULL;
    int64_t free = metrics ? metrics->memory_total - row->memory_overhead : 0;

    FOREACH_REFERRER (db, vm, vm, VM, RESIDENT_ON, host)
        if (!vm->is_control_domain)
            free -= vm->memory_dynamic_max + vm_memory_overhead(vm);
    return free > 0 ? free : 0;
}

static int check_memory(struct xapid *x, const struct vm *vm, struct ref host, struct err *e)
{
    int64_t needed = vm->memory_dynamic_max + vm_memory_overhead(vm),
            available = host_free_memory(x->db, host);
    char a[24], b[24];

    if (needed <= available)
        return 0;
    snprintf(a, sizeof a, "%lld", (long long)needed);
    snprintf(b, sizeof b, "%lld", (long long)available);
    return err_host_not_enough_free_memory(e, a, b);
}

static int check_cpus(struct xapid *x, const struct vm *vm, struct ref host, struct err *e)
{
    uint32_t cpus = 0;
    char a[24], b[24];

    FOREACH_REFERRER (x->db, host_cpu, cpu, HOST_CPU, HOST, host)
        cpus++;
    if (cpus == 0 || vm->VCPUs_at_startup <= cpus)
        return 0;
    snprintf(a, sizeof a, "%lld", (long long)vm->VCPUs_at_startup);
    snprintf(b, sizeof b, "%u", cpus);
    return err_host_not_enough_pcpus(e, a, b);
}

/* ---- what the host reaches ---- */

static int check_storage(struct xapid *x, const struct vm *vm, struct ref host, struct err *e)
{
    FOREACH_REFERRER (x->db, vbd, vbd, VBD, VM, vm->row.ref) {
        const struct vdi *vdi = db_vdi(x->db, vbd->VDI);
        const struct pbd *pbd = vdi ? pbd_of_host(x->db, vdi->SR, host) : NULL;
        if (!ref_is_null(vbd->VDI) && !vdi)
            return err_handle_invalid(e, "VDI", REF_TEXT(vbd->VDI));
        if (vdi && (!pbd || !pbd->currently_attached))
            return err_vm_requires_sr(e, REF_TEXT(vm->row.ref), REF_TEXT(vdi->SR));
    }
    return 0;
}

static int check_networks(struct xapid *x, const struct vm *vm, struct err *e)
{
    FOREACH_REFERRER (x->db, vif, vif, VIF, VM, vm->row.ref)
        if (!db_network(x->db, vif->network))
            return err_vm_requires_network(e, REF_TEXT(vm->row.ref), REF_TEXT(vif->network));
    return 0;
}

int vm_assert_can_boot_here(struct xapid *x, const struct vm *vm, struct ref ref, bool force, struct err *e)
{
    const struct host *host = db_host(x->db, ref);
    const struct host_metrics *metrics = host ? db_host_metrics(x->db, host->metrics) : NULL;

    if (!host)
        return err_handle_invalid(e, "host", REF_TEXT(ref));
    if (!metrics || !metrics->live)
        return err_host_not_live(e);
    if (!host->enabled)
        return err_host_disabled(e, REF_TEXT(ref));
    if (check_storage(x, vm, ref, e) < 0 || check_networks(x, vm, e) < 0 || check_memory(x, vm, ref, e) < 0)
        return -1;
    return force ? 0 : check_cpus(x, vm, ref, e);
}

/* ---- the specification ---- */

/* Windows has no virtio drivers of its own: platform:disk_bus=ide, as its templates say. */
bool vm_disks_are_ide(const struct vm *vm)
{
    const char *bus = map_get(vm->platform, "disk_bus");
    return bus && strcmp(bus, "ide") == 0;
}

int vm_describe_disk(struct xapid *x, void *ctx, const struct vm *vm, const struct vbd *vbd, struct ref host,
                     struct agent_disk *d, struct err *e)
{
    const struct vdi *vdi = db_vdi(x->db, vbd->VDI);
    struct sr_handle h;

    *d = (struct agent_disk){.userdevice = (unsigned)device_number(vbd->userdevice),
                             .cdrom = vbd->type == VBD_TYPE_CD,
                             .readonly = vbd->mode == VBD_MODE_RO || (vdi && vdi->read_only),
                             .bus = vbd->type == VBD_TYPE_CD || vm_disks_are_ide(vm) ? HV_BUS_IDE
                                                                                     : HV_BUS_VIRTIO};
    memcpy(d->vbd_uuid, vbd->uuid, sizeof d->vbd_uuid);
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

static int add_disks(struct xapid *x, void *ctx, const struct vm *vm, struct ref host,
                     struct agent_vm_spec *spec, struct err *e)
{
    struct agent_disk *disks = talloc_zero_array(ctx, struct agent_disk, DEVICE_COUNT);

    FOREACH_REFERRER (x->db, vbd, vbd, VBD, VM, vm->row.ref)
        if (spec->n_disks < DEVICE_COUNT &&
            vm_describe_disk(x, ctx, vm, vbd, host, &disks[spec->n_disks++], e) < 0)
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

void vm_describe_nic(struct xapid *x, void *ctx, const struct vif *vif, struct agent_nic *n)
{
    *n = (struct agent_nic){.device = (unsigned)vif_device_number(vif->device),
                            .mac = talloc_strdup(ctx, text_of(vif->MAC)),
                            .mtu = vif->MTU > 0 ? (unsigned)vif->MTU : 1500};
    memcpy(n->vif_uuid, vif->uuid, sizeof n->vif_uuid);
    network_describe(ctx, db_network(x->db, vif->network), &n->network);
}

static void add_nics(struct xapid *x, void *ctx, const struct vm *vm, struct agent_vm_spec *spec)
{
    struct agent_nic *nics = talloc_zero_array(ctx, struct agent_nic, VIF_DEVICE_COUNT);

    FOREACH_REFERRER (x->db, vif, vif, VIF, VM, vm->row.ref) {
        if (spec->n_nics == VIF_DEVICE_COUNT)
            break;
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

int vm_build_spec(struct xapid *x, void *ctx, const struct vm *vm, struct ref host,
                  const struct vm_start_options *o, struct agent_vm_spec *ret, struct err *e)
{
    *ret = (struct agent_vm_spec){.vm = {.name = talloc_strdup(ctx, text_of(vm->name_label)),
                                         .domid = vm_next_domid(x),
                                         .memory = vm->memory_dynamic_max,
                                         .memory_max = vm->memory_static_max,
                                         .vcpus = (unsigned)vm->VCPUs_at_startup,
                                         .vcpus_max = (unsigned)vm->VCPUs_max,
                                         .start_paused = o->paused,
                                         .platform = copy_text_map(ctx, vm->platform),
                                         .bios_strings = copy_text_map(ctx, vm->bios_strings),
                                         .xenstore_data = copy_text_map(ctx, vm->xenstore_data),
                                         .vcpus_params = copy_text_map(ctx, vm->VCPUs_params)}};
    memcpy(ret->vm.uuid, vm->uuid, sizeof ret->vm.uuid);
    describe_boot(ctx, vm, &ret->vm);
    if (add_disks(x, ctx, vm, host, ret, e) < 0)
        return -1;
    add_nics(x, ctx, vm, ret);
    return 0;
}
