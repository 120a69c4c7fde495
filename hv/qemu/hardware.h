#ifndef HV_QEMU_HARDWARE_H
#define HV_QEMU_HARDWARE_H
/*
 * The values of QEMU's options for what a VM's record says of the guest's hardware: its BIOS strings, clock,
 * processors, screen, NIC models. Pure text work, never yields; results are on ctx. Commas in what users
 * choose are doubled, as QEMU's option syntax has it.
 *
 * What VM.xenstore_data holds under vm-data/ reaches the guest as SMBIOS OEM strings (type 11), each
 * "vm-data/KEY=VALUE": there is no xenstore in QEMU, and these can be read in any system without a driver, as
 * by `dmidecode -t 11`.
 */
#include <jansson.h>
#include "hv/hv.h"
#include "hv/platform.h"

/* -machine, -cpu, -smp, -rtc (at `now`, seconds since 1970) */
char *qemu_machine_text(void *ctx, const struct hv_platform *p);
char *qemu_cpu_text(void *ctx, const char *accelerator, const struct hv_vm_spec *s,
                    const struct hv_platform *p);
char *qemu_smp_text(void *ctx, const struct hv_vm_spec *s, const struct hv_platform *p);
char *qemu_rtc_text(void *ctx, const struct hv_platform *p, int64_t now);

/* The values of -smbios, ended by NULL; NULL when the strings cannot be given to a guest. Errors:
 * INVALID_VALUE naming the key. */
char **qemu_smbios_texts(void *ctx, const struct hv_vm_spec *s, struct err *e);

/* The screen's -device, a new object. */
json_t *qemu_vga_device(const struct hv_platform *p);

const char *qemu_nic_driver(enum hv_nic_model model);

/* The processor a guest sees under an accelerator. */
const char *qemu_cpu_model(const char *accelerator);

#endif
