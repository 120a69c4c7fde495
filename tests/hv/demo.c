#include "tests/hv/demo.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fiber.h"

#define WAIT_MS 120000
#define LOOK_MS 5

static char folder[200];

bool demo_build(void)
{
    const char *source = getenv("XAPID_SRC"), *build = getenv("XAPID_BUILD");
    char command[600];

    snprintf(folder, sizeof folder, "%s/tests/demo-guest", build ? build : ".");
    snprintf(command, sizeof command, "'%s/scripts/demo-guest' '%s'", source ? source : "..", folder);
    return system(command) == 0;
}

static void read_cmdline(struct demo *d)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof path, "%s/cmdline", folder);
    f = fopen(path, "re");
    if (!f || !fgets(d->cmdline, sizeof d->cmdline, f))
        abort();
    d->cmdline[strcspn(d->cmdline, "\n")] = '\0';
    fclose(f);
}

static char *absolute(const char *name, char to[256])
{
    CLEANUP_FREE char *real = realpath(folder, NULL);

    if (!real || snprintf(to, 256, "%s/%s", real, name) >= 256)
        abort();
    return to;
}

void demo_spec(struct demo *d, const char *dir, struct hv_vm_spec *spec)
{
    char command[400];

    fixture_spec(spec);
    read_cmdline(d);
    spec->boot = HV_BOOT_KERNEL;
    spec->kernel = absolute("kernel", d->kernel);
    spec->ramdisk = absolute("initramfs", d->ramdisk);
    spec->cmdline = d->cmdline;
    spec->memory = 256 << 20;
    snprintf(d->disk, sizeof d->disk, "%s/disk,%s.qcow2", dir, spec->uuid); /* the comma must not matter */
    snprintf(command, sizeof command, "qemu-img create -q -f qcow2 '%s' 64M", d->disk);
    if (system(command) != 0)
        abort();
    d->disks[0] = (struct hv_disk){.bus = HV_BUS_VIRTIO, .path = d->disk, .format = "qcow2"};
    uuid_new(d->disks[0].uuid);
    d->nics[0] = (struct hv_nic){.mac = "02:00:00:11:22:AA", .mtu = 1500, .backend = HV_NIC_USER};
    uuid_new(d->nics[0].uuid);
    spec->disks = d->disks;
    spec->nics = d->nics;
    spec->n_disks = spec->n_nics = 1;
}

unsigned long demo_ticks(const struct fixture *f, const char *uuid)
{
    CLEANUP_FREE char *log = fixture_read(f, uuid, "console.log");
    char *end = strrchr(log, '\n');
    unsigned long n = 0;

    while (end && n == 0) {
        char *line;

        *end = '\0';
        line = strrchr(log, '\n');
        if (sscanf(line ? line + 1 : log, "tick %lu ", &n) != 1)
            n = 0;
        end = line;
    }
    return n;
}

void co_demo_wait_tick(const struct fixture *f, const char *uuid, unsigned long more_than)
{
    int64_t deadline = clock_in_ms(WAIT_MS);

    while (demo_ticks(f, uuid) <= more_than) {
        REQUIRE(clock_now() < deadline);
        REQUIRE(co_sleep_until(clock_in_ms(LOOK_MS), "a tick") == 0);
    }
}

static bool has_text(const struct fixture *f, const char *uuid, const char *text)
{
    CLEANUP_FREE char *log = fixture_read(f, uuid, "console.log");

    return strstr(log, text) != NULL;
}

void co_demo_wait_text(const struct fixture *f, const char *uuid, const char *text)
{
    int64_t deadline = clock_in_ms(WAIT_MS);

    while (!has_text(f, uuid, text)) {
        REQUIRE(clock_now() < deadline);
        REQUIRE(co_sleep_until(clock_in_ms(LOOK_MS), "a text") == 0);
    }
}
