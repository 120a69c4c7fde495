#include <acl/libacl.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "hv/platform.h"
#include "hv/qemu/access.h"
#include "hv/qemu/acl.h"
#include "hv/qemu/cgroup.h"
#include "hv/qemu/cmdline.h"
#include "hv/qemu/cpu_mask.h"
#include "hv/qemu/hardware.h"
#include "hv/qemu/nvram.h"
#include "hv/qemu/qemu.h"
#include "tests/hv/fixture.h"
#include "tests/in_fiber.h"

static const struct qemu_cmdline_host host = {"/usr/bin/qemu", "tcg", true};
static const struct qemu_cmdline_how fresh = {.layout = {.queues = 4}};
static void *ctx;
static struct hv_vm_spec spec;

static void begin(void)
{
    ctx = talloc_new(NULL);
    fixture_spec(&spec);
}

static void end(void)
{
    talloc_free(ctx);
}

/* The argument after this option that contains the text; NULL when there is none. */
static const char *find_argument(const char **argv, const char *option, const char *text)
{
    for (; argv && argv[0] && argv[1]; argv++)
        if (strcmp(argv[0], option) == 0 && strstr(argv[1], text))
            return argv[1];
    return NULL;
}

static void set(const struct map **m, const char *key, const char *value)
{
    *m = map_with(ctx, *m, key, value);
}

static const struct hv_platform *platform(void)
{
    static struct hv_platform p;
    CLEANUP_ERR struct err e = {0};

    ck_assert_int_eq(hv_platform_read(&spec, &p, &e), 0);
    return &p;
}

/* ---- what the record may say ---- */

START_TEST(without_a_word_the_hardware_is_complete)
{
    const struct hv_platform *p = platform();

    ck_assert(p->acpi && p->hpet && p->pae && p->nx && p->usb && p->usb_tablet);
    ck_assert_str_eq(qemu_nic_driver(p->nic_model), "virtio-net-pci");
    ck_assert_str_eq(qemu_cpu_text(ctx, "tcg", &spec, p), "max");
    ck_assert_str_eq(qemu_cpu_text(ctx, "kvm", &spec, p), "host");
    ck_assert_str_eq(qemu_rtc_text(ctx, p, 1700000000), "base=utc");
    ck_assert_str_eq(qemu_smp_text(ctx, &spec, p), "1,maxcpus=1");
}
END_TEST

START_TEST(each_key_has_its_effect)
{
    const struct hv_platform *p;

    set(&spec.platform, "acpi", "false");
    set(&spec.platform, "hpet", "0");
    set(&spec.platform, "pae", "false");
    set(&spec.platform, "nx", "0");
    set(&spec.platform, "nic_type", "e1000");
    set(&spec.platform, "cores-per-socket", "4");
    set(&spec.platform, "timeoffset", "-3600");
    set(&spec.platform, "nested-virt", "false");
    set(&spec.platform, "apic", "0");
    set(&spec.platform, "something-of-xen", "?");
    spec.vcpus = 2;
    spec.vcpus_max = 8;
    p = platform();
    ck_assert_str_eq(qemu_machine_text(ctx, p), "pc,usb=off,vmport=off,acpi=off,hpet=off");
    ck_assert_str_eq(qemu_cpu_text(ctx, "tcg", &spec, p), "max,pae=off,nx=off,apic=off,vmx=off,svm=off");
    ck_assert_str_eq(qemu_nic_driver(p->nic_model), "e1000");
    ck_assert_str_eq(qemu_smp_text(ctx, &spec, p), "2,maxcpus=8,sockets=2,cores=4,threads=1");
    ck_assert_str_eq(qemu_rtc_text(ctx, p, 1700000000), "base=2023-11-14T21:13:20");
}
END_TEST

static struct qemu_layout planned(const char *accelerator)
{
    struct qemu_layout l = {0};

    qemu_memory_plan(&l, &spec, platform(), accelerator);
    return l;
}

