#include "hv/qemu/cmdline.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "hv/qemu/hardware.h"
#include "hv/qemu/nvram.h"
#include "hv/qemu/vm_dir.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "model/errors.gen.h"

#define IDE_PLACES 4
/* Slots of the PCI bus, which has 32: the same for a device whether it is there from the start or comes
 * later. */
#define FIRST_DISK_SLOT 8
#define MAIN_BUS_DISKS 16
#define FIRST_NIC_SLOT 24
#define NICS 7
#define SECOND_BUS_SLOT 31
#define SECOND_BUS "more"
#define SECOND_BUS_DISKS 31
#define DISK_PORTS 16 /* root ports on "q35", behind those for NICs */
#define FIRST_PORT_SLOT 16
#define PORT_NAME_SIZE 16
#define SERIAL_SIZE 20 /* of a virtio disk */

struct cmdline {
    const char **v;
    unsigned n;
    const struct hv_vm_spec *spec;
    struct hv_platform platform;
    const struct qemu_cmdline_how *how;
    unsigned ide_taken; /* bits */
    unsigned taps;
    bool bad; /* a value cannot be told to QEMU */
};

static void add(struct cmdline *c, const char *text)
{
    c->v = talloc_realloc(NULL, c->v, const char *, c->n + 2);
    if (!c->v)
        mem_abort();
    c->v[c->n++] = text;
    c->v[c->n] = NULL;
}

/* An option whose value is literal. */
static void add2(struct cmdline *c, const char *option, const char *value)
{
    add(c, option);
    add(c, value);
}

__attribute__((format(printf, 3, 4))) static void addf(struct cmdline *c, const char *option, const char *fmt,
                                                       ...)
{
    va_list ap;
    char *text;

    va_start(ap, fmt);
    text = talloc_vasprintf(c->v, fmt, ap);
    va_end(ap);
    if (!text)
        mem_abort();
    add2(c, option, text);
}

/* An option whose value is this object, which is taken over; NULL when it could not be made of what the
 * specification holds (text that is not UTF-8, a missing value). */
static void add_json(struct cmdline *c, const char *option, json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

    if (text)
        addf(c, option, "%s", text);
    else
        c->bad = true;
    free(text);
    json_decref(object);
}

bool qemu_spec_has_vnc(const struct hv_vm_spec *s)
{
    return s->boot != HV_BOOT_KERNEL;
}

/* ---- machine ---- */

/* The firmware's two flash chips: its code, which all guests share, and the guest's variables. */
static void add_flash(struct cmdline *c)
{
    add_json(c, "-blockdev",
             json_pack("{s:s, s:s, s:b, s:{s:s, s:s}}", "node-name", "firmware", "driver", "raw", "read-only",
                       1, "file", "driver", "file", "filename", nvram_firmware(c->platform.secureboot)));
    add_json(c, "-blockdev",
             json_pack("{s:s, s:s, s:{s:s, s:s}}", "node-name", "nvram", "driver", "raw", "file", "driver",
                       "file", "filename", NVRAM_FILE));
    add2(c, "-machine", "pflash0=firmware,pflash1=nvram");
    if (c->platform.secureboot)
        add2(c, "-global", "driver=cfi.pflash01,property=secure,value=on");
}

static void add_cpu(struct cmdline *c, const struct qemu_cmdline_host *host)
{
    add2(c, "-accel", host->accelerator);
    add2(c, "-cpu", qemu_cpu_text(c->v, host->accelerator, c->spec, &c->platform));
    add2(c, "-smp", qemu_smp_text(c->v, c->spec, &c->platform));
}

static int add_smbios(struct cmdline *c, struct err *e)
{
    char **texts = qemu_smbios_texts(c->v, c->spec, e);

    for (; texts && *texts; texts++)
        add2(c, "-smbios", *texts);
    return texts ? 0 : -1;
}

json_t *qemu_dimm_backend(unsigned slot, int64_t size)
{
    char id[24];

    snprintf(id, sizeof id, "memory%u", slot);
    return json_pack("{s:s, s:s, s:I}", "qom-type", "memory-backend-ram", "id", id, "size", (json_int_t)size);
}

json_t *qemu_dimm_device(unsigned slot)
{
    char id[24], memory[24];

    snprintf(id, sizeof id, "dimm%u", slot);
    snprintf(memory, sizeof memory, "memory%u", slot);
    return json_pack("{s:s, s:s, s:s, s:i}", "driver", "pc-dimm", "id", id, "memdev", memory, "slot",
                     (int)slot);
}

