// The one function of a mathematics library that Swift's dictionaries call, for their load. Without SSE the
// compiler passes a Double on the stack, and takes one back in ST(0).
#if defined(__x86_64__)

  .section .text.ceil, "ax", @progbits
  .globl ceil
ceil:
  subq $8, %rsp
  fldl 16(%rsp)
  fnstcw 4(%rsp)
  movzwl 4(%rsp), %eax
  andl $0xf3ff, %eax  // Bits 11 and 10 choose the rounding: 10 is up (Intel SDM vol. 1, 8.1.5.3).
  orl $0x0800, %eax
  movw %ax, (%rsp)
  fldcw (%rsp)
  frndint
  fldcw 4(%rsp)
  addq $8, %rsp
  ret

// For the test that an interrupt leaves the x87 unit as it was: 1 + 2 + ... + 7 from seven registers at once,
// again and again until the flag at RDI is set. AL says whether the sum was always 28.
  .section .text.kernel_floating_loop, "ax", @progbits
  .globl kernel_floating_loop
kernel_floating_loop:
  fninit
  subq $8, %rsp
1:
  fld1
  movl $6, %ecx
2:
  fld %st(0)
  fld1
  faddp
  decl %ecx
  jnz 2b
  pause
  movl $6, %ecx
3:
  faddp
  decl %ecx
  jnz 3b
  fistpl (%rsp)
  cmpl $28, (%rsp)
  jne 4f
  cmpq $0, (%rdi)
  je 1b
4:
  cmpl $28, (%rsp)
  sete %al
  addq $8, %rsp
  ret

  .section .text.kernel_floating_disturb, "ax", @progbits
  .globl kernel_floating_disturb
kernel_floating_disturb:
  fninit
  movl $8, %ecx
1:
  fldz
  decl %ecx
  jnz 1b
  ret

#endif

  .section .note.GNU-stack, "", @progbits