START_TEST(only_a_guest_that_it_costs_nothing_has_room_for_more_memory_unasked)
{
    struct qemu_layout l;

    ck_assert_uint_eq(planned("tcg").slots, 0);
    spec.memory_max = HV_HOTPLUG_MEMORY;
    l = planned("kvm");
    ck_assert_uint_eq(l.slots, QEMU_DIMMS_MAX);
    ck_assert(l.memory_limit > spec.memory_max && l.memory_limit % (1 << 30) == 0);
    set(&spec.platform, "memory-hotplug", "false");
    ck_assert_uint_eq(planned("tcg").slots, 0);
    spec.memory_max = 0;
    set(&spec.platform, "memory-hotplug", "true");
    ck_assert_uint_eq(planned("tcg").slots, QEMU_DIMMS_MAX);
    spec.memory_max = (int64_t)1 << 40; /* beyond which nothing has an address */
    ck_assert_uint_eq(planned("tcg").slots, 0);
    spec.memory_max = 0;
    set(&spec.platform, "acpi", "false");
    ck_assert_uint_eq(planned("tcg").slots, 0);
}
END_TEST

START_TEST(memory_that_came_later_is_there_for_a_state_that_has_it)
{
    const struct qemu_cmdline_how how = {
        .incoming = true,
        .layout = {.slots = 32, .memory_limit = 1 << 30, .n_dimms = 2, .dimms = {128 << 20, 256 << 20}}};
    CLEANUP_ERR struct err e = {0};
    const char **argv = qemu_cmdline(ctx, &host, &spec, &how, &e);

    ck_assert_ptr_nonnull(find_argument(argv, "-m", "size=65536k,slots=32,maxmem=1048576k"));
    ck_assert_ptr_nonnull(find_argument(argv, "-object", "\"id\":\"memory1\",\"size\":268435456"));
    ck_assert_ptr_nonnull(
        find_argument(argv, "-device", "\"id\":\"dimm0\",\"memdev\":\"memory0\",\"slot\":0"));
    argv = qemu_cmdline(ctx, &host, &spec, &fresh, &e);
    ck_assert_str_eq(find_argument(argv, "-m", ""), "size=65536k");
}
END_TEST

START_TEST(windows_hears_that_it_is_a_guest_where_that_means_something)
{
    static const char base[] =
        "host,hv-relaxed=on,hv-spinlocks=0x1fff,hv-vpindex=on,hv-runtime=on,hv-reset=on";
    CLEANUP_ERR struct err e = {0};
    const char **argv;

    set(&spec.platform, "viridian", "true");
    ck_assert_str_eq(qemu_cpu_text(ctx, "tcg", &spec, platform()), "max");
    ck_assert_str_eq(qemu_cpu_text(ctx, "kvm", &spec, platform()),
                     talloc_asprintf(ctx,
                                     "%s,hv-time=on,hv-frequencies=on,hv-vapic=on,hv-synic=on,hv-stimer=on,"
                                     "hv-crash=on,hv-tlbflush=on,hv-ipi=on",
                                     base));
    argv = qemu_cmdline(ctx, &(struct qemu_cmdline_host){"/usr/bin/qemu", "kvm", true}, &spec, &fresh, &e);
    ck_assert_ptr_nonnull(find_argument(argv, "-cpu", base));
    set(&spec.platform, "viridian_reference_tsc", "false");
    ck_assert_ptr_nonnull(strstr(qemu_cpu_text(ctx, "kvm", &spec, platform()), "hv-time"));
    set(&spec.platform, "viridian_time_ref_count", "0");
    set(&spec.platform, "viridian_apic_assist", "false");
    set(&spec.platform, "viridian_crash_ctl", "false");
    set(&spec.platform, "viridian_hcall_remote_tlb_flush", "false");
    set(&spec.platform, "viridian_hcall_ipi", "false");
    ck_assert_str_eq(qemu_cpu_text(ctx, "kvm", &spec, platform()), base);
    set(&spec.platform, "viridian", "0");
    ck_assert_str_eq(qemu_cpu_text(ctx, "kvm", &spec, platform()), "host");
}
END_TEST

static const struct {
    const char *vga, *videoram, *driver;
    int size; /* MiB, 0: not said */
} screens[] = {{"std", NULL, "VGA", 0},
               {"std", "8", "VGA", 8},
               {"std", "17", "VGA", 32},
               {"std", "256", "VGA", 256},
               {"cirrus", NULL, "cirrus-vga", 0},
               {"cirrus", "1", "cirrus-vga", 4},
               {"cirrus", "200", "cirrus-vga", 16}};

