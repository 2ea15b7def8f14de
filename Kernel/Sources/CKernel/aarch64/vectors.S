// The vectors of EL1 (Arm ARM, D1.3.1): four kinds of exception from each of four places. This kernel runs by SP_EL0,
// and so exceptions come by the first four vectors, where the CPU has switched to SP_EL1, the stack of faults: a fault's
// handler runs there, even when the usual stack has run into its guard.
//
// An interrupt is no fault. Its handler goes back to the usual stack first, like any call: so a handler may use as much
// stack as anybody, and its own faults have the other stack to themselves. Should the first push overflow the
// stack, that is such a fault.
//
// All general registers are saved. The FP registers are not: this kernel is compiled without them, and the functions
// of floating.S leave them as they were.
//
// There is no EL0 here. A kernel that has it saves SP_EL0 where it comes from there, and has a stack of its own for
// each thread to set in its place.
#if defined(__aarch64__)

#include "boot.h"

  .macro save
  sub sp, sp, #FRAME_BYTES
  stp x0, x1, [sp]
  stp x2, x3, [sp, #16]
  stp x4, x5, [sp, #32]
  stp x6, x7, [sp, #48]
  stp x8, x9, [sp, #64]
  stp x10, x11, [sp, #80]
  stp x12, x13, [sp, #96]
  stp x14, x15, [sp, #112]
  stp x16, x17, [sp, #128]
  stp x18, x19, [sp, #144]
  stp x20, x21, [sp, #160]
  stp x22, x23, [sp, #176]
  stp x24, x25, [sp, #192]
  stp x26, x27, [sp, #208]
  stp x28, x29, [sp, #224]
  str x30, [sp, #240]
  mrs x0, elr_el1
  mrs x1, spsr_el1
  stp x0, x1, [sp, #FRAME_PC]
  .endm

  .macro fault number
  .balign 0x80
  save
  mov x0, #\number
  b fault_common
  .endm

  .macro interrupt number
  .balign 0x80
  msr spsel, #0
  b interrupt_common
  .endm

  .section .text.vectors, "ax", @progbits
  .balign 0x800
  .globl kernel_vectors
kernel_vectors:
  fault 0               // From EL1 by SP_EL0: synchronous, IRQ, FIQ, SError.
  interrupt 1
  fault 2
  fault 3
  fault 4               // From EL1 by SP_EL1: a fault in a fault's handler.
  fault 5
  fault 6
  fault 7
  .set vector, 8
  .rept 8               // From EL0, which nothing runs in.
  fault vector
  .set vector, vector + 1
  .endr

fault_common:
  mrs x1, sp_el0
  str x1, [sp, #FRAME_SP]
  mrs x1, esr_el1
  mrs x2, far_el1
  stp x1, x2, [sp, #FRAME_ESR]
  str x0, [sp, #FRAME_VECTOR]
  mov x0, sp
  mov x29, xzr
  bl kernel_exception
  b restore

interrupt_common:
  save
  add x0, sp, #FRAME_BYTES
  str x0, [sp, #FRAME_SP]
  mov x0, sp
  mov x29, xzr
  bl kernel_interrupt

restore:
  ldp x0, x1, [sp, #FRAME_PC]
  msr elr_el1, x0
  msr spsr_el1, x1
  ldp x2, x3, [sp, #16]
  ldp x4, x5, [sp, #32]
  ldp x6, x7, [sp, #48]
  ldp x8, x9, [sp, #64]
  ldp x10, x11, [sp, #80]
  ldp x12, x13, [sp, #96]
  ldp x14, x15, [sp, #112]
  ldp x16, x17, [sp, #128]
  ldp x18, x19, [sp, #144]
  ldp x20, x21, [sp, #160]
  ldp x22, x23, [sp, #176]
  ldp x24, x25, [sp, #192]
  ldp x26, x27, [sp, #208]
  ldp x28, x29, [sp, #224]
  ldr x30, [sp, #240]
  ldp x0, x1, [sp], #16
  add sp, sp, #(FRAME_BYTES - 16)
  eret

#endif

  .section .note.GNU-stack, "", %progbits
