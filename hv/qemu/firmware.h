#ifndef HV_QEMU_FIRMWARE_H
#define HV_QEMU_FIRMWARE_H
/*
 * The pieces of firmware.S and where they belong in a ROM.
 */
#define FIRMWARE_SIZE 0x10000
#define FIRMWARE_OFFSET 0xe000
#define FIRMWARE_RESET_OFFSET 0xfff0
#define FIRMWARE_EXIT_PORT 0xf4
#define FIRMWARE_EXIT_VALUE 0x2a

#ifndef __ASSEMBLER__
extern const unsigned char qemu_firmware[], qemu_firmware_end[];
extern const unsigned char qemu_firmware_reset[], qemu_firmware_reset_end[];
#endif

#endif
