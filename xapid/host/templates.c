/* The templates that administrators expect, as data; and that of the demo guest, whose kernel lies on this
 * host. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>
#include "db/setters.gen.h"
#include "lib/cleanup.h"
#include "xapid/host/bootstrap.h"
#include "xapid/reftext.h"

#define MIB ((int64_t)1 << 20)
#define GIB ((int64_t)1 << 30)

enum family { ANY_SYSTEM, LINUX, WINDOWS, DEMO };

struct template
{
    const char *label, *name, *description;
    enum family family;
    int64_t memory, memory_min, memory_max; /* MiB */
    int64_t vcpus;
    int64_t disk; /* GiB; 0: none */
    bool uefi;
};

static const struct template templates[] = {
    {"other-install-media", "Other install media",
     "Template which allows VM installation from install media, for any operating system", ANY_SYSTEM, 1024,
     128, 1572864, 1, 0, false},
    {"debian-12", "Debian Bookworm 12", "Debian 12 from its installation CD", LINUX, 2048, 512, 1572864, 1,
     10, false},
    {"ubuntu-22.04", "Ubuntu Jammy Jellyfish 22.04", "Ubuntu 22.04 LTS from its installation CD", LINUX, 4096,
     1024, 1572864, 2, 10, false},
    {"ubuntu-24.04", "Ubuntu Noble Numbat 24.04", "Ubuntu 24.04 LTS from its installation CD", LINUX, 4096,
     1024, 1572864, 2, 10, false},
    {"rocky-9", "Rocky Linux 9", "Rocky Linux 9 from its installation CD", LINUX, 4096, 2048, 1572864, 2, 10,
     false},
    {"windows-11", "Windows 11", "Windows 11 from its installation CD", WINDOWS, 4096, 4096, 1572864, 2, 64,
     true},
    {"windows-server-2022", "Windows Server 2022", "Windows Server 2022 from its installation CD", WINDOWS,
     4096, 2048, 1572864, 2, 32, true},
};

static const struct template demo = {
    "demo-guest",
    "Demo guest",
    "A small Linux made from this host's own kernel, to try things out: it prints a counter on its console",
    DEMO,
    256,
    128,
    4096,
    1,
    1,
    false};

static const char *recommendations(void *mem, const struct template *d)
{
    return talloc_asprintf(mem,
                           "<restrictions>"
                           "<restriction field=\"memory-static-max\" max=\"%lld\"/>"
                           "<restriction field=\"memory-static-min\" min=\"%lld\"/>"
                           "<restriction field=\"vcpus-max\" max=\"64\"/>"
                           "<restriction field=\"vcpus-min\" min=\"1\"/>"
                           "<restriction property=\"number-of-vbds\" max=\"255\"/>"
                           "<restriction property=\"number-of-vifs\" max=\"7\"/>"
                           "<restriction field=\"has-vendor-device\" value=\"false\"/>"
                           "<restriction field=\"supports-bios\" value=\"%s\"/>"
                           "<restriction field=\"supports-uefi\" value=\"%s\"/>"
                           "</restrictions>",
                           (long long)(d->memory_max * MIB), (long long)(d->memory_min * MIB),
                           d->family == DEMO ? "no" : "yes", d->uefi ? "yes" : "no");
}

static const struct map *other_config(void *mem, const struct template *d)
{
    struct map *m = map_with(mem, NULL, "default_template", "true");

    if (d->family == LINUX)
        m = map_with(mem, m, "linux_template", "true");
    if (d->family != DEMO)
        m = map_with(mem, m, "install-methods", "cdrom");
    if (d->disk)
        m = map_with(mem, m, "disks",
                     talloc_asprintf(mem,
                                     "<provision><disk device=\"0\" size=\"%lld\" sr=\"\" bootable=\"true\" "
                                     "type=\"system\"/></provision>",
                                     (long long)(d->disk * GIB)));
    return m;
}

static const struct map *platform(void *mem, const struct template *d)
{
    struct map *m = map_with(mem, NULL, "acpi", "1");

    m = map_with(mem, m, "apic", "true");
    m = map_with(mem, m, "nx", "true");
    m = map_with(mem, m, "pae", "true");
    m = map_with(mem, m, "viridian", d->family == WINDOWS ? "true" : "false");
    m = map_with(mem, m, "device-model", d->uefi ? "qemu-upstream-uefi" : "qemu-upstream-compat");
    if (d->family == WINDOWS) {
        m = map_with(mem, m, "disk_bus", "ide");
        m = map_with(mem, m, "secureboot", "false");
    }
    return m;
}

