// The RISC-V instructions that neither Swift nor C can express, one always-inline function each (The RISC-V Instruction
// Set Manual, vol. II: Privileged Architecture, 2.2 the registers, 12.2.1 SFENCE.VMA), and calls of the firmware
// (RISC-V SBI 2.0). Nothing here allocates or keeps state.
#ifndef SWIFT_VMALLOC_CBAREMETAL_RISCV64_H
#define SWIFT_VMALLOC_CBAREMETAL_RISCV64_H

#if defined(__riscv)

#define RISCV_READ(name)                                                \
  CBAREMETAL_INLINE unsigned long riscv_read_##name(void) {             \
    unsigned long value;                                                \
    __asm__ volatile("csrr %0, " #name : "=r"(value) : : "memory");     \
    return value;                                                       \
  }
// Each write is a barrier for the compiler: it changes what loads and stores after it mean.
#define RISCV_WRITE(name)                                               \
  CBAREMETAL_INLINE void riscv_write_##name(unsigned long value) {      \
    __asm__ volatile("csrw " #name ", %0" : : "r"(value) : "memory");   \
  }
#define RISCV_OPERATION(name, instruction) \
  CBAREMETAL_INLINE void riscv_##name(void) { __asm__ volatile(instruction : : : "memory"); }

// Translation, interrupts, and the pointer to a hart's own data.

RISCV_READ(satp)
RISCV_WRITE(satp)
RISCV_READ(sstatus)
RISCV_READ(scounteren)
RISCV_OPERATION(enable_interrupts, "csrsi sstatus, 2")
RISCV_OPERATION(disable_interrupts, "csrci sstatus, 2")
RISCV_OPERATION(wfi, "wfi")
RISCV_OPERATION(pause, ".insn i 0x0f, 0, x0, x0, 0x010")
CBAREMETAL_INLINE unsigned long riscv_read_thread_pointer(void) {
  unsigned long value;
  __asm__ volatile("mv %0, tp" : "=r"(value));
  return value;
}
CBAREMETAL_INLINE void riscv_write_thread_pointer(unsigned long value) {
  __asm__ volatile("mv tp, %0" : : "r"(value) : "memory");
}

/// Ends this hart's turn where one thread runs all harts: a WFI that goes on at once, since the timer is due (stimecmp,
/// of Sstc). No interrupt is taken in between, and the timer is then as it was.
static inline void riscv_end_turn(void) {
  unsigned long status, timer, enabled;
  __asm__ volatile(
      "csrrci %[status], sstatus, 2\n\t"
      "csrrw %[timer], 0x14d, zero\n\t"
      "csrrs %[enabled], sie, %[bit]\n\t"
      "wfi\n\t"
      "csrw 0x14d, %[timer]\n\t"
      "csrw sie, %[enabled]\n\t"
      "andi %[status], %[status], 2\n\t"
      "csrs sstatus, %[status]"
      : [status] "=&r"(status), [timer] "=&r"(timer), [enabled] "=&r"(enabled)
      : [bit] "r"(1L << 5)
      : "memory");
}

// This hart's TLB and walk caches, all of them, or leaves for an address; and fences.

RISCV_OPERATION(sfence_vma, "sfence.vma")
CBAREMETAL_INLINE void riscv_sfence_vma_at(unsigned long address) {
  __asm__ volatile("sfence.vma %0" : : "r"(address) : "memory");
}
RISCV_OPERATION(fence, "fence rw, rw")
RISCV_OPERATION(fence_i, "fence.i")

// Bits of sie and sip: software (1), timer (5), external (9) interrupts of supervisor mode.

CBAREMETAL_INLINE void riscv_set_sie(unsigned long bits) {
  __asm__ volatile("csrs sie, %0" : : "r"(bits) : "memory");
}
CBAREMETAL_INLINE void riscv_clear_sie(unsigned long bits) {
  __asm__ volatile("csrc sie, %0" : : "r"(bits) : "memory");
}
CBAREMETAL_INLINE void riscv_clear_sip(unsigned long bits) {
  __asm__ volatile("csrc sip, %0" : : "r"(bits) : "memory");
}

// Time, and what this hart has executed.

CBAREMETAL_INLINE unsigned long riscv_read_time(void) {
  unsigned long value;
  __asm__ volatile("rdtime %0" : "=r"(value) : : "memory");
  return value;
}
CBAREMETAL_INLINE unsigned long riscv_read_instructions(void) {
  unsigned long value;
  __asm__ volatile("rdinstret %0" : "=r"(value) : : "memory");
  return value;
}

/// What a call of the firmware returns: zero, or a negative error, and a value.
struct riscv_sbi_result {
  long error;
  unsigned long value;
};

/// Calls a function of an extension of the firmware's (SBI, chapter 3).
CBAREMETAL_INLINE struct riscv_sbi_result riscv_call_sbi(unsigned long extension, unsigned long function,
                                                         unsigned long first, unsigned long second,
                                                         unsigned long third) {
  register unsigned long a0 __asm__("a0") = first;
  register unsigned long a1 __asm__("a1") = second;
  register unsigned long a2 __asm__("a2") = third;
  register unsigned long a6 __asm__("a6") = function;
  register unsigned long a7 __asm__("a7") = extension;
  __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
  return (struct riscv_sbi_result){(long)a0, a1};
}

// Registers of devices. One access each, as wide as it says, ordered with all others of devices.

CBAREMETAL_INLINE void riscv_mmio_write32(unsigned long address, unsigned int value) {
  __asm__ volatile("fence w, o\n\tsw %0, 0(%1)" : : "r"(value), "r"(address) : "memory");
}
CBAREMETAL_INLINE void riscv_mmio_write8(unsigned long address, unsigned char value) {
  __asm__ volatile("sb %0, 0(%1)" : : "r"((unsigned int)value), "r"(address) : "memory");
}
CBAREMETAL_INLINE unsigned char riscv_mmio_read8(unsigned long address) {
  unsigned int value;
  __asm__ volatile("lbu %0, 0(%1)" : "=r"(value) : "r"(address) : "memory");
  return (unsigned char)value;
}

#endif

#endif
