// From the loader to Swift, for the first CPU and for the others.
//
// A loader of Linux images for arm64 (QEMU's -kernel, U-Boot, EDK II) finds the header below at the beginning of the
// file, puts all of it at a multiple of 2 MiB, and enters at its first instruction: translation off, interrupts masked,
// X0 the physical address of the device tree, at EL1 or at EL2 (Linux, Documentation/arch/arm64/booting.rst). The image
// is linked for the place at which QEMU's virt machine has it. This file
//
//  1. drops from EL2 to EL1;
//  2. builds temporary tables that map the first 4 GiB to themselves with leaves of 1 GiB: the first as a device's,
//     the others as memory; that is all that the virt machine has there;
//  3. switches translation and caches on: with them off all memory is a device's, where exclusive and unaligned accesses
//     may fault (B2.7);
//  4. clears .bss, sets both stacks, the per-CPU block and the vectors, and calls Swift.
//
// SP_EL0 is the usual stack, SP_EL1 that of faults: an exception switches to it by itself, whatever the usual one has
// come to (vectors.S).
#if defined(__aarch64__)

#include "boot.h"

#define HALF_BITS 17  // T0SZ: 47 bits of an address (AArch64Format.swift)
#define TABLE_BYTES 4096
#define ENTRY_TABLE 0x3
// A block that EL0 never executes, accessed, inner shareable, attribute 0; the same for a device: attribute 2, and
// EL1 does not execute it either (D8.3).
#define LEAF_OF_MEMORY 0x0040000000000701
#define LEAF_OF_DEVICE 0x0060000000000709
// As in PagingControls.
#define MEMORY_ATTRIBUTES 0xbb040044ff
// T0SZ; walks by inner shareable, write-back memory; the upper half not translated.
#define TCR_AT_START (HALF_BITS | 1 << 8 | 1 << 10 | 3 << 12 | HALF_BITS << 16 | 1 << 23)
#define TCR_UPPER_4K (2 << 30)

  .section .text.boot, "ax", @progbits
  .globl image_header
image_header:
  b 1f
  .long 0
  .quad 0               // where in its 2 MiB the image wants to be
  .quad image_bytes     // with .bss and stacks
  .quad 0x8             // little-endian, pages of any size, anywhere in memory
  .quad 0, 0, 0
  .ascii "ARM\x64"
  .long 0

1:
  mov x20, x0
  bl drop_to_el1
  bl check_granule
  bl make_boot_tables
  adrp x0, boot_root
  ldr x1, =(TCR_AT_START | TCR_UPPER_4K)
  mrs x2, id_aa64mmfr0_el1
  and x2, x2, #0xf
  cmp x2, #5            // 48 bits of a physical address, and no more.
  mov x3, #5
  csel x2, x2, x3, lo
  orr x1, x1, x2, lsl #32
  ldr x2, =MEMORY_ATTRIBUTES
  mov x3, x0
  ldr x4, =(SCTLR_AT_START | SCTLR_CACHES | SCTLR_MMU)
  bl translate

  adrp x0, bss_start
  adrp x1, bss_end
2:
  stp xzr, xzr, [x0], #16
  cmp x0, x1
  b.lo 2b

  adrp x0, stack_end
  adrp x1, exception_stack_end
  bl set_stacks
  adrp x0, kernel_first_cpu
  add x0, x0, :lo12:kernel_first_cpu
  msr tpidr_el1, x0
  bl kernel_prepare_first_cpu
  mov x0, x20
  mov x29, xzr          // The outermost frame.
  mov x30, xzr
  bl Kernel_main
  b .

// Where PSCI's CPU_ON has a CPU begin, with the physical address of a struct kernel_starting_cpu in X0. The kernel's own
// tables map the image at its physical address, too.
  .globl kernel_start_cpu