static void add_memory(struct cmdline *c)
{
    const struct qemu_layout *l = &c->how->layout;
    int64_t size = hv_memory_of(c->spec) / 1024;

    if (l->slots == 0)
        addf(c, "-m", "size=%" PRId64 "k", size);
    else
        addf(c, "-m", "size=%" PRId64 "k,slots=%u,maxmem=%" PRId64 "k", size, l->slots,
             l->memory_limit / 1024);
    for (unsigned i = 0; i < l->n_dimms; i++) {
        add_json(c, "-object", qemu_dimm_backend(i, l->dimms[i]));
        add_json(c, "-device", qemu_dimm_device(i));
    }
}

static void add_machine(struct cmdline *c, const struct qemu_cmdline_host *host)
{
    const struct hv_vm_spec *s = c->spec;

    add(c, host->program);
    addf(c, "-name", "guest=%s", s->uuid);
    add2(c, "-uuid", s->uuid);
    add2(c, "-machine", qemu_machine_text(c->v, &c->platform));
    add_cpu(c, host);
    add_memory(c);
    add2(c, "-rtc", qemu_rtc_text(c->v, &c->platform, clock_wall()));
    if (host->sandbox)
        add2(c, "-sandbox", QEMU_SANDBOX);
    add(c, "-nodefaults");
    add(c, "-no-user-config");
    add(c, "-S");
    if (c->how->incoming)
        add2(c, "-incoming", "defer");
    add2(c, "-action", "reboot=reset,shutdown=poweroff,panic=pause");
    add2(c, "-device", "pvpanic");
    add2(c, "-device", "virtio-balloon-pci,id=balloon");
}

/* ---- monitor, consoles, agent ---- */

static void add_channels(struct cmdline *c)
{
    addf(c, "-chardev", "socket,id=qmp,fd=%d,server=on,wait=off", QEMU_FD_QMP);
    add2(c, "-mon", "chardev=qmp,mode=control");
    addf(c, "-chardev",
         "socket,id=serial,fd=%d,server=on,wait=off,logfile=" VM_DIR_CONSOLE_LOG ",logappend=on",
         QEMU_FD_SERIAL);
    add2(c, "-serial", "chardev:serial");
    addf(c, "-chardev", "socket,id=agent,fd=%d,server=on,wait=off", QEMU_FD_AGENT);
    add2(c, "-device", "virtio-serial-pci");
    add2(c, "-device", "virtserialport,id=agent,chardev=agent,name=org.qemu.guest_agent.0");
}

static const char *port_name(unsigned port, char to[PORT_NAME_SIZE])
{
    snprintf(to, PORT_NAME_SIZE, "port%u", port);
    return to;
}

/* On "q35" each device that comes later needs a port that was there before. They pass no I/O ports on, of
 * which a PC has too few for so many. */
static void add_ports(struct cmdline *c)
{
    char name[PORT_NAME_SIZE];

    for (unsigned i = 0; i < NICS + DISK_PORTS; i++)
        addf(c, "-device",
             "pcie-root-port,id=%s,chassis=%u,bus=pcie.0,addr=%x.%u,multifunction=on,io-reserve=0",
             port_name(i, name), i + 1, FIRST_PORT_SLOT + i / 8, i % 8);
}

/* A bridge cannot come later: it is there for the disks that do not find room on the main bus. */
static void add_second_bus(struct cmdline *c)
{
    if (c->how->layout.q35 && c->how->layout.ports)
        add_ports(c);
    if (c->how->layout.q35)
        return;
    addf(c, "-device", "pci-bridge,id=" SECOND_BUS ",chassis_nr=1,bus=pci.0,addr=%x", SECOND_BUS_SLOT);
}

static void add_screen(struct cmdline *c)
{
    if (!qemu_spec_has_vnc(c->spec)) {
        add2(c, "-display", "none");
        return;
    }
    add_json(c, "-device", qemu_vga_device(&c->platform));
    add2(c, "-vnc", "unix:" VM_DIR_VNC);
    if (c->platform.usb)
        add2(c, "-device", "piix3-usb-uhci,id=usb");
    if (c->platform.usb && c->platform.usb_tablet)
        add2(c, "-device", "usb-tablet,bus=usb.0");
}

/* ---- boot ---- */

static int add_boot(struct cmdline *c, struct err *e)
{
    const struct hv_vm_spec *s = c->spec;

    if (s->boot == HV_BOOT_UEFI)
        add_flash(c);
    if (s->boot != HV_BOOT_KERNEL)
        return 0;
    if (!s->kernel)
        return err_domain_builder_error(e, "qemu", "kernel", "no kernel given");
    add2(c, "-kernel", s->kernel);
    if (s->ramdisk && s->ramdisk[0])
        add2(c, "-initrd", s->ramdisk);
    if (s->cmdline && s->cmdline[0])
        add2(c, "-append", s->cmdline);
    return 0;
}

