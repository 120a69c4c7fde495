/* The machines that are measured. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/bench/api.h"

/* A record such as provisioning tools send. */
static const char vm_struct[] =
    "<struct>"
    "<member><name>name_label</name><value><string>%s</string></value></member>"
    "<member><name>name_description</name><value><string>made for measuring</string></value></member>"
    "<member><name>user_version</name><value><string>1</string></value></member>"
    "<member><name>is_a_template</name><value><boolean>0</boolean></value></member>"
    "<member><name>affinity</name><value>OpaqueRef:NULL</value></member>"
    "<member><name>VCPUs_params</name><value><struct></struct></value></member>"
    "<member><name>PV_bootloader</name><value></value></member>"
    "<member><name>PV_kernel</name><value></value></member>"
    "<member><name>PV_ramdisk</name><value></value></member>"
    "<member><name>PV_args</name><value></value></member>"
    "<member><name>PV_bootloader_args</name><value></value></member>"
    "<member><name>PV_legacy_args</name><value></value></member>"
    "<member><name>PCI_bus</name><value></value></member>"
    "<member><name>memory_static_max</name><value><string>2147483648</string></value></member>"
    "<member><name>memory_dynamic_max</name><value><string>2147483648</string></value></member>"
    "<member><name>memory_dynamic_min</name><value><string>2147483648</string></value></member>"
    "<member><name>memory_static_min</name><value><string>268435456</string></value></member>"
    "<member><name>VCPUs_max</name><value><string>2</string></value></member>"
    "<member><name>VCPUs_at_startup</name><value><string>2</string></value></member>"
    "<member><name>actions_after_shutdown</name><value><string>destroy</string></value></member>"
    "<member><name>actions_after_reboot</name><value><string>restart</string></value></member>"
    "<member><name>actions_after_crash</name><value><string>restart</string></value></member>"
    "<member><name>HVM_boot_policy</name><value><string>BIOS order</string></value></member>"
    "<member><name>HVM_boot_params</name><value><struct>"
    "<member><name>order</name><value>cdn</value></member>"
    "<member><name>firmware</name><value>bios</value></member></struct></value></member>"
    "<member><name>platform</name><value><struct>"
    "<member><name>acpi</name><value>1</value></member><member><name>apic</name><value>true</value></member>"
    "<member><name>nx</name><value>true</value></member><member><name>pae</name><value>true</value></member>"
    "<member><name>timeoffset</name><value>0</value></member><member><name>vga</name><value>std</value></"
    "member>"
    "<member><name>videoram</name><value>8</value></member>"
    "<member><name>viridian</name><value>true</value></member></struct></value></member>"
    "<member><name>other_config</name><value><struct>"
    "<member><name>base_template_name</name><value>Debian Bookworm 12</value></member>"
    "<member><name>install-methods</name><value>cdrom,http</value></member>"
    "<member><name>linux_template</name><value>true</value></member></struct></value></member>"
    "<member><name>recommendations</name><value><string>&lt;restrictions>&lt;restriction "
    "field=\"memory-static-max\" max=\"1649267441664\"/>&lt;restriction field=\"vcpus-max\" max=\"64\"/>"
    "&lt;restriction property=\"number-of-vbds\" max=\"255\"/>&lt;/restrictions></string></value></member>"
    "</struct>";

char *api_vm_struct(const char *name)
{
    char *text;

    must(asprintf(&text, vm_struct, name) > 0, "memory");
    return text;
}

char *api_make_vm(struct api *a, const char *name)
{
    CLEANUP_FREE char *text = api_vm_struct(name);

    return api_call_text(a, "VM.create", PARAMS(text));
}

/* The first reference in a set of them. */
static char *first_ref(const char *reply, const char *what)
{
    const char *at = strstr(reply, "OpaqueRef:");

    if (!at)
        die("there is no %s", what);
    return strndup(at, strcspn(at, "<"));
}

char *api_add_nic(struct api *a, const char *vm, const char *device)
{
    CLEANUP_FREE char *found = api_call(a, "network.get_all", 0, NULL);
    CLEANUP_FREE char *network = first_ref(found, "network");
    CLEANUP_FREE char *text = NULL;

    must(asprintf(
             &text,
             "<struct><member><name>VM</name><value>%s</value></member>"
             "<member><name>network</name><value>%s</value></member>"
             "<member><name>device</name><value>%s</value></member>"
             "<member><name>MAC</name><value></value></member>"
             "<member><name>MTU</name><value>1500</value></member>"
             "<member><name>other_config</name><value><struct></struct></value></member>"
             "<member><name>qos_algorithm_type</name><value></value></member>"
             "<member><name>qos_algorithm_params</name><value><struct></struct></value></member></struct>",
             vm, network, device) > 0,
         "memory");
    return api_call_text(a, "VIF.create", PARAMS(text));
}

/* A VDI on the default SR. */
static char *make_vdi(struct api *a, unsigned bytes)
{
    CLEANUP_FREE char *pools = api_call(a, "pool.get_all", 0, NULL);
    CLEANUP_FREE char *pool = first_ref(pools, "pool");
    CLEANUP_FREE char *sr = api_call_text(a, "pool.get_default_SR", PARAMS(pool));
    CLEANUP_FREE char *text = NULL;

    must(asprintf(&text,
                  "<struct><member><name>name_label</name><value>disk</value></member>"
                  "<member><name>SR</name><value>%s</value></member>"
                  "<member><name>virtual_size</name><value>%u</value></member>"
                  "<member><name>type</name><value>user</value></member>"
                  "<member><name>sharable</name><value><boolean>0</boolean></value></member>"
                  "<member><name>read_only</name><value><boolean>0</boolean></value></member>"
                  "<member><name>other_config</name><value><struct></struct></value></member></struct>",
                  sr, bytes) > 0,
         "memory");
    return api_call_text(a, "VDI.create", PARAMS(text));
}

char *api_add_disk(struct api *a, const char *vm, const char *device, unsigned bytes)
{
    CLEANUP_FREE char *vdi = make_vdi(a, bytes);
    CLEANUP_FREE char *text = NULL;

    must(asprintf(
             &text,
             "<struct><member><name>VM</name><value>%s</value></member>"
             "<member><name>VDI</name><value>%s</value></member>"
             "<member><name>userdevice</name><value>%s</value></member>"
             "<member><name>bootable</name><value><boolean>0</boolean></value></member>"
             "<member><name>mode</name><value>RW</value></member>"
             "<member><name>type</name><value>Disk</value></member>"
             "<member><name>empty</name><value><boolean>0</boolean></value></member>"
             "<member><name>other_config</name><value><struct></struct></value></member>"
             "<member><name>qos_algorithm_type</name><value></value></member>"
             "<member><name>qos_algorithm_params</name><value><struct></struct></value></member></struct>",
             vm, vdi, device) > 0,
         "memory");
    return api_call_text(a, "VBD.create", PARAMS(text));
}

char *api_make_guest(struct api *a, const char *name)
{
    CLEANUP_FREE char *found = api_call(a, "VM.get_by_name_label", PARAMS("Demo guest"));
    CLEANUP_FREE char *template = first_ref(found, "demo guest");
    char *vm = api_call_text(a, "VM.clone", PARAMS(template, name));

    free(api_call(a, "VM.provision", PARAMS(vm)));
    free(api_add_nic(a, vm, "0"));
    return vm;
}