kernel_start_cpu:
  mov x20, x0
  bl drop_to_el1
  ldp x0, x3, [x20]
  ldp x1, x2, [x20, #16]
  ldp x4, x21, [x20, #32]
  ldp x22, x23, [x20, #48]
  bl translate
  mov x0, x21
  mov x1, x22
  bl set_stacks
  msr tpidr_el1, x23
  mov x29, xzr
  mov x30, xzr
  bl Kernel_cpu_main
  b .

// Translates by the tables below X0 and X3, TCR X1, MAIR X2, SCTLR X4.
translate:
  msr mair_el1, x2
  msr tcr_el1, x1
  msr ttbr0_el1, x0
  msr ttbr1_el1, x3
  dsb ish
  isb
  tlbi vmalle1
  ic iallu
  dsb nsh
  isb
  msr sctlr_el1, x4
  isb
  ret

// The usual stack ends at X0, that of faults at X1. The vectors, and the FP unit on: the functions of floating.S use it.
set_stacks:
  msr spsel, #1
  mov sp, x1
  msr spsel, #0
  mov sp, x0
  adrp x0, kernel_vectors
  add x0, x0, :lo12:kernel_vectors
  msr vbar_el1, x0
  mov x0, #(3 << 20)
  msr cpacr_el1, x0
  isb
  ret

// At EL1 returns at once; from EL2 goes there and returns.
drop_to_el1:
  mrs x0, CurrentEL
  cmp x0, #(2 << 2)
  b.eq 1f
  ldr x0, =SCTLR_AT_START
  msr sctlr_el1, x0
  isb
  ret
1:
  mov x0, #(1 << 31)    // HCR_EL2.RW: EL1 is AArch64.
  msr hcr_el2, x0
  mrs x0, cnthctl_el2   // Counters and timers are EL1's.
  orr x0, x0, #3
  msr cnthctl_el2, x0
  msr cntvoff_el2, xzr
  mrs x0, midr_el1
  msr vpidr_el2, x0
  mrs x0, mpidr_el1
  msr vmpidr_el2, x0
  mov w0, #0x33ff       // Nothing of the FP unit traps.
  msr cptr_el2, x0
  msr hstr_el2, xzr
  mrs x0, pmcr_el0      // All event counters are EL1's.
  ubfx x0, x0, #11, #5
  msr mdcr_el2, x0
  mrs x0, id_aa64pfr0_el1
  ubfx x0, x0, #24, #4  // A GIC with system registers: they are EL1's, too.
  cbz x0, 2f
  mrs x0, s3_4_c12_c9_5 // ICC_SRE_EL2
  mov x1, #9
  orr x0, x0, x1
  msr s3_4_c12_c9_5, x0
  isb
2:
  ldr x0, =SCTLR_AT_START
  msr sctlr_el1, x0
  mov x0, #0x3c5        // EL1 by SP_EL1, all masked.
  msr spsr_el2, x0
  msr elr_el2, x30
  eret

// The temporary tables have pages of 4 KiB (ID_AA64MMFR0_EL1.TGran4). No CPU is known without.
check_granule:
  mrs x0, id_aa64mmfr0_el1
  ubfx x0, x0, #28, #4
  cmp x0, #0xf
  b.eq 1f
  ret
1:
  mov x0, #STATUS_PANIC
  b kernel_exit

// A root, whose first entry names a table of leaves.
make_boot_tables:
  adrp x0, boot_root
  adrp x1, boot_leaves
  add x2, x1, #TABLE_BYTES
  mov x3, x0
1:
  stp xzr, xzr, [x3], #16
  cmp x3, x2
  b.lo 1b
  orr x2, x1, #ENTRY_TABLE
  str x2, [x0]
  ldr x2, =LEAF_OF_DEVICE
  str x2, [x1]
  ldr x2, =LEAF_OF_MEMORY
  mov x3, #(1 << 30)
  mov x4, #1
2:
  add x2, x2, x3
  str x2, [x1, x4, lsl #3]
  add x4, x4, #1
  cmp x4, #4
  b.lo 2b
  // What caches have of them is older: they were written with caches off.
  add x1, x1, #TABLE_BYTES
  mrs x2, ctr_el0
  ubfx x2, x2, #16, #4
  mov x3, #4
  lsl x2, x3, x2
3:
  dc ivac, x0
  add x0, x0, x2
  cmp x0, x1
  b.lo 3b
  dsb sy
  ret

// Ends the emulator with the status X0 by semihosting (Arm, Semihosting for AArch32 and AArch64: SYS_EXIT,
// ADP_Stopped_ApplicationExit). Without it the instruction is undefined; whoever takes that exception stops.
  .globl kernel_exit
kernel_exit:
  msr daifset, #0xf
  adrp x1, exit_block
  add x1, x1, :lo12:exit_block
  mov x2, #0x26
  movk x2, #2, lsl #16
  stp x2, x0, [x1]
  mov x0, #0x18
  hlt #0xf000
1:
  wfi
  b 1b

  .ltorg

  // Behind .bss, which is cleared when these are in use.
  .section .boot_tables, "aw", @nobits
  .balign TABLE_BYTES
boot_root:
  .skip TABLE_BYTES
boot_leaves:
  .skip TABLE_BYTES

  .data
  .balign 16
exit_block:
  .quad 0, 0

#endif

  .section .note.GNU-stack, "", %progbits
