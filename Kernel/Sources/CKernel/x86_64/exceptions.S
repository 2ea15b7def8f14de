// One stub for each of the 256 vectors: the first 32 are raised by the CPU itself (Intel SDM vol. 3A, 6.3.1), the
// others are interrupts. A stub makes all frames alike: it pushes a zero where the CPU pushes no error code,
// then the vector. The common part saves the registers as struct kernel_trap_frame has them and calls
// Swift.
//
// The x87 unit belongs to the code that was interrupted: Swift's dictionaries compute their load in it. FXSAVE
// keeps it, and the SSE registers where CR4.OSFXSR is set (Intel SDM vol. 1, 10.5; every CPU with 64-bit mode has
// the instruction); a handler begins with an empty unit. A kernel whose code uses AVX needs XSAVE in its place.
//
// CR2 is read before anything else can fault and change it.
//
// GS: this kernel has no ring 3, so GS base is the CPU's block at every moment, and no SWAPGS is anywhere. A
// kernel with ring 3 has to exchange GS bases when it comes from there, and only then:
//
//     testb $3, CS_OFFSET(%rsp)    // The CPL of the code that was interrupted, in the pushed CS.
//     jz 1f
//     swapgs                       // The same again before IRETQ, after the same question.
//     lfence                       // Not to be passed by speculation (CVE-2019-1125).
//   1:
//
// That question is not enough for what can come between the entry from ring 3 and its SWAPGS: NMI, machine check,
// double fault and debug exceptions. These have to look at GS base itself (RDMSR of IA32_GS_BASE, or RDGSBASE), take
// it for the user's where it is no kernel address, exchange it then, and remember whether they did. With SMAP
// on, each entry begins with CLAC, too: an interrupt gate leaves RFLAGS.AC as ring 3 had it.
#if defined(__x86_64__)

// A stub's room in the table, so that tables.c finds stub n at exception_stubs + n * STUB_BYTES.
#define STUB_BYTES 16
// Of `vector` in struct kernel_trap_frame: behind 15 registers.
#define VECTOR_OFFSET 120
// The image of FXSAVE (Intel SDM vol. 1, table 10-2).
#define FXSAVE_BYTES 512
#define MXCSR_OFFSET 24
#define MXCSR_AT_RESET 0x1f80

  .text
  .balign STUB_BYTES
  .globl exception_stubs
exception_stubs:
  .set vector, 0
  .rept 256
  .balign STUB_BYTES
  // Vectors with an error code: 8, 10 to 14, 17, 21, 29, 30 (table 6-1).
  .if vector >= 32
  pushq $0
  .elseif !((1 << vector) & 0x60227d00)
  pushq $0
  .endif
  pushq $vector
  jmp exception_common
  .set vector, vector + 1
  .endr

exception_common:
  pushq %rax
  pushq %rbx
  pushq %rcx
  pushq %rdx
  pushq %rsi
  pushq %rdi
  pushq %rbp
  pushq %r8
  pushq %r9
  pushq %r10
  pushq %r11
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  cld
  movq %cr2, %rsi
  // The CPU aligned the stack to 16 bytes before it pushed; 22 words later it is aligned again.
  movq %rsp, %rdi
  subq $FXSAVE_BYTES, %rsp
  // With CR4.OSFXSR clear FXSAVE may pass this field over, and FXRSTOR refuses one with reserved bits.
  movl $MXCSR_AT_RESET, MXCSR_OFFSET(%rsp)
  fxsave64 (%rsp)
  fninit
  cmpl $32, VECTOR_OFFSET(%rdi)
  jae 1f
  call kernel_exception
  jmp 2f
1:
  call kernel_interrupt
2:
  fxrstor64 (%rsp)
  addq $FXSAVE_BYTES, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %r11
  popq %r10
  popq %r9
  popq %r8
  popq %rbp
  popq %rdi
  popq %rsi
  popq %rdx
  popq %rcx
  popq %rbx
  popq %rax
  addq $16, %rsp
  iretq

#endif

  .section .note.GNU-stack, "", @progbits
