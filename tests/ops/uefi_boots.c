/*
 * A UEFI program as small as can be: counts its boots in a variable of the firmware, says "uefi boots <n>" on
 * the console again and again, and stays. uefi_disk.py makes a disk of it. It needs no library; of the tables
 * of UEFI it names only the entries that it calls (UEFI 2.10, 4.3 System Table, 4.5 Runtime Services, 12.4
 * Simple Text Output).
 */
#include <stdint.h>

#define EFI __attribute__((ms_abi))
#define NON_VOLATILE 1
#define BOOT_SERVICE_ACCESS 2

struct text_output {
    void *reset;
    uint64_t(EFI *output_string)(struct text_output *self, const uint16_t *text);
};

struct guid {
    uint32_t a;
    uint16_t b, c;
    uint8_t d[8];
};

struct runtime_services {
    char header[24];
    void *time[4], *virtual_memory[2];
    uint64_t(EFI *get_variable)(const uint16_t *name, const struct guid *vendor, uint32_t *attributes,
                                uint64_t *size, void *data);
    void *get_next_variable_name;
    uint64_t(EFI *set_variable)(const uint16_t *name, const struct guid *vendor, uint32_t attributes,
                                uint64_t size, const void *data);
};

struct boot_services {
    char header[24];
    void *before[28];
    uint64_t(EFI *stall)(uint64_t microseconds);
    uint64_t(EFI *set_watchdog_timer)(uint64_t seconds, uint64_t code, uint64_t size, const uint16_t *data);
};

struct system_table {
    char header[24];
    void *vendor;
    uint64_t revision;
    void *console_in_handle, *console_in, *console_out_handle;
    struct text_output *console_out;
    void *error_handle, *error;
    struct runtime_services *runtime;
    struct boot_services *boot;
};

static const struct guid ours = {
    0x7a1d0e52, 0x3f5b, 0x4c1e, {0x9a, 0x41, 0x6b, 0x0c, 0x55, 0x1e, 0x2d, 0x90}};
static const uint16_t name[] = u"Boots";

uint64_t EFI start(void *image, struct system_table *system);

uint64_t EFI start(void *image, struct system_table *system)
{
    static uint16_t text[] = u"\r\nuefi boots 0\r\n";
    uint8_t boots = 0;
    uint64_t size = sizeof boots;

    (void)image;
    system->boot->set_watchdog_timer(0, 0, 0, 0);
    system->runtime->get_variable(name, &ours, 0, &size, &boots);
    boots++;
    if (system->runtime->set_variable(name, &ours, NON_VOLATILE | BOOT_SERVICE_ACCESS, sizeof boots,
                                      &boots) != 0)
        boots = 0;
    text[13] = (uint16_t)(u'0' + boots % 10);
    for (;;) {
        system->console_out->output_string(system->console_out, text);
        system->boot->stall(100000);
    }
}