START_TEST(a_screen_has_memory_in_sizes_that_qemu_takes)
{
    json_t *device;

    set(&spec.platform, "vga", screens[_i].vga);
    if (screens[_i].videoram)
        set(&spec.platform, "videoram", screens[_i].videoram);
    device = qemu_vga_device(platform());
    ck_assert_str_eq(json_string_value(json_object_get(device, "driver")), screens[_i].driver);
    ck_assert_int_eq(json_integer_value(json_object_get(device, "vgamem_mb")), screens[_i].size);
    json_decref(device);
}
END_TEST

static const struct {
    const char *key, *value;
} bad[] = {{"nic_type", "ne2000"},
           {"nic_type", "e1000,netdev=x"},
           {"nic_type", ""},
           {"vga", "vmware"},
           {"disk_bus", "scsi"},
           {"acpi", "perhaps"},
           {"usb", ""},
           {"videoram", "0"},
           {"videoram", "257"},
           {"videoram", "8MiB"},
           {"videoram", " 8"},
           {"videoram", ""},
           {"timeoffset", "1e3"},
           {"timeoffset", "9999999999999"},
           {"timeoffset", "-99999999999999999999"},
           {"cores-per-socket", "3"},
           {"cores-per-socket", "-2"},
           {"cores-per-socket", "0"},
           {"cores-per-socket", "16"},
           {"nx", "\xff"},
           {"viridian", "yes"},
           {"viridian_stimer", "2"},
           {"nested-virt", ""}};

START_TEST(a_bad_value_is_refused_by_its_name)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_platform p;
    char field[64];

    spec.vcpus_max = 8;
    set(&spec.platform, bad[_i].key, bad[_i].value);
    snprintf(field, sizeof field, "platform:%s", bad[_i].key);
    ck_assert_int_eq(hv_platform_read(&spec, &p, &e), -1);
    ck_assert(err_is(&e, "INVALID_VALUE"));
    ck_assert_str_eq(e.params[0], field);
    ck_assert_str_eq(e.params[1], bad[_i].value);
    err_clear(&e);
    ck_assert_ptr_null(qemu_cmdline(ctx, &host, &spec, &fresh, &e));
    ck_assert(err_is(&e, "INVALID_VALUE"));
}
END_TEST

START_TEST(a_boot_order_has_letters_of_devices_only)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_platform p;

    spec.boot_order = "dcx";
    ck_assert_int_eq(hv_platform_read(&spec, &p, &e), -1);
    ck_assert_str_eq(e.params[0], "HVM_boot_params:order");
    spec.boot_order = "ndc";
    platform();
}
END_TEST

/* ---- what guests see of the processor ---- */

START_TEST(a_guest_on_kvm_sees_what_it_may_see)
{
    const char *text;

    ck_assert_str_eq(qemu_cpu_text(ctx, "kvm", &spec, platform()), "host");
    spec.cpu_features = "";
    ck_assert_str_eq(qemu_cpu_text(ctx, "kvm", &spec, platform()), "host");
    spec.cpu_features =
        "ffffffff-ffffffff-ffffffff-ffffffff-ffffffff-fffeffdf-ffffffff-ffffffff-ffffffff-ffffffff";
    text = qemu_cpu_text(ctx, "kvm", &spec, platform());
    ck_assert_msg(strncmp(text, "host,avx2=off,avx512f=off,avx-vnni=off,", 39) == 0, "%s", text);
    ck_assert_str_eq(qemu_cpu_text(ctx, "tcg", &spec, platform()), "max");
    spec.cpu_features = "0-zz--------------f";
    ck_assert_ptr_nonnull(strstr(qemu_cpu_text(ctx, "kvm", &spec, platform()), ",sse4.2=off,"));
}
END_TEST

START_TEST(qemu_knows_what_is_switched_off)
{
    const char *all = qemu_cpu_mask_text(ctx, "0");
    char *command =
        talloc_asprintf(ctx,
                        "echo quit | qemu-system-x86_64 -accel tcg -S -display none -monitor stdio "
                        "-cpu max%s >/dev/null",
                        all);

    if (system("qemu-system-x86_64 --version >/dev/null 2>&1") == 0)
        ck_assert_int_eq(system(command), 0);
}
END_TEST

