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

#endif

  .section .note.GNU-stack, "", @progbits
