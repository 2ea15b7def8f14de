// Loads, stores and calls that may fault and come back. The handler knows their addresses and sends such a fault to
// kernel_probe_failed with its syndrome in X0 and its address in X1: the two registers in which struct
// kernel_probe_result is returned (AAPCS64, 6.9).
#if defined(__aarch64__)

#define PROBE_DONE -1

  .text
  .globl kernel_probe_load
  .globl kernel_probe_load_access
kernel_probe_load:
kernel_probe_load_access:
  ldr x2, [x0]
  str x2, [x1]
  mov x0, #PROBE_DONE
  mov x1, xzr
  ret

  .globl kernel_probe_store
  .globl kernel_probe_store_access
kernel_probe_store:
kernel_probe_store_access:
  str x1, [x0]
  mov x0, #PROBE_DONE
  mov x1, xzr
  ret

  .globl kernel_profile_mark
kernel_profile_mark:
  ret

  .globl kernel_probe_execute
  .globl kernel_probe_execute_return
kernel_probe_execute:
  stp x29, x30, [sp, #-16]!
  blr x0
kernel_probe_execute_return:
  ldp x29, x30, [sp], #16
  mov x0, #PROBE_DONE
  mov x1, xzr
  ret

  .globl kernel_probe_execute_failed
kernel_probe_execute_failed:
  ldp x29, x30, [sp], #16

  .globl kernel_probe_failed
kernel_probe_failed:
  ret

// Not a probe: the stack runs into its guard page, and this kernel's part in the matter is over.
  .globl kernel_overflow_stack
kernel_overflow_stack:
  stp x29, x30, [sp, #-16]!
  bl kernel_overflow_stack

// Five pages a frame, of which the lowest word alone is touched, as a compiler may order its stores.
  .globl kernel_overflow_stack_with_large_frames
kernel_overflow_stack_with_large_frames:
  sub sp, sp, #(5 * 4096)
  str xzr, [sp]
  b kernel_overflow_stack_with_large_frames

// The stack's free part is filled from its start to a line below the pointer.
  .globl kernel_paint_stack
kernel_paint_stack:
  sub x1, sp, #64
  ldr x2, =0x5a5a5a5a5a5a5a5a
1:
  cmp x0, x1
  b.hs 2f
  str x2, [x0], #8
  b 1b
2:
  ret

  .globl kernel_painted_stack_use
kernel_painted_stack_use:
  mov x1, sp
  ldr x2, =0x5a5a5a5a5a5a5a5a
1:
  cmp x0, x1
  b.hs 2f
  ldr x3, [x0]
  cmp x3, x2
  b.ne 2f
  add x0, x0, #8
  b 1b
2:
  sub x0, x1, x0
  ret

#endif

  .section .note.GNU-stack, "", %progbits
