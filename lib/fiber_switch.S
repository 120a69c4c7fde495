/*
 * void fiber_switch(void **save_sp, void *to_sp)
 *
 * Push what the ABI asks a callee to keep, leave the stack pointer in *save_sp, take to_sp for the stack pointer and
 * pop the same from there. fiber_start is where a new fiber "returns" to. The order of the registers on the stack is
 * known to fiber.c (which prepares a new stack) and to scripts/gdb/fibers.py.
 */
#if defined __x86_64__
    .text
    .globl fiber_switch
    .hidden fiber_switch
    .type fiber_switch, @function
fiber_switch:
    .cfi_startproc
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    ret
    .cfi_endproc
    .size fiber_switch, . - fiber_switch

    .globl fiber_start
    .hidden fiber_start
    .type fiber_start, @function
    nop                         /* debuggers look up the byte before a return address */
fiber_start:
    .cfi_startproc
    .cfi_undefined %rip
    call co_fiber_main
    ud2
    .cfi_endproc
    .size fiber_start, . - fiber_start

#elif defined __aarch64__
    .text
    .globl fiber_switch
    .hidden fiber_switch
    .type fiber_switch, %function
fiber_switch:
    .cfi_startproc
    stp x29, x30, [sp, #-160]!
    .cfi_def_cfa_offset 160
    .cfi_offset x29, -160
    .cfi_offset x30, -152
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    ldp x29, x30, [sp], #160
    .cfi_def_cfa_offset 0
    .cfi_restore x29
    .cfi_restore x30
    ret
    .cfi_endproc
    .size fiber_switch, . - fiber_switch

    .globl fiber_start
    .hidden fiber_start
    .type fiber_start, %function
    nop
fiber_start:
    .cfi_startproc
    .cfi_undefined x30
    bl co_fiber_main
    brk #0
    .cfi_endproc
    .size fiber_start, . - fiber_start
#else
#error "lib/fiber_switch.S knows x86-64 and aarch64 only"
#endif

    .section .note.GNU-stack, "", %progbits
