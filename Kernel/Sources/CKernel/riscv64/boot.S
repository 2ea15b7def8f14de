// From the firmware to Swift, for the first hart and for the others.
//
// OpenSBI, which QEMU has built in, loads nothing itself: QEMU puts the image where it is linked, 2 MiB above the
// beginning of RAM, and OpenSBI enters there in supervisor mode with translation off, interrupts off, A0 the number of
// the hart, which may be any, and A1 the physical address of the device tree. With translation off memory is what the
// platform says that it is, RAM cached and atomic, so that Swift may run before there are tables.
//
// The stack pointer is the usual stack's; sscratch has the end of the stack of faults (trap.S).
//
// Another hart may come here, too, when it is to begin at kernel_start_cpu: OpenSBI 1.1 says that a hart is to start
// before it says where (sbi_hsm.c), and one that is not asleep yet then begins where the first one did, about once in
// seventy boots with four harts. One is started at a time, so it is known which one it is.
#if defined(__riscv)

  .option norvc

  .section .text.boot, "ax", @progbits
  .globl image_entry
image_entry:
  csrw sie, zero
  csrci sstatus, 2
  la t0, image_is_entered
  li t1, 1
  amoswap.w.aqrl t1, t1, (t0)
  bnez t1, 4f
  mv s0, a0
  mv s1, a1
  la t0, bss_start
  la t1, bss_end
1:
  sd zero, 0(t0)
  addi t0, t0, 8
  bltu t0, t1, 1b

  la sp, stack_end
  la t0, exception_stack_end
  csrw sscratch, t0
  la t0, kernel_trap
  csrw stvec, t0
  la tp, kernel_first_cpu
  mv a0, s0
  call kernel_prepare_first_cpu
  mv a0, s1
  li s0, 0              // The outermost frame.
  li ra, 0
  call Kernel_main
2:
  wfi
  j 2b
4:
  la a1, kernel_starting
  j kernel_start_cpu

  // Not among what is cleared above.
  .section .data
  .balign 4
image_is_entered:
  .word 0
  .section .text.boot, "ax", @progbits

// Where hart_start has a hart begin: A0 its number, A1 the physical address of a struct kernel_starting_cpu. The kernel's
// tables map the image at its physical address, too.
  .globl kernel_start_cpu
kernel_start_cpu:
  csrw sie, zero
  csrci sstatus, 2
  ld t0, 0(a1)
  ld t1, 8(a1)
  ld t2, 16(a1)
  ld t3, 24(a1)
  la t4, kernel_trap
  csrw stvec, t4
  csrw sscratch, t2
  sfence.vma
  csrw satp, t0
  sfence.vma
  mv sp, t1
  mv tp, t3
  li s0, 0
  li ra, 0
  call Kernel_cpu_main
3:
  wfi
  j 3b

#endif

  .section .note.GNU-stack, "", %progbits