/* ---- UEFI ---- */

START_TEST(secure_boot_has_a_machine_of_its_own)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_disk disk = {.userdevice = 3, .cdrom = true};
    struct hv_nic nic = {.mac = "02:00:00:00:00:01", .device = 2, .backend = HV_NIC_USER};
    struct qemu_cmdline_how older = {.layout = {.q35 = true}},
                            newer = {.layout = {.q35 = true, .ports = true}};
    const char **argv;

    set(&spec.platform, "secureboot", "true");
    ck_assert(!platform()->secureboot);
    spec.boot = HV_BOOT_UEFI;
    spec.disks = &disk;
    spec.n_disks = 1;
    spec.nics = &nic;
    spec.n_nics = 1;
    ck_assert_ptr_nonnull(strstr(qemu_machine_text(ctx, platform()), "q35,smm=on"));
    argv = qemu_cmdline(ctx, &host, &spec, &newer, &e);
    ck_assert_ptr_nonnull(find_argument(argv, "-device", "pcie-root-port,id=port22,"));
    ck_assert_ptr_nonnull(find_argument(argv, "-device", "\"bus\":\"port2\",\"addr\":\"0\""));
    ck_assert_ptr_null(find_argument(argv, "-device", "pci.0"));
    argv = qemu_cmdline(ctx, &host, &spec, &older, &e);
    ck_assert_ptr_null(find_argument(argv, "-device", "pcie-root-port"));
    ck_assert_ptr_nonnull(find_argument(argv, "-blockdev", "secboot"));
    ck_assert_ptr_null(find_argument(argv, "-device", "pci.0"));
    ck_assert_ptr_nonnull(find_argument(argv, "-device", "virtio-net-pci"));
    ck_assert_ptr_nonnull(find_argument(argv, "-global", "property=secure"));
    ck_assert_ptr_nonnull(find_argument(argv, "-device", "\"ide.3\",\"unit\":0"));
    set(&spec.platform, "secureboot", "false");
    argv = qemu_cmdline(ctx, &host, &spec, &fresh, &e);
    ck_assert_ptr_null(find_argument(argv, "-blockdev", "secboot"));
    ck_assert_ptr_nonnull(find_argument(argv, "-machine", "pflash1=nvram"));
    ck_assert_ptr_nonnull(find_argument(argv, "-device", "\"ide.1\",\"unit\":1"));
}
END_TEST

START_TEST(variables_survive_as_text)
{
    static unsigned char bytes[8 * 512];
    unsigned char *back;
    CLEANUP_FREE char *text = NULL;
    size_t size;

    memset(bytes, 0xff, sizeof bytes);
    bytes[0] = 0;
    bytes[3 * 512 + 511] = 0xfe;
    memset(bytes + 7 * 512, 0x55, 512);
    text = nvram_encode(bytes, sizeof bytes);
    ck_assert_uint_lt(strlen(text), 4 * 700);
    ck_assert_int_eq(nvram_decode(text, &back, &size), 0);
    ck_assert_uint_eq(size, sizeof bytes);
    ck_assert_int_eq(memcmp(back, bytes, size), 0);
    free(back);
    for (size_t n = strlen(text); n-- > 0;) { /* cut anywhere: refused, or fewer blocks of the same flash */
        text[n] = '\0';
        if (nvram_decode(text, &back, &size) == 0) {
            ck_assert_uint_eq(size, sizeof bytes);
            free(back);
        }
    }
}
END_TEST

static const char *const no_variables[] = {
    "",
    "A",
    "====",
    "bm90aGluZyBvZiBvdXJz",
    "\xff\xfe\xfd\xfc",
    "eGFwaWRudjE=",     /* only the word */
    "eGFwaWRudjEAAA==", /* of no size */
    "eGFwaWRudjH//w=="  /* of 32 MiB */
};

START_TEST(text_that_is_no_variables_is_refused)
{
    unsigned char *bytes;
    size_t size;

    ck_assert_int_eq(nvram_decode(no_variables[_i], &bytes, &size), -EBADMSG);
}
END_TEST

/* ---- SMBIOS ---- */

