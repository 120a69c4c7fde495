#include "hv/platform.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/errors.gen.h"

#define VIDEORAM_MAX 256
#define CORES_MAX 4096
#define TIMEOFFSET_MAX (100LL * 366 * 86400) /* keeps the guest's year one of four digits */

static int refuse(struct err *e, const char *key, const char *value)
{
    char field[64];

    snprintf(field, sizeof field, "platform:%s", key);
    return err_invalid_value(e, field, value);
}

/* *ret keeps its value when the key is not given. */
static int read_bool(const struct map *m, const char *key, bool *ret, struct err *e)
{
    const char *text = map_get(m, key);

    if (!text)
        return 0;
    *ret = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    return *ret || strcmp(text, "false") == 0 || strcmp(text, "0") == 0 ? 0 : refuse(e, key, text);
}

/* The place of the value in the list; 0, the first, when the key is not given. */
static int read_word(const struct map *m, const char *key, const char *const *words, int *ret, struct err *e)
{
    const char *text = map_get(m, key);

    *ret = 0;
    if (!text)
        return 0;
    for (int i = 0; words[i]; i++)
        if (strcmp(text, words[i]) == 0) {
            *ret = i;
            return 0;
        }
    return refuse(e, key, text);
}

/* A decimal number in these limits; 0 when the key is not given. */
static int read_number(const struct map *m, const char *key, long long min, long long max, long long *ret,
                       struct err *e)
{
    const char *text = map_get(m, key);
    char *end;

    *ret = 0;
    if (!text)
        return 0;
    errno = 0;
    *ret = strtoll(text, &end, 10);
    if (!strchr("+-0123456789", text[0]) || end == text || *end || errno || *ret < min || *ret > max)
        return refuse(e, key, text);
    return 0;
}

static int read_switches(const struct map *m, struct hv_platform *p, struct err *e)
{
    const struct {
        const char *key;
        bool *to;
    } switches[] = {{"acpi", &p->acpi},
                    {"hpet", &p->hpet},
                    {"pae", &p->pae},
                    {"nx", &p->nx},
                    {"usb", &p->usb},
                    {"usb_tablet", &p->usb_tablet},
                    {"secureboot", &p->secureboot},
                    {"apic", &p->apic},
                    {"nested-virt", &p->nested},
                    {"memory-hotplug", &p->memory_hotplug}};

    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if (read_bool(m, switches[i].key, switches[i].to, e) < 0)
            return -1;
    return 0;
}

/* Either of two keys switches the clocks on: QEMU has one name for both. */
static int read_viridian(const struct map *m, struct hv_viridian *v, struct err *e)
{
    bool time_ref_count = true, reference_tsc = true;
    const struct {
        const char *key;
        bool *to;
    } switches[] = {{"viridian", &v->on},
                    {"viridian_time_ref_count", &time_ref_count},
                    {"viridian_reference_tsc", &reference_tsc},
                    {"viridian_apic_assist", &v->apic_assist},
                    {"viridian_crash_ctl", &v->crash},
                    {"viridian_stimer", &v->timers},
                    {"viridian_hcall_remote_tlb_flush", &v->tlb_flush},
                    {"viridian_hcall_ipi", &v->ipi}};

    *v = (struct hv_viridian){
        .apic_assist = true, .crash = true, .timers = true, .tlb_flush = true, .ipi = true};
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if (read_bool(m, switches[i].key, switches[i].to, e) < 0)
            return -1;
    v->time = time_ref_count || reference_tsc;
    v->timers &= v->time; /* they count by that clock */
    if (!v->on)
        *v = (struct hv_viridian){0};
    return 0;
}

static int read_models(const struct map *m, struct hv_platform *p, struct err *e)
{
    static const char *const nics[] = {"virtio", "e1000", "rtl8139", NULL};
    static const char *const screens[] = {"std", "cirrus", NULL};
    static const char *const buses[] = {"virtio", "ide", NULL};
    int nic, screen, bus;

    if (read_word(m, "nic_type", nics, &nic, e) < 0 || read_word(m, "vga", screens, &screen, e) < 0 ||
        read_word(m, "disk_bus", buses, &bus, e) < 0)
        return -1;
    p->nic_model = (enum hv_nic_model)nic;
    p->vga = (enum hv_vga)screen;
    return 0;
}

static int read_numbers(const struct hv_vm_spec *s, struct hv_platform *p, struct err *e)
{
    long long videoram, cores;
    long long offset;

    if (read_number(s->platform, "videoram", 1, VIDEORAM_MAX, &videoram, e) < 0 ||
        read_number(s->platform, "cores-per-socket", 1, CORES_MAX, &cores, e) < 0 ||
        read_number(s->platform, "timeoffset", -TIMEOFFSET_MAX, TIMEOFFSET_MAX, &offset, e) < 0)
        return -1;
    if (cores > 0 && s->vcpus_max % cores != 0)
        return refuse(e, "cores-per-socket", map_get(s->platform, "cores-per-socket"));
    p->videoram = (unsigned)videoram;
    p->cores_per_socket = (unsigned)cores;
    p->timeoffset = offset;
    return 0;
}

int hv_memory_refuse_step(int64_t max, struct err *e)
{
    char text[100];

    snprintf(text, sizeof text, "%lld: a VM that runs gets memory in steps of %lld bytes", (long long)max,
             (long long)HV_MEMORY_STEP);
    return err_invalid_value(e, "memory_static_max", text);
}

static int check_boot_order(const char *order, struct err *e)
{
    if (!order || order[strspn(order, "cdn")] == '\0')
        return 0;
    return err_invalid_value(e, "HVM_boot_params:order", order);
}

int hv_platform_read(const struct hv_vm_spec *s, struct hv_platform *ret, struct err *e)
{
    struct hv_platform p = {.acpi = true,
                            .apic = true,
                            .hpet = true,
                            .pae = true,
                            .nx = true,
                            .usb = true,
                            .usb_tablet = true,
                            .nested = true,
                            .memory_hotplug = hv_memory_of(s) >= HV_HOTPLUG_MEMORY};

    if (read_switches(s->platform, &p, e) < 0 || read_viridian(s->platform, &p.viridian, e) < 0 ||
        read_models(s->platform, &p, e) < 0 || read_numbers(s, &p, e) < 0 ||
        check_boot_order(s->boot_order, e) < 0)
        return -1;
    p.secureboot &= s->boot == HV_BOOT_UEFI;
    *ret = p;
    return 0;
}
