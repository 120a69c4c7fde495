#include "tests/db/sample_vms.h"
#include <stdarg.h>
#include <stdio.h>
#include <talloc.h>
#include "db/setters.gen.h"

/* Key, text, key, text, …, NULL. */
static const struct map *texts(void *mem, ...)
{
    const struct map *m = NULL;
    const char *key;
    va_list ap;

    va_start(ap, mem);
    while ((key = va_arg(ap, const char *)))
        m = map_with(mem, m, key, va_arg(ap, const char *));
    va_end(ap);
    return m;
}

static void set_settings(struct txn *t, const struct vm *vm, void *mem, unsigned i)
{
    char uuid[UUID_TEXT_SIZE];

    uuid_new(uuid);
    vm_set_platform(t, vm,
                    texts(mem, "acpi", "1", "apic", "true", "nx", "true", "pae", "true", "timeoffset", "0",
                          "vga", "std", "videoram", "8", "viridian", "true", NULL));
    vm_set_other_config(t, vm,
                        texts(mem, "base_template_name", "Debian Bookworm 12", "install-methods",
                              "cdrom,http", "linux_template", "true", "mac_seed", uuid, NULL));
    vm_set_hvm_boot_params(t, vm, texts(mem, "order", "cdn", "firmware", "bios", NULL));
    vm_set_xenstore_data(t, vm, texts(mem, "vm-data", "", NULL));
    vm_set_bios_strings(t, vm,
                        texts(mem, "bios-vendor", "Xen", "bios-version", "", "system-manufacturer", "Xen",
                              "system-product-name", "HVM domU", "system-version", "", "system-serial-number",
                              "", "hp-rombios", "", "oem-1", "Xen", NULL));
    vm_set_recommendations(
        t, vm,
        "<restrictions><restriction field=\"memory-static-max\" max=\"1649267441664\"/><restriction "
        "field=\"vcpus-max\" max=\"64\"/><restriction field=\"has-vendor-device\" "
        "value=\"false\"/><restriction "
        "max=\"255\" property=\"number-of-vbds\"/><restriction max=\"7\" "
        "property=\"number-of-vifs\"/></restrictions>");
    vm_set_tags(t, vm, set_of_strings(mem, 2, i % 2 ? "production" : "test", "backup"));
}

static void set_state(struct txn *t, const struct vm *vm, void *mem, struct ref host, unsigned i)
{
    struct set *ops = talloc_zero_size(mem, sizeof *ops + 12 * sizeof ops->v[0]);

    for (ops->n = 0; ops->n < 12; ops->n++)
        ops->v[ops->n].i = VM_OPERATIONS_SNAPSHOT + (int)ops->n;
    vm_set_allowed_operations(t, vm, ops);
    vm_set_power_state(t, vm, VM_POWER_STATE_RUNNING);
    vm_set_resident_on(t, vm, host);
    vm_set_memory_static_max(t, vm, 2LL << 30);
    vm_set_memory_dynamic_max(t, vm, 2LL << 30);
    vm_set_memory_target(t, vm, 2LL << 30);
    vm_set_vcpus_max(t, vm, 2);
    vm_set_domid(t, vm, i + 1);
}

static void add_metrics(struct txn *t, const struct vm *vm, void *mem, unsigned i)
{
    const struct vm_metrics *m = vm_metrics_create(t);
    const struct vm_guest_metrics *g = vm_guest_metrics_create(t);

    vm_metrics_set_memory_actual(t, m, 2LL << 30);
    vm_metrics_set_start_time(t, m, 1700000000 + i);
    vm_metrics_set_state(t, m, set_of_strings(mem, 1, "running"));
    vm_set_metrics(t, vm, m->row.ref);
    vm_guest_metrics_set_os_version(t, g,
                                    texts(mem, "name", "Debian GNU/Linux 12 (bookworm)", "distro", "debian",
                                          "major", "12", "minor", "4", "uname", "6.1.0-18-amd64", NULL));
    vm_guest_metrics_set_pv_drivers_version(
        t, g, texts(mem, "major", "8", "minor", "2", "micro", "0", "build", "1", NULL));
    vm_guest_metrics_set_networks(t, g,
                                  texts(mem, "0/ip", talloc_asprintf(mem, "10.0.%u.%u", i / 250, i % 250),
                                        "0/ipv4/0", talloc_asprintf(mem, "10.0.%u.%u", i / 250, i % 250),
                                        "0/ipv6/0",
                                        talloc_asprintf(mem, "fe80::5054:ff:fe%02x:%04x", i % 250, i), NULL));
    vm_guest_metrics_set_other(t, g, texts(mem, "platform-feature-multiprocessor-suspend", "1", NULL));
    vm_set_guest_metrics(t, vm, g->row.ref);
}

static void add_disk(struct txn *t, const struct vm *vm, void *mem, struct ref sr, unsigned i)
{
    const struct vdi *vdi = vdi_create(t);
    const struct vbd *vbd = vbd_create(t);

    vdi_set_name_label(t, vdi, talloc_asprintf(mem, "%s disk 0", vm->name_label));
    vdi_set_name_description(t, vdi, "Created by template provisioner");
    vdi_set_sr(t, vdi, sr);
    vdi_set_virtual_size(t, vdi, 20LL << 30);
    vdi_set_physical_utilisation(t, vdi, (1LL << 30) + i);
    vdi_set_location(t, vdi, vdi->uuid);
    vdi_set_sm_config(t, vdi, texts(mem, "image-format", "qcow2", NULL));
    vbd_set_vm(t, vbd, vm->row.ref);
    vbd_set_vdi(t, vbd, vdi->row.ref);
    vbd_set_device(t, vbd, "xvda");
    vbd_set_userdevice(t, vbd, "0");
    vbd_set_bootable(t, vbd, true);
    vbd_set_currently_attached(t, vbd, true);
    vbd_metrics_create(t);
}

static void add_nic(struct txn *t, const struct vm *vm, void *mem, struct ref network, unsigned i)
{
    const struct vif *vif = vif_create(t);

    vif_set_vm(t, vif, vm->row.ref);
    vif_set_network(t, vif, network);
    vif_set_device(t, vif, "0");
    vif_set_mac(t, vif,
                talloc_asprintf(mem, "52:54:00:%02x:%02x:%02x", i >> 16 & 255, i >> 8 & 255, i & 255));
    vif_set_mtu(t, vif, 1500);
    vif_set_currently_attached(t, vif, true);
    vif_metrics_create(t);
}

struct ref sample_vm(struct txn *t, unsigned i, struct ref host, struct ref sr, struct ref network)
{
    void *mem = talloc_new(NULL);
    const struct vm *vm = vm_create(t);
    const struct console *console = console_create(t);

    vm_set_name_label(t, vm, talloc_asprintf(mem, "web server %u", i));
    set_settings(t, vm, mem, i);
    set_state(t, vm, mem, host, i);
    add_metrics(t, vm, mem, i);
    add_disk(t, vm, mem, sr, i);
    add_nic(t, vm, mem, network, i);
    console_set_vm(t, console, vm->row.ref);
    console_set_location(t, console, talloc_asprintf(mem, "https://10.0.0.1/console?uuid=%s", console->uuid));
    talloc_free(mem);
    return vm->row.ref;
}
