// The functions of a mathematics library that Swift's dictionaries call, for their load. The kernel is compiled without
// FP registers, so that interrupts are short; numbers come and go in general registers. These functions compute
// in the FP unit, which firmware has left on, and leave its registers as they were: an interrupt's handler that comes
// in between does, too.
#if defined(__riscv)

  .option norvc
  .option arch, +d

  .macro begin name
  .section .text.\name, "ax", @progbits
  .globl \name
\name:
  addi sp, sp, -16
  fsd fa0, 0(sp)
  fsd fa1, 8(sp)
  fmv.d.x fa0, a0
  .endm

  .macro done
  fld fa0, 0(sp)
  fld fa1, 8(sp)
  addi sp, sp, 16
  ret
  .endm

  .macro binary name, instruction
  begin \name
  fmv.d.x fa1, a1
  \instruction fa0, fa0, fa1
  fmv.x.d a0, fa0
  done
  .endm

  binary __adddf3, fadd.d
  binary __subdf3, fsub.d
  binary __muldf3, fmul.d
  binary __divdf3, fdiv.d

// What libgcc's comparisons promise: their result compares with zero as the numbers do, and is on the other side where
// one of them is none. Each comparison here is 0 where one is none.
  .macro begin_comparison name
  begin \name
  fmv.d.x fa1, a1
  .endm

  begin_comparison __eqdf2      // 0 where equal
  feq.d a0, fa0, fa1
  xori a0, a0, 1
  done

  begin_comparison __nedf2
  feq.d a0, fa0, fa1
  xori a0, a0, 1
  done

  begin_comparison __ltdf2      // -1 where less
  flt.d a0, fa0, fa1
  neg a0, a0
  done

  begin_comparison __ledf2      // 0 where less or equal, else 1
  fle.d a0, fa0, fa1
  xori a0, a0, 1
  done

  begin_comparison __gtdf2      // 1 where greater
  flt.d a0, fa1, fa0
  done

  begin_comparison __gedf2      // 0 where greater or equal, else -1
  fle.d a0, fa1, fa0
  addi a0, a0, -1
  done

  begin_comparison __unorddf2   // 1 where one is none
  feq.d a0, fa0, fa0
  feq.d a1, fa1, fa1
  and a0, a0, a1
  xori a0, a0, 1
  done

  begin __floatdidf
  fcvt.d.l fa0, a0
  fmv.x.d a0, fa0
  done

  begin __floatundidf
  fcvt.d.lu fa0, a0
  fmv.x.d a0, fa0
  done

  begin __fixdfdi
  fcvt.l.d a0, fa0, rtz
  done

  begin __fixunsdfdi
  fcvt.lu.d a0, fa0, rtz
  done

// What is as large as 2^52, or is none, is its own ceiling. The sign is kept, as of -0.5.
  begin ceil
  li a1, 0x4330000000000000
  fmv.d.x fa1, a1
  slli a1, a0, 1
  srli a1, a1, 1
  li a2, 0x4330000000000000
  bgeu a1, a2, 1f
  fcvt.l.d a1, fa0, rup
  fcvt.d.l fa1, a1
  fsgnj.d fa0, fa1, fa0
1:
  fmv.x.d a0, fa0
  done

// For the test that an interrupt leaves the unit as it was: (((n + 1) * 3) / 3) - 1, again and again until the flag at A0
// is set. A0 says whether each was always n.
  .section .text.kernel_floating_loop, "ax", @progbits
  .globl kernel_floating_loop
kernel_floating_loop:
  li a1, 1
  fcvt.d.l ft6, a1
  li a1, 3
  fcvt.d.l ft7, a1
  li a1, 2
  fcvt.d.l ft0, a1
  li a1, 4
  fcvt.d.l ft1, a1
1:
  fadd.d fa0, ft0, ft6
  fadd.d fa1, ft1, ft6
  fmul.d fa0, fa0, ft7
  fmul.d fa1, fa1, ft7
  fdiv.d fa0, fa0, ft7
  fdiv.d fa1, fa1, ft7
  fsub.d fa0, fa0, ft6
  fsub.d fa1, fa1, ft6
  feq.d a1, fa0, ft0
  feq.d a2, fa1, ft1
  and a1, a1, a2
  beqz a1, 2f
  ld a1, 0(a0)
  beqz a1, 1b
  li a0, 1
  ret
2:
  li a0, 0
  ret

// A handler's part: it computes with the functions above, and other numbers.
  .section .text.kernel_floating_disturb, "ax", @progbits
  .globl kernel_floating_disturb
kernel_floating_disturb:
  addi sp, sp, -16
  sd ra, 8(sp)
  li a0, 77
  call __floatundidf
  mv a1, a0
  call __muldf3
  call ceil
  ld ra, 8(sp)
  addi sp, sp, 16
  ret

#endif

  .section .note.GNU-stack, "", %progbits
