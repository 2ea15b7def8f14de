// The four functions that compilers call without being asked to: 16 bytes at a time, then words, then the bytes that
// are left. Translation is on, and memory is Normal: unaligned accesses go through.
#if defined(__aarch64__)

  .section .text.memcpy, "ax", @progbits
  .globl memcpy
memcpy:
  mov x3, x0
1:
  subs x2, x2, #16
  b.lo 2f
  ldp x4, x5, [x1], #16
  stp x4, x5, [x3], #16
  b 1b
2:
  tbz x2, #3, 3f        // The lowest four bits are those of the bytes that are left.
  ldr x4, [x1], #8
  str x4, [x3], #8
3:
  ands x2, x2, #7
  b.eq 5f
4:
  ldrb w4, [x1], #1
  strb w4, [x3], #1
  subs x2, x2, #1
  b.ne 4b
5:
  ret

  .section .text.memset, "ax", @progbits
  .globl memset
memset:
  mov x3, x0
  and x1, x1, #0xff
  orr x1, x1, x1, lsl #8
  orr x1, x1, x1, lsl #16
  orr x1, x1, x1, lsl #32
1:
  subs x2, x2, #64
  b.lo 2f
  stp x1, x1, [x3]
  stp x1, x1, [x3, #16]
  stp x1, x1, [x3, #32]
  stp x1, x1, [x3, #48]
  add x3, x3, #64
  b 1b
2:
  and x2, x2, #63
3:
  subs x2, x2, #8
  b.lo 4f
  str x1, [x3], #8
  b 3b
4:
  ands x2, x2, #7
  b.eq 6f
5:
  strb w1, [x3], #1
  subs x2, x2, #1
  b.ne 5b
6:
  ret

// Backwards where the destination begins inside the source.
  .section .text.memmove, "ax", @progbits
  .globl memmove
memmove:
  sub x3, x0, x1
  cmp x3, x2
  b.hs memcpy
  cbz x2, 2f
1:
  sub x2, x2, #1
  ldrb w4, [x1, x2]
  strb w4, [x0, x2]
  cbnz x2, 1b
2:
  ret

  .section .text.memcmp, "ax", @progbits
  .globl memcmp
memcmp:
  cbz x2, 2f
1:
  ldrb w3, [x0], #1
  ldrb w4, [x1], #1
  subs w3, w3, w4
  b.ne 3f
  subs x2, x2, #1
  b.ne 1b
2:
  mov w0, wzr
  ret
3:
  mov w0, w3
  ret

#endif

  .section .note.GNU-stack, "", %progbits
