// Where every exception and interrupt of supervisor mode comes (Privileged Architecture, 12.1.2). The hardware switches
// no stack. sscratch has the end of this hart's stack of faults while it runs, so that the first instruction is on a stack
// that holds, whatever the usual one has come to; a fault in a fault's handler finds its place further down on it.
//
// An interrupt is no fault: its handler goes on on the usual stack, like any call. Should its first store overflow that,
// sscratch has the other stack again, and the fault is one of the usual kind.
//
// All general registers are saved. The FP registers are not: this kernel is compiled without them, and the functions
// of floating.S leave them as they were.
#if defined(__riscv)

#define FRAME_PC 0
#define FRAME_STATUS 256
#define FRAME_CAUSE 264
#define FRAME_ADDRESS 272
#define FRAME_BYTES 288
#define AT(number) (8 * number)

  .option norvc

// All but ra, sp, t0 and t1, into the frame at sp.
  .macro save_others
  sd gp, AT(3)(sp)
  sd tp, AT(4)(sp)
  .irp number, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
  sd x\number, AT(\number)(sp)
  .endr
  csrr t0, sepc
  csrr t1, sstatus
  sd t0, FRAME_PC(sp)
  sd t1, FRAME_STATUS(sp)
  .endm

  .section .text.trap, "ax", @progbits
  .balign 4
  .globl kernel_trap
kernel_trap:
  csrrw sp, sscratch, sp
  addi sp, sp, -FRAME_BYTES
  sd t0, AT(5)(sp)
  sd t1, AT(6)(sp)
  csrr t0, scause
  bltz t0, interrupt

  sd ra, AT(1)(sp)
  sd t0, FRAME_CAUSE(sp)
  csrrw t0, sscratch, sp
  sd t0, AT(2)(sp)
  csrr t0, stval
  sd t0, FRAME_ADDRESS(sp)
  save_others
  mv a0, sp
  call kernel_exception
  addi t0, sp, FRAME_BYTES
  csrw sscratch, t0
  j restore

interrupt:
  addi t1, sp, FRAME_BYTES
  csrrw t0, sscratch, t1
  // T0 is the usual stack's pointer, SP that of faults, where T0 and T1 of the interrupted code are.
  addi t0, t0, -FRAME_BYTES
  sd ra, AT(1)(t0)
  addi ra, t0, FRAME_BYTES
  sd ra, AT(2)(t0)
  ld t1, AT(5)(sp)
  sd t1, AT(5)(t0)
  ld t1, AT(6)(sp)
  sd t1, AT(6)(t0)
  mv sp, t0
  csrr t0, scause
  sd t0, FRAME_CAUSE(sp)
  save_others
  mv a0, sp
  call kernel_interrupt

restore:
  ld t0, FRAME_PC(sp)
  ld t1, FRAME_STATUS(sp)
  csrw sepc, t0
  csrw sstatus, t1
  ld ra, AT(1)(sp)
  ld gp, AT(3)(sp)
  .irp number, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
  ld x\number, AT(\number)(sp)
  .endr
  ld sp, AT(2)(sp)
  sret

#endif

  .section .note.GNU-stack, "", %progbits
