// From a start-up interrupt to Swift, for every CPU but the first.
//
// A CPU that gets a start-up IPI (SIPI) begins in real mode at the page below 1 MiB that the IPI names
// (Intel SDM vol. 3A, 9.4). The trampoline is what is copied to that page: it knows nothing of where it
// lies, enters protected mode, and jumps into the image, which is linked where it is loaded. So no
// table ever maps the page: with paging on, the CPU is already in the image.
//
// One CPU is started at a time: what it needs is in kernel_starting_cpu.
#if defined(__x86_64__)

#include "boot.h"

  .section .rodata.trampoline, "a", @progbits
  .code16
  .balign 16
  .globl kernel_trampoline, kernel_trampoline_end
kernel_trampoline:
  cli
  cld
  lgdtl %cs:(2f - kernel_trampoline)
  movl %cr0, %eax
  orl $CR0_PROTECTED, %eax
  movl %eax, %cr0
  ljmpl $CODE32_SELECTOR, $start_cpu
2:
  .word BOOT_GDT_BYTES - 1
  .long kernel_gdt
kernel_trampoline_end:

  .section .text.boot, "ax", @progbits
  .code32
start_cpu:
  movl $DATA_SELECTOR, %eax
  movl %eax, %ss
  movl %eax, %ds
  movl %eax, %es

  // The kernel's own tables have the no-execute bit set, which is reserved until EFER says otherwise. CR0 is
  // written whole: after INIT its caches are off (Intel SDM vol. 3A, table 9-1).
  movl kernel_starting_cpu, %eax
  movl %eax, %cr3
  movl kernel_boot_cr4, %eax  // As many levels of tables as the first CPU has.
  movl %eax, %cr4
  movl $MSR_EXTENDED_FEATURES, %ecx
  movl $(EFER_LONG_MODE | EFER_NO_EXECUTE), %eax
  xorl %edx, %edx
  wrmsr
  movl $CR0_AT_START, %eax
  movl %eax, %cr0
  ljmp $CODE_SELECTOR, $start_cpu_long_mode

  .code64
start_cpu_long_mode:
  movq kernel_starting_cpu + 8, %rsp
  movq kernel_starting_cpu + 16, %rdi
  movl $MSR_GS_BASE, %ecx
  movl %edi, %eax
  movq %rdi, %rdx
  shrq $32, %rdx
  wrmsr
  xorl %ebp, %ebp  // The outermost frame.
  call kernel_load_cpu_tables  // Of the block in RDI.
  fninit  // The x87 unit: Swift's dictionaries compute their load in floating point.
  call Kernel_cpu_main
  ud2

#endif

  .section .note.GNU-stack, "", @progbits