static char **smbios(void)
{
    CLEANUP_ERR struct err e = {0};
    char **texts = qemu_smbios_texts(ctx, &spec, &e);

    ck_assert_ptr_nonnull(texts);
    return texts;
}

static void refused(const char *field)
{
    CLEANUP_ERR struct err e = {0};

    ck_assert_ptr_null(qemu_smbios_texts(ctx, &spec, &e));
    ck_assert(err_is(&e, "INVALID_VALUE"));
    ck_assert_str_eq(e.params[0], field);
}

START_TEST(bios_strings_go_to_their_tables)
{
    char **texts;

    set(&spec.bios_strings, "bios-vendor", "Acme");
    set(&spec.bios_strings, "system-manufacturer", "Acme, Inc.,serial=evil");
    set(&spec.bios_strings, "system-product-name", "x=y \"z\"");
    set(&spec.bios_strings, "baseboard-location-in-chassis", "left");
    set(&spec.bios_strings, "enclosure-asset-tag", "7");
    set(&spec.bios_strings, "system-version", "");
    set(&spec.bios_strings, "oem-1", "first,one");
    texts = smbios();
    ck_assert_str_eq(texts[0], "type=0,vendor=Acme");
    ck_assert_str_eq(texts[1], "type=1,manufacturer=Acme,, Inc.,,serial=evil,product=x=y \"z\"");
    ck_assert_str_eq(texts[2], "type=2,location=left");
    ck_assert_str_eq(texts[3], "type=3,asset=7");
    ck_assert_str_eq(texts[4], "type=11,value=first,,one");
    ck_assert_ptr_null(texts[5]);
}
END_TEST

START_TEST(of_xenstore_data_the_guest_sees_its_own_part)
{
    char **texts;

    set(&spec.xenstore_data, "vm-data/role", "web,db");
    set(&spec.xenstore_data, "vm-data", "");
    set(&spec.xenstore_data, "secret/of/host", "1");
    texts = smbios();
    ck_assert_str_eq(texts[0], "type=11,value=vm-data/role=web,,db");
    ck_assert_ptr_null(texts[1]);
}
END_TEST

START_TEST(strings_that_smbios_cannot_hold_are_refused)
{
    char *longest = talloc_zero_array(ctx, char, 40000), key[32];

    memset(longest, 'x', 513);
    set(&spec.bios_strings, "bios-version", longest);
    refused("bios_strings:bios-version");
    spec.bios_strings = NULL;
    set(&spec.bios_strings, "bios-version", "a\nb");
    refused("bios_strings:bios-version");
    spec.bios_strings = NULL;
    set(&spec.xenstore_data, "vm-data/a\x01", "b");
    refused("xenstore_data:vm-data/a\x01");
    spec.xenstore_data = NULL;
    memset(longest, 'x', 39999);
    set(&spec.xenstore_data, "vm-data/long", longest);
    refused("xenstore_data:vm-data/long");
    spec.xenstore_data = NULL;
    for (unsigned i = 0; i < 201; i++) {
        snprintf(key, sizeof key, "vm-data/%u", i);
        set(&spec.xenstore_data, key, "1");
    }
    ck_assert_int_eq(talloc_array_length(longest), 40000);
    CLEANUP_ERR struct err e = {0};
    ck_assert_ptr_null(qemu_smbios_texts(ctx, &spec, &e));
    ck_assert(err_is(&e, "INVALID_VALUE"));
}
END_TEST

/* ---- the share of the host's processors ---- */

static struct hv_schedule schedule(const char *key, const char *value)
{
    const struct map *m = NULL;
    struct hv_schedule s = {0};
    CLEANUP_ERR struct err e = {0};

    if (key)
        set(&m, key, value);
    ck_assert_int_eq(hv_schedule_read(m, &s, &e), 0);
    return s;
}

START_TEST(a_share_has_weight_cap_and_mask)
{
    struct hv_schedule s = schedule(NULL, NULL);

    ck_assert(s.weight == 256 && s.cap == 0 && !s.masked);
    ck_assert_uint_eq(schedule("weight", "65535").weight, 65535);
    ck_assert_uint_eq(schedule("cap", "250").cap, 250);
    ck_assert(!schedule("mask", "").masked);
    s = schedule("mask", "1,3-5,9");
    ck_assert(s.masked);
    ck_assert_int_eq(CPU_COUNT(&s.mask), 5);
    ck_assert(CPU_ISSET(1, &s.mask) && CPU_ISSET(4, &s.mask) && CPU_ISSET(9, &s.mask));
}
END_TEST

