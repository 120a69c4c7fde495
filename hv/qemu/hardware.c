#include "hv/qemu/hardware.h"
#include "hv/qemu/cpu_mask.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include <time.h>
#include "lib/buf.h"
#include "lib/mem.h"
#include "model/errors.gen.h"

/* The tables of SMBIOS 2.8 have room for 64 KiB and 255 strings of a kind; QEMU ends when they overflow. */
#define SMBIOS_VALUE_MAX 512
#define OEM_TOTAL_MAX 32768
#define OEM_COUNT_MAX 200
#define XENSTORE_GUEST_PART "vm-data/"

__attribute__((format(printf, 2, 3))) static char *text_of(void *ctx, const char *fmt, ...)
{
    va_list ap;
    char *text;

    va_start(ap, fmt);
    text = talloc_vasprintf(ctx, fmt, ap);
    va_end(ap);
    if (!text)
        mem_abort();
    return text;
}

static const char *on_off(bool on)
{
    return on ? "on" : "off";
}

/* ---- machine, processors, clock ---- */

char *qemu_machine_text(void *ctx, const struct hv_platform *p)
{
    return text_of(ctx, "%s,usb=off,vmport=off,acpi=%s,hpet=%s", p->secureboot ? "q35,smm=on" : "pc",
                   on_off(p->acpi), on_off(p->hpet));
}

const char *qemu_cpu_model(const char *accelerator)
{
    return strcmp(accelerator, "kvm") == 0 ? "host" : "max";
}

/* Only KVM speaks Hyper-V's words: the processor that QEMU emulates takes these names, and tells the guest
 * nothing. */
static const char *viridian_text(void *ctx, const char *accelerator, const struct hv_viridian *v)
{
    if (!v->on || strcmp(accelerator, "kvm") != 0)
        return "";
    return text_of(ctx,
                   ",hv-relaxed=on,hv-spinlocks=0x1fff,hv-vpindex=on,hv-runtime=on,hv-reset=on%s%s%s%s%s%s",
                   v->time ? ",hv-time=on,hv-frequencies=on" : "", v->apic_assist ? ",hv-vapic=on" : "",
                   v->timers ? ",hv-synic=on,hv-stimer=on" : "", v->crash ? ",hv-crash=on" : "",
                   v->tlb_flush ? ",hv-tlbflush=on" : "", v->ipi ? ",hv-ipi=on" : "");
}

/* A processor that QEMU emulates is the same everywhere. */
char *qemu_cpu_text(void *ctx, const char *accelerator, const struct hv_vm_spec *s,
                    const struct hv_platform *p)
{
    bool kvm = strcmp(accelerator, "kvm") == 0;

    return text_of(ctx, "%s%s%s%s%s%s%s", qemu_cpu_model(accelerator), p->pae ? "" : ",pae=off",
                   p->nx ? "" : ",nx=off", p->apic ? "" : ",apic=off", p->nested ? "" : ",vmx=off,svm=off",
                   viridian_text(ctx, accelerator, &p->viridian),
                   kvm ? qemu_cpu_mask_text(ctx, s->cpu_features) : "");
}

char *qemu_smp_text(void *ctx, const struct hv_vm_spec *s, const struct hv_platform *p)
{
    unsigned now = s->vcpus ? s->vcpus : 1, most = s->vcpus_max > now ? s->vcpus_max : now;

    if (p->cores_per_socket == 0)
        return text_of(ctx, "%u,maxcpus=%u", now, most);
    return text_of(ctx, "%u,maxcpus=%u,sockets=%u,cores=%u,threads=1", now, most, most / p->cores_per_socket,
                   p->cores_per_socket);
}

