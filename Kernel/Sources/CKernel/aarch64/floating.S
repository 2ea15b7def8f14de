// The functions of a mathematics library that Swift's dictionaries call, for their load. The kernel is compiled without
// FP registers, so that interrupts are short; numbers come and go in general registers. These functions compute
// in the FP unit, and leave its registers as they were: an interrupt's handler that comes in between does, too.
#if defined(__aarch64__)

  .arch armv8-a+fp

  .macro begin name
  .section .text.\name, "ax", @progbits
  .globl \name
\name:
  stp d0, d1, [sp, #-16]!
  fmov d0, x0
  .endm

  .macro done
  ldp d0, d1, [sp], #16
  ret
  .endm

  .macro binary name, instruction
  begin \name
  fmov d1, x1
  \instruction d0, d0, d1
  fmov x0, d0
  done
  .endm

// What libgcc's comparisons promise: their result compares with zero as the numbers do, and is on the other side where
// one of them is none.
  .macro comparison name, truth, otherwise, condition
  begin \name
  fmov d1, x1
  fcmp d0, d1
  mov w0, #\truth
  mov w1, #\otherwise
  csel w0, w0, w1, \condition
  done
  .endm

  binary __adddf3, fadd
  binary __subdf3, fsub
  binary __muldf3, fmul
  binary __divdf3, fdiv
  comparison __eqdf2, 0, 1, eq
  comparison __nedf2, 0, 1, eq
  comparison __ltdf2, -1, 0, mi
  comparison __ledf2, 0, 1, ls
  comparison __gtdf2, 1, 0, gt
  comparison __gedf2, 0, -1, ge
  comparison __unorddf2, 1, 0, vs

  begin __floatdidf
  scvtf d0, x0
  fmov x0, d0
  done

  begin __floatundidf
  ucvtf d0, x0
  fmov x0, d0
  done

  begin __fixdfdi
  fcvtzs x0, d0
  done

  begin __fixunsdfdi
  fcvtzu x0, d0
  done

  begin ceil
  frintp d0, d0
  fmov x0, d0
  done

// For the test that an interrupt leaves the unit as it was: (((n + 1) * 3) / 3) - 1 in eight registers, again and again
// until the flag at X0 is set. W0 says whether each was always n.
  .section .text.kernel_floating_loop, "ax", @progbits
  .globl kernel_floating_loop
kernel_floating_loop:
  fmov d6, #1.0
  fmov d7, #3.0
1:
  fmov d0, #2.0
  fmov d1, #4.0
  fadd d2, d0, d6
  fadd d3, d1, d6
  yield
  fmul d2, d2, d7
  fmul d3, d3, d7
  fdiv d2, d2, d7
  fdiv d3, d3, d7
  fsub d2, d2, d6
  fsub d3, d3, d6
  fcmp d2, d0
  b.ne 2f
  fcmp d3, d1
  b.ne 2f
  ldr x1, [x0]
  cbz x1, 1b
  mov w0, #1
  ret
2:
  mov w0, wzr
  ret

// A handler's part: it computes with the functions above, and other numbers.
  .section .text.kernel_floating_disturb, "ax", @progbits
  .globl kernel_floating_disturb
kernel_floating_disturb:
  stp x29, x30, [sp, #-16]!
  mov x0, #77
  bl __floatundidf
  mov x1, x0
  bl __muldf3
  bl ceil
  ldp x29, x30, [sp], #16
  ret

#endif

  .section .note.GNU-stack, "", %progbits
