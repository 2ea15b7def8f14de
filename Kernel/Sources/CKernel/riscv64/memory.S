// The four functions that compilers call without being asked to: words where both places are at a multiple of eight, as
// almost all are, then bytes.
#if defined(__riscv)

  .option norvc

  .section .text.memcpy, "ax", @progbits
  .globl memcpy
memcpy:
  mv a3, a0
  or a4, a0, a1
  andi a4, a4, 7
  bnez a4, 3f
1:
  sltiu a4, a2, 8
  bnez a4, 3f
  ld a4, 0(a1)
  sd a4, 0(a3)
  addi a1, a1, 8
  addi a3, a3, 8
  addi a2, a2, -8
  j 1b
3:
  beqz a2, 5f
4:
  lbu a4, 0(a1)
  sb a4, 0(a3)
  addi a1, a1, 1
  addi a3, a3, 1
  addi a2, a2, -1
  bnez a2, 4b
5:
  ret

  .section .text.memset, "ax", @progbits
  .globl memset
memset:
  mv a3, a0
  andi a1, a1, 0xff
  andi a4, a0, 7
  bnez a4, 3f
  slli a4, a1, 8
  or a1, a1, a4
  slli a4, a1, 16
  or a1, a1, a4
  slli a4, a1, 32
  or a1, a1, a4
1:
  sltiu a4, a2, 64
  bnez a4, 2f
  .irp offset, 0, 8, 16, 24, 32, 40, 48, 56
  sd a1, \offset(a3)
  .endr
  addi a3, a3, 64
  addi a2, a2, -64
  j 1b
2:
  sltiu a4, a2, 8
  bnez a4, 3f
  sd a1, 0(a3)
  addi a3, a3, 8
  addi a2, a2, -8
  j 2b
3:
  beqz a2, 5f
4:
  sb a1, 0(a3)
  addi a3, a3, 1
  addi a2, a2, -1
  bnez a2, 4b
5:
  ret

// Backwards where the destination begins inside the source.
  .section .text.memmove, "ax", @progbits
  .globl memmove
memmove:
  sub a3, a0, a1
  bgeu a3, a2, memcpy
  beqz a2, 2f
1:
  addi a2, a2, -1
  add a3, a1, a2
  lbu a4, 0(a3)
  add a3, a0, a2
  sb a4, 0(a3)
  bnez a2, 1b
2:
  ret

  .section .text.memcmp, "ax", @progbits
  .globl memcmp
memcmp:
  beqz a2, 2f
1:
  lbu a3, 0(a0)
  lbu a4, 0(a1)
  bne a3, a4, 3f
  addi a0, a0, 1
  addi a1, a1, 1
  addi a2, a2, -1
  bnez a2, 1b
2:
  li a0, 0
  ret
3:
  sub a0, a3, a4
  ret

#endif

  .section .note.GNU-stack, "", %progbits