static void set_memory(struct txn *t, const struct vm *vm, const struct template *d)
{
    vm_set_memory_static_min(t, vm, d->memory_min * MIB);
    vm_set_memory_dynamic_min(t, vm, d->memory * MIB);
    vm_set_memory_dynamic_max(t, vm, d->memory * MIB);
    vm_set_memory_static_max(t, vm, d->memory * MIB);
    vm_set_vcpus_max(t, vm, d->vcpus);
    vm_set_vcpus_at_startup(t, vm, d->vcpus);
}

static void set_boot(struct txn *t, const struct vm *vm, const struct template *d)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct map *params = map_with(mem, NULL, "order", "cdn");

    if (d->family == DEMO) {
        vm_set_hvm_boot_policy(t, vm, "");
        vm_set_domain_type(t, vm, DOMAIN_TYPE_PVH);
        return;
    }
    vm_set_hvm_boot_policy(t, vm, "BIOS order");
    vm_set_hvm_boot_params(t, vm, map_with(mem, params, "firmware", d->uefi ? "uefi" : "bios"));
    vm_set_domain_type(t, vm, DOMAIN_TYPE_HVM);
}

static const struct vm *make_template(struct txn *t, const struct template *d)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct vm *vm = vm_create(t);
    const struct vm_metrics *metrics = vm_metrics_create(t);

    vm_set_name_label(t, vm, d->name);
    vm_set_name_description(t, vm, d->description);
    vm_set_reference_label(t, vm, d->label);
    vm_set_is_a_template(t, vm, true);
    vm_set_is_default_template(t, vm, true);
    vm_set_power_state(t, vm, VM_POWER_STATE_HALTED);
    vm_set_domid(t, vm, -1);
    vm_set_user_version(t, vm, 1);
    vm_set_actions_after_shutdown(t, vm, ON_NORMAL_EXIT_DESTROY);
    vm_set_actions_after_reboot(t, vm, ON_NORMAL_EXIT_RESTART);
    vm_set_actions_after_crash(t, vm, ON_CRASH_BEHAVIOUR_RESTART);
    vm_set_metrics(t, vm, metrics->row.ref);
    vm_set_recommendations(t, vm, recommendations(mem, d));
    vm_set_other_config(t, vm, other_config(mem, d));
    vm_set_platform(t, vm, platform(mem, d));
    vm_set_has_vendor_device(t, vm, false);
    set_memory(t, vm, d);
    set_boot(t, vm, d);
    return vm;
}

/* ---- the demo guest ---- */

/* The kernel's command line that scripts/demo-guest left beside it. */
static char *read_cmdline(void *mem, const char *folder)
{
    CLEANUP_TALLOC char *path = talloc_asprintf(NULL, "%s/cmdline", folder);
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[2048];
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return talloc_strdup(mem, text);
}

static const struct vm *find_demo(struct db *db)
{
    DB_FOREACH_VM (db, vm)
        if (vm->is_default_template && strcmp(text_of(vm->reference_label), demo.label) == 0)
            return vm;
    return NULL;
}

/* Its template follows the files: they may be built, moved or renewed at any time. */
static void refresh_demo(struct txn *t, struct xapid *x, const char *state_dir)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_FREE char *given = x->options.demo_guest ? realpath(x->options.demo_guest, NULL) : NULL;
    const char *chosen = given ? given : talloc_asprintf(mem, "%s/guests/demo", state_dir);
    const char *kernel = talloc_asprintf(mem, "%s/kernel", chosen);

    if (access(kernel, R_OK) < 0)
        return;
    const struct vm *vm = find_demo(txn_db(t));
    if (!vm)
        vm = make_template(t, &demo);
    vm_set_pv_kernel(t, vm, kernel);
    vm_set_pv_ramdisk(t, vm, talloc_asprintf(mem, "%s/initramfs", chosen));
    vm_set_pv_args(t, vm, read_cmdline(mem, chosen));
}

static bool has_default_templates(struct db *db)
{
    DB_FOREACH_VM (db, vm)
        if (vm->is_default_template && strcmp(text_of(vm->reference_label), templates[0].label) == 0)
            return true;
    return false;
}

void template_rows(struct txn *t, struct xapid *x, const char *state_dir)
{
    if (!has_default_templates(x->db))
        for (unsigned i = 0; i < sizeof templates / sizeof *templates; i++)
            make_template(t, &templates[i]);
    refresh_demo(t, x, state_dir);
}
