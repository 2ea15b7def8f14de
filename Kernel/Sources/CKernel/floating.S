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

#endif

  .section .note.GNU-stack, "", @progbits
