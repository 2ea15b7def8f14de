// Loads, stores and calls that may fault and come back. The handler knows their addresses and sends such a fault to
// kernel_probe_failed with its cause in A0 and its address in A1: the two registers in which struct
// kernel_probe_result is returned (RISC-V psABI, integer calling convention).
#if defined(__riscv)

  .option norvc

  .text
  .globl kernel_probe_load
  .globl kernel_probe_load_access
kernel_probe_load:
kernel_probe_load_access:
  ld a2, 0(a0)
  sd a2, 0(a1)
  li a0, -1
  li a1, 0
  ret

  .globl kernel_probe_store
  .globl kernel_probe_store_access
kernel_probe_store:
kernel_probe_store_access:
  sd a1, 0(a0)
  li a0, -1
  li a1, 0
  ret

  .globl kernel_profile_mark
kernel_profile_mark:
  ret

  .globl kernel_probe_execute
  .globl kernel_probe_execute_return
kernel_probe_execute:
  addi sp, sp, -16
  sd ra, 8(sp)
  jalr a0
kernel_probe_execute_return:
  ld ra, 8(sp)
  addi sp, sp, 16
  li a0, -1
  li a1, 0
  ret

  .globl kernel_probe_execute_failed
kernel_probe_execute_failed:
  ld ra, 8(sp)
  addi sp, sp, 16

  .globl kernel_probe_failed
kernel_probe_failed:
  ret

// Not a probe: the stack runs into its guard page, and this kernel's part in the matter is over.
  .globl kernel_overflow_stack
kernel_overflow_stack:
  addi sp, sp, -16
  sd ra, 8(sp)
  call kernel_overflow_stack

// Five pages a frame, of which the lowest word alone is touched, as a compiler may order its stores.
  .globl kernel_overflow_stack_with_large_frames
kernel_overflow_stack_with_large_frames:
  li t0, 5 * 4096
1:
  sub sp, sp, t0
  sd zero, 0(sp)
  j 1b

// The stack's free part is filled from its start to a line below the pointer.
  .globl kernel_paint_stack
kernel_paint_stack:
  addi a1, sp, -64
  li a2, 0x5a5a5a5a5a5a5a5a
1:
  bgeu a0, a1, 2f
  sd a2, 0(a0)
  addi a0, a0, 8
  j 1b
2:
  ret

  .globl kernel_painted_stack_use
kernel_painted_stack_use:
  mv a1, sp
  li a2, 0x5a5a5a5a5a5a5a5a
1:
  bgeu a0, a1, 2f
  ld a3, 0(a0)
  bne a3, a2, 2f
  addi a0, a0, 8
  j 1b
2:
  sub a0, a1, a0
  ret

#endif

  .section .note.GNU-stack, "", %progbits
