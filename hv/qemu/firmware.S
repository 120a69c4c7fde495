/*
 * The firmware that tries an accelerator out (probe.c): from real mode through protected mode and paging to long mode,
 * as any operating system goes, then a byte to the port of isa-debug-exit, which ends QEMU.
 *
 * It stands at FIRMWARE_OFFSET of a ROM of 64 KiB that ends below 1 MiB (and below 4 GiB, where the processor starts);
 * the last 16 bytes, the reset vector, are made by probe.c's copy of qemu_firmware_reset.
 */
#include "hv/qemu/firmware.h"

#define LOW(label) (label - qemu_firmware + FIRMWARE_OFFSET) /* within segment 0xf000 */
#define LINEAR(label) (0xf0000 + LOW(label))
#define TABLES 0x10000 /* page tables, in RAM that is zero */

    .section .rodata
    .global qemu_firmware, qemu_firmware_end, qemu_firmware_reset, qemu_firmware_reset_end
    .balign 16
qemu_firmware:
    .code16
    cli
    lgdtl %cs:LOW(gdt_pointer)
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    ljmpl $8, $LINEAR(in_protected_mode)

    .code32
in_protected_mode:
    mov $16, %eax
    mov %eax, %ds
    movl $(TABLES + 0x1003), TABLES
    movl $(TABLES + 0x2003), TABLES + 0x1000
    movl $0x83, TABLES + 0x2000 /* the first 2 MiB as one page */
    mov %cr4, %eax
    or $0x20, %eax /* PAE */
    mov %eax, %cr4
    mov $TABLES, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx /* EFER */
    rdmsr
    or $0x100, %eax /* LME */
    wrmsr
    mov %cr0, %eax
    or $0x80000000, %eax
    mov %eax, %cr0
    ljmpl $24, $LINEAR(in_long_mode)

    .code64
in_long_mode:
    xor %eax, %eax
    cpuid
    mov $10000000, %ecx
1:  lea (%rax, %rcx), %rax
    dec %ecx
    jnz 1b
    mov $FIRMWARE_EXIT_VALUE, %al
    out %al, $FIRMWARE_EXIT_PORT
2:  hlt
    jmp 2b

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff /* 32-bit code */
    .quad 0x00cf93000000ffff /* data */
    .quad 0x00af9b000000ffff /* 64-bit code */
gdt_pointer:
    .word . - gdt - 1
    .long LINEAR(gdt)
qemu_firmware_end:

    .code16
qemu_firmware_reset:
    ljmp $0xf000, $FIRMWARE_OFFSET
qemu_firmware_reset_end:

    .section .note.GNU-stack, "", @progbits
