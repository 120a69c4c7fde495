#ifndef HV_PLATFORM_H
#define HV_PLATFORM_H
/*
 * The hardware that VM.platform and VM.HVM_boot_params ask for, read and checked once for every driver. Never
 * yields. Keys that are not named here mean something to other hypervisors only and are left alone.
 *
 *   acpi, hpet, pae, nx, usb, usb_tablet   true, false, 1 or 0; true when not given
 *   nic_type                               virtio (when not given), e1000, rtl8139
 *   disk_bus                               virtio, ide (hv_disk.bus says which disks it means)
 *   vga, videoram                          std (when not given) or cirrus; MiB of its memory, 1 to 256
 *   cores-per-socket                       divides VCPUs_max; the hypervisor chooses when not given
 *   secureboot                             true, false, 1 or 0; false when not given. With UEFI firmware
 *                                          only. The keys are in the VM's variables, at first Microsoft's
 *   timeoffset                             seconds that the guest's clock is ahead of UTC
 *   viridian                               true, false, 1 or 0; false when not given: tell Windows that it is
 *                                          a guest, in the words of Hyper-V; without it the keys below have
 *                                          no effect. true when not given themselves:
 *     viridian_time_ref_count, viridian_reference_tsc, viridian_apic_assist, viridian_crash_ctl,
 *     viridian_stimer, viridian_hcall_remote_tlb_flush, viridian_hcall_ipi
 *   nested-virt                            true, false, 1 or 0: may the guest run guests? When not given, if
 *                                          the host's processors let it
 *   apic                                   true, false, 1 or 0; true when not given
 *   memory-hotplug                         true, false, 1 or 0: may its memory_static_max be raised while it
 *                                          runs? When not given, if it begins with HV_HOTPLUG_MEMORY or
 *                                          more: a Linux guest with less sets 64 MiB aside for what it might
 *                                          get (bounce buffers), which one with more does anyway
 */
#include "hv/hv.h"

enum hv_nic_model { HV_NIC_VIRTIO, HV_NIC_E1000, HV_NIC_RTL8139 };
enum hv_vga { HV_VGA_STD, HV_VGA_CIRRUS };

/* What a guest is told in Hyper-V's words; each but the first only together with that. */
struct hv_viridian {
    bool on, time, apic_assist, crash, timers, tlb_flush, ipi;
};

struct hv_platform {
    bool acpi, apic, hpet, pae, nx, usb, usb_tablet, secureboot, nested, memory_hotplug;
    struct hv_viridian viridian;
    enum hv_nic_model nic_model;
    enum hv_vga vga;
    unsigned videoram;         /* MiB; 0: as the device has it */
    unsigned cores_per_socket; /* 0: not said */
    int64_t timeoffset;        /* seconds */
};

#define HV_HOTPLUG_MEMORY 0xe0000000LL /* bytes, from which some of it lies above 4 GiB */

/* Errors: INVALID_VALUE naming the key, as "platform:nic_type", and its value. */
int hv_platform_read(const struct hv_vm_spec *s, struct hv_platform *ret, struct err *e);

#endif