/* The place in the boot order of the index-th device of a kind (letters c, d, n as in HVM_boot_params:order);
 * -1 when the guest is not to boot from it. */
static int boot_index(const struct hv_vm_spec *s, char kind, unsigned index)
{
    const char *order = s->boot_order && s->boot_order[0] ? s->boot_order : "cd";
    const char *at = strchr(order, kind);

    return s->boot == HV_BOOT_KERNEL || !at ? -1 : (int)(at - order) * 64 + (int)index;
}

bool qemu_spec_nics_boot(const struct hv_vm_spec *s)
{
    return boot_index(s, 'n', 0) >= 0;
}

static void set_boot_index(json_t *device, int index)
{
    if (index >= 0)
        json_object_set_new(device, "bootindex", json_integer(index));
}

/* ---- disks ---- */

/* Userdevices 0 to 3 have their own IDE places, the rest take what is free; -1 when all are taken. */
static int take_ide_place(struct cmdline *c, unsigned userdevice)
{
    unsigned place = userdevice;

    if (place >= IDE_PLACES || c->ide_taken & 1U << place)
        for (place = 0; place < IDE_PLACES && c->ide_taken & 1U << place;)
            place++;
    if (place >= IDE_PLACES)
        return -1;
    c->ide_taken |= 1U << place;
    return (int)place;
}

json_t *qemu_blockdev(const struct hv_disk *d, const char *node)
{
    bool readonly = d->readonly || d->cdrom;

    return json_pack("{s:s, s:s, s:b, s:s, s:{s:s, s:s}}", "node-name", node, "driver",
                     d->format ? d->format : "raw", "read-only", readonly, "discard", "unmap", "file",
                     "driver", "file", "filename", d->path);
}

static void add_blockdev(struct cmdline *c, const struct hv_disk *d)
{
    char node[24];

    snprintf(node, sizeof node, "node%u", d->userdevice);
    add_json(c, "-blockdev", qemu_blockdev(d, node));
}

static void set_drive(json_t *device, const struct hv_disk *d, const char *node)
{
    char text[24];

    snprintf(text, sizeof text, "disk%u", d->userdevice);
    json_object_set_new(device, "id", json_string(text));
    if (d->path)
        json_object_set_new(device, "drive", json_string(node));
}

static int add_ide(struct cmdline *c, const struct hv_disk *d, int boot, struct err *e)
{
    int place = take_ide_place(c, d->userdevice);
    char bus[16];
    json_t *device;
    char node[24];

    if (place < 0)
        return err_domain_builder_error(e, "qemu", "ide",
                                        "a guest has room for four IDE disks and CD drives");
    /* "pc" has two channels for two drives each, "q35" one for each drive. */
    snprintf(bus, sizeof bus, "ide.%d", c->platform.secureboot ? place : place / 2);
    device = json_pack("{s:s, s:s, s:i}", "driver", d->cdrom ? "ide-cd" : "ide-hd", "bus", bus, "unit",
                       c->platform.secureboot ? 0 : place % 2);
    snprintf(node, sizeof node, "node%u", d->userdevice);
    set_drive(device, d, node);
    set_boot_index(device, boot);
    add_json(c, "-device", device);
    return 0;
}

/* A place of its own on the PCI bus. Slots 2 to 7 are for what has none. */
static void set_place(json_t *device, const char *bus, unsigned slot)
{
    char text[8];

    snprintf(text, sizeof text, "%x", slot);
    json_object_set_new(device, "bus", json_string(bus));
    json_object_set_new(device, "addr", json_string(text));
}

static void set_port(json_t *device, unsigned port)
{
    char text[PORT_NAME_SIZE];

    set_place(device, port_name(port, text), 0);
}

bool qemu_disk_has_place(unsigned userdevice, const struct qemu_layout *l)
{
    if (l->q35)
        return l->ports && userdevice < DISK_PORTS;
    return userdevice < MAIN_BUS_DISKS + SECOND_BUS_DISKS;
}

/* QEMU chooses a place for what has none. */
static void set_disk_place(json_t *device, unsigned userdevice, const struct qemu_layout *l)
{
    if (!qemu_disk_has_place(userdevice, l))
        return;
    if (l->q35)
        set_port(device, NICS + userdevice);
    else if (userdevice < MAIN_BUS_DISKS)
        set_place(device, "pci.0", FIRST_DISK_SLOT + userdevice);
    else
        set_place(device, SECOND_BUS, userdevice - MAIN_BUS_DISKS + 1);
}