static const struct {
    const char *key, *value;
} bad_shares[] = {
    {"weight", "0"},       {"weight", "65536"}, {"weight", "-1"},  {"weight", "1 "},
    {"weight", ""},        {"cap", "x"},        {"cap", "102401"}, {"cap", "99999999999999999999"},
    {"mask", ","},         {"mask", "1,"},      {"mask", "1-"},    {"mask", "5-3"},
    {"mask", "0-1024"},    {"mask", "all"},     {"mask", "1 2"},   {"mask", "-1"},
    {"mask", "1234567890"}};

START_TEST(a_bad_share_is_refused_by_its_name)
{
    CLEANUP_ERR struct err e = {0};
    const struct map *m = NULL;
    struct hv_schedule s;
    char field[64];

    set(&m, bad_shares[_i].key, bad_shares[_i].value);
    snprintf(field, sizeof field, "VCPUs_params:%s", bad_shares[_i].key);
    ck_assert_int_eq(hv_schedule_read(m, &s, &e), -1);
    ck_assert(err_is(&e, "INVALID_VALUE"));
    ck_assert_str_eq(e.params[0], field);
}
END_TEST

/* ---- QEMU's user ---- */

/* The list of a file as text, its entries between commas. */
static const char *acl_of(const char *path)
{
    acl_t list = acl_get_file(path, ACL_TYPE_ACCESS);
    char *text = acl_to_any_text(list, NULL, ',', TEXT_NUMERIC_IDS);
    const char *kept = talloc_strdup(ctx, text);

    acl_free(text);
    acl_free(list);
    return kept;
}

START_TEST(a_file_is_opened_to_one_user_more)
{
    char path[] = "/tmp/xapid-acl-XXXXXX";
    const char *one = "user::rw-,user:9:r--,group::---,mask::r--,other::---",
               *two = "user::rw-,user:5:rw-,user:9:r--,group::---,mask::rw-,other::---";

    close(mkstemp(path));
    ck_assert_int_eq(qemu_acl_set(path, ACL_USER, 9, 0), 0); /* nothing to take */
    ck_assert_str_eq(acl_of(path), "user::rw-,group::---,other::---");
    ck_assert_int_eq(qemu_acl_set(path, ACL_USER, 9, ACL_READ), 0);
    ck_assert_str_eq(acl_of(path), one);
    ck_assert_int_eq(qemu_acl_set(path, ACL_USER, 5, ACL_READ | ACL_WRITE), 0);
    ck_assert_str_eq(acl_of(path), two);
    ck_assert_int_eq(qemu_acl_set(path, ACL_USER, 9, ACL_READ), 0);
    ck_assert_str_eq(acl_of(path), two);
    ck_assert_int_eq(qemu_acl_set(path, ACL_USER, 5, 0), 0);
    ck_assert_str_eq(acl_of(path), one);
    ck_assert_int_eq(qemu_acl_set(path, ACL_GROUP, 7, ACL_EXECUTE), 0);
    ck_assert_str_eq(acl_of(path), "user::rw-,user:9:r--,group::---,group:7:--x,mask::r-x,other::---");
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(qemu_acl_set(path, ACL_USER, 9, ACL_READ), -ENOENT);
}
END_TEST

START_TEST(a_list_without_room_is_refused)
{
    char path[] = "/tmp/xapid-acl-XXXXXX";
    id_t id = 0;
    int r = 0;

    close(mkstemp(path));
    for (; r == 0 && id < 100000; id++)
        r = qemu_acl_set(path, ACL_USER, id, ACL_READ);
    ck_assert(r == -E2BIG || r == -ENOSPC);
    ck_assert_uint_gt(id, 100);
    unlink(path);
}
END_TEST