char *qemu_rtc_text(void *ctx, const struct hv_platform *p, int64_t now)
{
    time_t then = (time_t)(now + p->timeoffset);
    char text[32];
    struct tm tm;

    if (p->timeoffset == 0 || !gmtime_r(&then, &tm) ||
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        return text_of(ctx, "base=utc");
    return text_of(ctx, "base=%s", text);
}

/* ---- SMBIOS ---- */

static const struct {
    const char *key; /* of VM.bios_strings */
    unsigned type;
    const char *option;
} smbios_fields[] = {
    {"bios-vendor", 0, "vendor"},
    {"bios-version", 0, "version"},
    {"system-manufacturer", 1, "manufacturer"},
    {"system-product-name", 1, "product"},
    {"system-version", 1, "version"},
    {"system-serial-number", 1, "serial"},
    {"baseboard-manufacturer", 2, "manufacturer"},
    {"baseboard-product-name", 2, "product"},
    {"baseboard-version", 2, "version"},
    {"baseboard-serial-number", 2, "serial"},
    {"baseboard-asset-tag", 2, "asset"},
    {"baseboard-location-in-chassis", 2, "location"},
    {"enclosure-asset-tag", 3, "asset"},
};

struct smbios {
    void *ctx;
    char **texts;
    unsigned n;
    size_t oem_bytes;
    unsigned oem_count;
};

static void add_text(struct smbios *b, char *text)
{
    b->texts = talloc_realloc(b->ctx, b->texts, char *, b->n + 2);
    if (!b->texts)
        mem_abort();
    b->texts[b->n++] = text;
    b->texts[b->n] = NULL;
}

static int refuse(struct err *e, const char *field, const char *key, const char *value)
{
    char name[128];

    snprintf(name, sizeof name, "%s:%s", field, key);
    return err_invalid_value(e, name, value);
}

/* Text of an option with its commas doubled. */
static char *quoted(void *ctx, const char *text)
{
    char *to = talloc_array(ctx, char, strlen(text) * 2 + 1), *at = to;

    if (!to)
        mem_abort();
    for (; *text; text++) {
        if (*text == ',')
            *at++ = ',';
        *at++ = *text;
    }
    *at = '\0';
    return to;
}

/* SMBIOS ends each string with a zero and gives control characters no meaning. */
static bool is_printable(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

static int add_type(struct smbios *b, const struct map *strings, unsigned type, struct err *e)
{
    char *text = text_of(b->ctx, "type=%u", type);
    bool any = false;

    for (size_t i = 0; i < sizeof smbios_fields / sizeof *smbios_fields; i++) {
        const char *key = smbios_fields[i].key, *value = map_get(strings, key);

        if (smbios_fields[i].type != type || !value || !value[0])
            continue;
        if (strlen(value) > SMBIOS_VALUE_MAX || !is_printable(value))
            return refuse(e, "bios_strings", key, value);
        text = text_of(b->ctx, "%s,%s=%s", text, smbios_fields[i].option, quoted(b->ctx, value));
        any = true;
    }
    if (any)
        add_text(b, text);
    return 0;
}

static int add_oem(struct smbios *b, const char *field, const char *key, const char *value, struct err *e)
{
    size_t size = strlen(value) + 1;

    if (size == 1)
        return 0;
    if (b->oem_count == OEM_COUNT_MAX || b->oem_bytes + size > OEM_TOTAL_MAX || !is_printable(value))
        return refuse(e, field, key, b->oem_bytes + size > OEM_TOTAL_MAX ? "too long" : value);
    b->oem_count++;
    b->oem_bytes += size;
    add_text(b, text_of(b->ctx, "type=11,value=%s", quoted(b->ctx, value)));
    return 0;
}

/* bios_strings as copied from a host hold OEM strings as oem-1, oem-2 … */
static int add_oem_strings(struct smbios *b, const struct hv_vm_spec *s, struct err *e)
{
    for (uint32_t i = 0; i < map_count(s->bios_strings); i++) {
        const char *key = s->bios_strings->e[i].k.s;

        if (strncmp(key, "oem-", 4) == 0 && add_oem(b, "bios_strings", key, s->bios_strings->e[i].v.s, e) < 0)
            return -1;
    }
    for (uint32_t i = 0; i < map_count(s->xenstore_data); i++) {
        const char *key = s->xenstore_data->e[i].k.s, *value = s->xenstore_data->e[i].v.s;

        if (strncmp(key, XENSTORE_GUEST_PART, strlen(XENSTORE_GUEST_PART)) == 0 &&
            add_oem(b, "xenstore_data", key, text_of(b->ctx, "%s=%s", key, value), e) < 0)
            return -1;
    }
    return 0;
}

char **qemu_smbios_texts(void *ctx, const struct hv_vm_spec *s, struct err *e)
{
    struct smbios b = {.ctx = ctx, .texts = talloc_zero_array(ctx, char *, 1)};

    if (!b.texts)
        mem_abort();
    for (unsigned type = 0; type <= 3; type++)
        if (add_type(&b, s->bios_strings, type, e) < 0)
            return NULL;
    return add_oem_strings(&b, s, e) < 0 ? NULL : b.texts;
}

/* ---- screen and NICs ---- */

/* QEMU takes powers of two only, and a Cirrus card has 4 to 16 MiB. */
json_t *qemu_vga_device(const struct hv_platform *p)
{
    bool cirrus = p->vga == HV_VGA_CIRRUS;
    json_t *device = json_pack("{s:s}", "driver", cirrus ? "cirrus-vga" : "VGA");
    unsigned size = cirrus ? 4 : 1, most = cirrus ? 16 : 256;

    while (size < p->videoram && size < most)
        size *= 2;
    if (p->videoram)
        json_object_set_new(device, "vgamem_mb", json_integer(size));
    return device;
}

const char *qemu_nic_driver(enum hv_nic_model model)
{
    static const char *const drivers[] = {
        [HV_NIC_VIRTIO] = "virtio-net-pci", [HV_NIC_E1000] = "e1000", [HV_NIC_RTL8139] = "rtl8139"};

    return drivers[model];
}
