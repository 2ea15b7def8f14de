// Loads, stores and calls that may fault and come back. The page-fault handler knows their addresses and
// sends such a fault to kernel_probe_failed with its error code in RAX and its address in RDX: the two
// registers in which struct kernel_probe_result is returned (System V ABI for AMD64, 3.2.3).
#if defined(__x86_64__)

#define PROBE_DONE -1

  .text
  .globl kernel_probe_load
  .globl kernel_probe_load_access
kernel_probe_load:
kernel_probe_load_access:
  movq (%rdi), %rax
  movq %rax, (%rsi)
  movq $PROBE_DONE, %rax
  xorl %edx, %edx
  ret

  .globl kernel_probe_store
  .globl kernel_probe_store_access
kernel_probe_store:
kernel_probe_store_access:
  movq %rsi, (%rdi)
  movq $PROBE_DONE, %rax
  xorl %edx, %edx
  ret

  .globl kernel_profile_mark
kernel_profile_mark:
  ret

  .globl kernel_probe_execute
  .globl kernel_probe_execute_return
kernel_probe_execute:
  subq $8, %rsp  // The ABI wants the stack aligned to 16 bytes at a call.
  call *%rdi
kernel_probe_execute_return:
  addq $8, %rsp
  movq $PROBE_DONE, %rax
  xorl %edx, %edx
  ret

  .globl kernel_probe_failed
kernel_probe_failed:
  ret

// Not a probe: the stack runs into its guard page, and this kernel's part in the matter is over.
  .globl kernel_overflow_stack
kernel_overflow_stack:
  call kernel_overflow_stack

// Five pages a frame, of which the lowest word alone is touched, as a compiler may order its stores.
  .globl kernel_overflow_stack_with_large_frames
kernel_overflow_stack_with_large_frames:
  subq $(5 * 4096), %rsp
  movq $0x5a, (%rsp)
  jmp kernel_overflow_stack_with_large_frames

// Vectors 2 and 18 by an instruction; where RSP is does not matter to a handler with a stack of its own.
  .globl kernel_raise_nmi_without_stack
kernel_raise_nmi_without_stack:
  xorl %esp, %esp
  int $2
  ud2

  .globl kernel_raise_machine_check_without_stack
kernel_raise_machine_check_without_stack:
  xorl %esp, %esp
  int $18
  ud2

// The stack's free part is filled from its start to a line below the caller's pointer.
#define STACK_PATTERN 0x5a5a5a5a5a5a5a5a

  .globl kernel_paint_stack
kernel_paint_stack:
  leaq -64(%rsp), %rcx
  subq %rdi, %rcx
  shrq $3, %rcx
  movabsq $STACK_PATTERN, %rax
  rep stosq
  ret

  .globl kernel_painted_stack_use
kernel_painted_stack_use:
  movabsq $STACK_PATTERN, %rax
  leaq 8(%rsp), %rcx  // The caller's pointer.
1:
  cmpq %rcx, %rdi
  jae 2f
  cmpq %rax, (%rdi)
  jne 2f
  addq $8, %rdi
  jmp 1b
2:
  movq %rcx, %rax
  subq %rdi, %rax
  ret

#endif

  .section .note.GNU-stack, "", @progbits