START_TEST(a_user_has_the_range_that_is_its_own)
{
    static const char text[] =
        "root:1:2\nqemu2:100000:5\nqemu:0:9\nqemu:x\nqemu:4294967295:2\nqemu:165536:65536\n";
    uid_t first = 0;
    unsigned count = 0;

    ck_assert(qemu_user_range(text, "qemu", &first, &count) && first == 165536 && count == 65536);
    ck_assert(qemu_user_range(text, "qemu2", &first, &count) && first == 100000 && count == 5);
    ck_assert(!qemu_user_range(text, "qem", &first, &count) && !qemu_user_range("", "qemu", &first, &count));
}
END_TEST

/* ---- cgroups, on folders that only look like a hierarchy ---- */

static struct fixture f;

static void write_file(const char *name, const char *text)
{
    char path[200];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", f.dir, name);
    file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void make_folder(const char *name)
{
    char path[200];

    snprintf(path, sizeof path, "%s/%s", f.dir, name);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void assert_file(const char *name, const char *text)
{
    char path[200], seen[64] = "";
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", f.dir, name);
    file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(seen, sizeof seen, file));
    fclose(file);
    ck_assert_str_eq(seen, text);
}

/* With a table of mounts in which the fixture's folder stands between these. */
static int open_groups(const char *before, const char *after, struct cgroups *ret)
{
    char path[200];

    write_file("mountinfo", talloc_asprintf(ctx, "%s %s %s", before, f.dir, after));
    snprintf(path, sizeof path, "%s/mountinfo", f.dir);
    return cgroups_open_with(path, ret);
}

START_TEST(version_1_counts_in_shares_and_microseconds)
{
    struct hv_schedule s = {.weight = 512, .cap = 150};
    struct cgroups c;

    fixture_init(&f);
    ck_assert_int_eq(open_groups("1 2 0:1 /",
                                 "rw shared:5 - cgroup cgroup rw,cpu,cpuacct\n"
                                 "1 2 0:1 / /nowhere rw - cgroup cgroup rw,cpuset\nrubbish - \n",
                                 &c),
                     0);
    ck_assert_int_eq(c.version, 1);
    make_folder("xapid/u");
    write_file("xapid/u/cgroup.procs", "");
    write_file("xapid/u/cpu.shares", "");
    write_file("xapid/u/cpu.cfs_quota_us", "");
    ck_assert_int_eq(cgroup_add(&c, "u", 4711), 0);
    ck_assert_int_eq(cgroup_set(&c, "u", &s), 0);
    assert_file("xapid/u/cgroup.procs", "4711");
    assert_file("xapid/u/cpu.shares", "2048");
    assert_file("xapid/u/cpu.cfs_quota_us", "150000");
    ck_assert_int_eq(cgroup_remove(&c, "gone"), 0);
    cgroups_close(&c);
}
END_TEST

START_TEST(version_2_goes_first_when_it_has_the_controller)
{
    struct hv_schedule s = {.weight = 65535};
    struct cgroups c;

    fixture_init(&f);
    write_file("cgroup.controllers", "cpuset cpu io\n");
    write_file("cgroup.subtree_control", "");
    make_folder("xapid");
    write_file("xapid/cgroup.subtree_control", "");
    ck_assert_int_eq(open_groups("1 2 0:1 / /nowhere rw - cgroup cgroup rw,cpu\n1 2 0:1 /",
                                 "rw - cgroup2 cgroup2 rw\n", &c),
                     0);
    ck_assert_int_eq(c.version, 2);
    assert_file("xapid/cgroup.subtree_control", "+cpu");
    make_folder("xapid/u");
    write_file("xapid/u/cpu.weight", "");
    write_file("xapid/u/cpu.max", "");
    ck_assert_int_eq(cgroup_set(&c, "u", &s), 0);
    assert_file("xapid/u/cpu.weight", "10000");
    assert_file("xapid/u/cpu.max", "max");
    cgroups_close(&c);
}
END_TEST

/* A busy host gives them what their weights say, not what one process gets. */
START_TEST(all_guests_weigh_as_much_as_each_of_them)
{
    struct hv_schedule s = {.weight = 256};
    struct cgroups c;

    fixture_init(&f);
    make_folder("xapid");
    ck_assert_int_eq(open_groups("1 2 0:1 /", "rw - cgroup cgroup rw,cpu\n", &c), 0);
    write_file("xapid/cpu.shares", "");
    make_folder("xapid/u");
    make_folder("xapid/v");
    make_folder("xapid/left");
    write_file("xapid/u/cgroup.procs", "");
    write_file("xapid/u/cpu.shares", "");
    write_file("xapid/u/cpu.cfs_quota_us", "");
    write_file("xapid/v/cgroup.procs", "12\n13\n");
    write_file("xapid/v/cpu.shares", "2048\n");
    write_file("xapid/left/cgroup.procs", "");
    write_file("xapid/left/cpu.shares", "1024\n");
    ck_assert_int_eq(cgroup_add(&c, "u", 11), 0);
    ck_assert_int_eq(cgroup_set(&c, "u", &s), 0);
    assert_file("xapid/cpu.shares", "3072");
    make_folder("xapid/gone");
    ck_assert_int_eq(cgroup_remove(&c, "gone"), 0);
    assert_file("xapid/cpu.shares", "3072");
    cgroups_close(&c);
}
END_TEST

START_TEST(without_the_controller_there_are_no_groups_and_no_failures)
{
    struct hv_schedule s = {.weight = 1};
    struct cgroups c;

    fixture_init(&f);
    write_file("cgroup.controllers", "cpuset io\n");
    ck_assert_int_lt(open_groups("1 2 0:1 /", "rw - cgroup2 cgroup2 rw\n", &c), 0);
    ck_assert_int_eq(cgroup_add(&c, "u", 1), 0);
    ck_assert_int_eq(cgroup_set(&c, "u", &s), 0);
    ck_assert_int_eq(cgroup_remove(&c, "u"), 0);
    cgroups_close(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hardware");
    TCase *c = tcase_create("hardware");
    int r;

    fixture_program_begin();
    tcase_set_timeout(c, TEST_HANG_GUARD_S);
    tcase_add_checked_fixture(c, begin, end);
    tcase_add_test(c, a_guest_on_kvm_sees_what_it_may_see);
    tcase_add_test(c, qemu_knows_what_is_switched_off);
    tcase_add_test(c, without_a_word_the_hardware_is_complete);
    tcase_add_test(c, each_key_has_its_effect);
    tcase_add_test(c, only_a_guest_that_it_costs_nothing_has_room_for_more_memory_unasked);
    tcase_add_test(c, memory_that_came_later_is_there_for_a_state_that_has_it);
    tcase_add_test(c, windows_hears_that_it_is_a_guest_where_that_means_something);
    tcase_add_loop_test(c, a_screen_has_memory_in_sizes_that_qemu_takes, 0, sizeof screens / sizeof *screens);
    tcase_add_loop_test(c, a_bad_value_is_refused_by_its_name, 0, sizeof bad / sizeof *bad);
    tcase_add_test(c, a_boot_order_has_letters_of_devices_only);
    tcase_add_test(c, secure_boot_has_a_machine_of_its_own);
    tcase_add_test(c, variables_survive_as_text);
    tcase_add_loop_test(c, text_that_is_no_variables_is_refused, 0,
                        sizeof no_variables / sizeof *no_variables);
    tcase_add_test(c, bios_strings_go_to_their_tables);
    tcase_add_test(c, of_xenstore_data_the_guest_sees_its_own_part);
    tcase_add_test(c, strings_that_smbios_cannot_hold_are_refused);
    tcase_add_test(c, a_share_has_weight_cap_and_mask);
    tcase_add_loop_test(c, a_bad_share_is_refused_by_its_name, 0, sizeof bad_shares / sizeof *bad_shares);
    tcase_add_test(c, a_file_is_opened_to_one_user_more);
    tcase_add_test(c, a_list_without_room_is_refused);
    tcase_add_test(c, a_user_has_the_range_that_is_its_own);
    tcase_add_test(c, version_1_counts_in_shares_and_microseconds);
    tcase_add_test(c, all_guests_weigh_as_much_as_each_of_them);
    tcase_add_test(c, version_2_goes_first_when_it_has_the_controller);
    tcase_add_test(c, without_the_controller_there_are_no_groups_and_no_failures);
    suite_add_tcase(s, c);
    r = run_suite(s);
    fixture_program_end();
    return r;
}
