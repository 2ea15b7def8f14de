// One stub for each of the 256 vectors: the first 32 are raised by the CPU itself (Intel SDM vol. 3A, 6.3.1), the
// others are interrupts. A stub makes all frames alike: it pushes a zero where the CPU pushes no error code,
// then the vector. The common part saves the registers as struct kernel_trap_frame has them and calls
// Swift. The SSE unit is off, so there are no others.
#if defined(__x86_64__)

// A stub's room in the table, so that tables.c finds stub n at exception_stubs + n * STUB_BYTES.
#define STUB_BYTES 16
// Of `vector` in struct kernel_trap_frame: behind 15 registers.
#define VECTOR_OFFSET 120

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
  // The CPU aligned the stack to 16 bytes before it pushed; 22 words later it is aligned again.
  movq %rsp, %rdi
  cmpl $32, VECTOR_OFFSET(%rdi)
  jae 1f
  call kernel_exception
  jmp 2f
1:
  call kernel_interrupt
2:
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