json_t *qemu_disk_device(const struct hv_disk *d, const char *node, const struct qemu_layout *l)
{
    json_t *device = json_pack("{s:s, s:s#}", "driver", "virtio-blk-pci", "serial", d->uuid,
                               (int)strnlen(d->uuid, SERIAL_SIZE));

    if (l->queues > 0)
        json_object_set_new(device, "num-queues", json_integer(l->queues));
    set_drive(device, d, node);
    set_disk_place(device, d->userdevice, l);
    return device;
}

static void add_virtio(struct cmdline *c, const struct hv_disk *d, int boot)
{
    json_t *device;
    char node[24];

    snprintf(node, sizeof node, "node%u", d->userdevice);
    device = qemu_disk_device(d, node, &c->how->layout);
    set_boot_index(device, boot);
    add_json(c, "-device", device);
}

static int add_disk(struct cmdline *c, const struct hv_disk *d, unsigned index, struct err *e)
{
    int boot = boot_index(c->spec, d->cdrom ? 'd' : 'c', index);

    if (d->path)
        add_blockdev(c, d);
    if (d->cdrom || d->bus == HV_BUS_IDE)
        return add_ide(c, d, boot, e);
    if (!d->path)
        return err_domain_builder_error(e, "qemu", "disk", "a disk has no file");
    add_virtio(c, d, boot);
    return 0;
}

static int add_disks(struct cmdline *c, struct err *e)
{
    for (unsigned i = 0; i < c->spec->n_disks; i++)
        if (add_disk(c, &c->spec->disks[i], i, e) < 0)
            return -1;
    return 0;
}

/* ---- network ---- */

json_t *qemu_netdev(const struct hv_nic *n, const char *tap)
{
    char id[24];

    snprintf(id, sizeof id, "net%u", n->device);
    if (n->backend != HV_NIC_TAP)
        return json_pack("{s:s, s:s}", "type", "user", "id", id);
    return json_pack("{s:s, s:s, s:s}", "type", "tap", "id", id, "fd", tap);
}

json_t *qemu_nic_device(const struct hv_nic *n, enum hv_nic_model model, bool boots,
                        const struct qemu_layout *l)
{
    char id[24], netdev[24];
    json_t *device;

    snprintf(id, sizeof id, "nic%u", n->device);
    snprintf(netdev, sizeof netdev, "net%u", n->device);
    device = json_pack("{s:s, s:s, s:s, s:s}", "driver", qemu_nic_driver(model), "id", id, "netdev", netdev,
                       "mac", n->mac);
    if (model == HV_NIC_VIRTIO && n->mtu > 0 && n->mtu != 1500)
        json_object_set_new(device, "host_mtu", json_integer(n->mtu));
    /* The boot ROM costs time and memory, and only one that boots from the network needs it. */
    if (!boots)
        json_object_set_new(device, "romfile", json_string(""));
    if (n->device < NICS && l->q35 && l->ports)
        set_port(device, n->device);
    else if (n->device < NICS && !l->q35)
        set_place(device, "pci.0", FIRST_NIC_SLOT + n->device);
    return device;
}

static void add_nic(struct cmdline *c, const struct hv_nic *n, unsigned index)
{
    char tap[16];
    int boot = boot_index(c->spec, 'n', index);
    json_t *device = qemu_nic_device(n, c->platform.nic_model, boot >= 0, &c->how->layout);

    snprintf(tap, sizeof tap, "%u", QEMU_FD_COUNT + c->taps);
    c->taps += n->backend == HV_NIC_TAP;
    set_boot_index(device, boot);
    add_json(c, "-netdev", qemu_netdev(n, tap));
    add_json(c, "-device", device);
}

const char **qemu_cmdline(void *ctx, const struct qemu_cmdline_host *host, const struct hv_vm_spec *s,
                          const struct qemu_cmdline_how *how, struct err *e)
{
    struct cmdline c = {.v = talloc_array(ctx, const char *, 1), .spec = s, .how = how};

    if (!c.v)
        mem_abort();
    if (hv_platform_read(s, &c.platform, e) < 0)
        goto failed;
    add_machine(&c, host);
    add_second_bus(&c);
    add_channels(&c);
    add_screen(&c);
    if (add_smbios(&c, e) < 0 || add_boot(&c, e) < 0 || add_disks(&c, e) < 0)
        goto failed;
    for (unsigned i = 0; i < s->n_nics; i++)
        add_nic(&c, &s->nics[i], i);
    if (!c.bad)
        return c.v;
    err_domain_builder_error(e, "qemu", "specification", "a path or an address is missing or is not UTF-8");
failed:
    talloc_free(c.v);
    return NULL;
}
