// The instructions that neither Swift nor C can express, one always-inline function each, so that a Swift caller
// contains the instruction itself: here x86-64's, of which all but CPUID and PAUSE fault outside ring 0 (Intel SDM
// vol. 2, each instruction's page). Nothing here allocates, waits or keeps state.
#ifndef SWIFT_VMALLOC_CBAREMETAL_H
#define SWIFT_VMALLOC_CBAREMETAL_H

#define CBAREMETAL_INLINE static inline __attribute__((always_inline))

#if defined(__x86_64__)

/// The operand of LGDT and LIDT (Intel SDM vol. 3A, 2.4.1 and figure 2-6).
struct x86_descriptor_table {
  unsigned short limit;
  unsigned long base;
} __attribute__((packed));

/// What CPUID leaves in its four registers.
struct x86_cpuid_result {
  unsigned int eax, ebx, ecx, edx;
};

// The TLB and the control registers. Each write is a barrier for the compiler: it changes what
// loads and stores after it mean.

CBAREMETAL_INLINE void x86_invlpg(unsigned long address) {
  __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}
CBAREMETAL_INLINE unsigned long x86_read_cr0(void) {
  unsigned long value;
  __asm__ volatile("movq %%cr0, %0" : "=r"(value) : : "memory");
  return value;
}
CBAREMETAL_INLINE void x86_write_cr0(unsigned long value) {
  __asm__ volatile("movq %0, %%cr0" : : "r"(value) : "memory");
}
CBAREMETAL_INLINE unsigned long x86_read_cr2(void) {
  unsigned long value;
  __asm__ volatile("movq %%cr2, %0" : "=r"(value) : : "memory");
  return value;
}
CBAREMETAL_INLINE unsigned long x86_read_cr3(void) {
  unsigned long value;
  __asm__ volatile("movq %%cr3, %0" : "=r"(value) : : "memory");
  return value;
}
CBAREMETAL_INLINE void x86_write_cr3(unsigned long value) {
  __asm__ volatile("movq %0, %%cr3" : : "r"(value) : "memory");
}
CBAREMETAL_INLINE unsigned long x86_read_cr4(void) {
  unsigned long value;
  __asm__ volatile("movq %%cr4, %0" : "=r"(value) : : "memory");
  return value;
}
CBAREMETAL_INLINE void x86_write_cr4(unsigned long value) {
  __asm__ volatile("movq %0, %%cr4" : : "r"(value) : "memory");
}

CBAREMETAL_INLINE unsigned long x86_read_msr(unsigned int number) {
  unsigned int low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number) : "memory");
  return (unsigned long)high << 32 | low;
}
CBAREMETAL_INLINE void x86_write_msr(unsigned int number, unsigned long value) {
  __asm__ volatile("wrmsr"
                   : : "c"(number), "a"((unsigned int)value), "d"((unsigned int)(value >> 32))
                   : "memory");
}
CBAREMETAL_INLINE struct x86_cpuid_result x86_cpuid(unsigned int leaf, unsigned int subleaf) {
  struct x86_cpuid_result result;
  __asm__ volatile("cpuid"
                   : "=a"(result.eax), "=b"(result.ebx), "=c"(result.ecx), "=d"(result.edx)
                   : "a"(leaf), "c"(subleaf));
  return result;
}

// The caches. CLFLUSH writes back and drops a line in the caches of all CPUs (Intel SDM vol. 2A, CLFLUSH).

CBAREMETAL_INLINE void x86_clflush(unsigned long address) {
  __asm__ volatile("clflush (%0)" : : "r"(address) : "memory");
}
CBAREMETAL_INLINE void x86_mfence(void) { __asm__ volatile("mfence" : : : "memory"); }
CBAREMETAL_INLINE void x86_wbinvd(void) { __asm__ volatile("wbinvd" : : : "memory"); }

// Descriptor tables.

CBAREMETAL_INLINE void x86_load_gdt(const struct x86_descriptor_table *table) {
  __asm__ volatile("lgdt %0" : : "m"(*table) : "memory");
}
CBAREMETAL_INLINE void x86_load_idt(const struct x86_descriptor_table *table) {
  __asm__ volatile("lidt %0" : : "m"(*table) : "memory");
}
CBAREMETAL_INLINE void x86_load_task_register(unsigned short selector) {
  __asm__ volatile("ltr %0" : : "r"(selector) : "memory");
}

// Ports.

CBAREMETAL_INLINE void x86_out8(unsigned short port, unsigned char value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
CBAREMETAL_INLINE unsigned char x86_in8(unsigned short port) {
  unsigned char value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
  return value;
}

// Registers of devices, mapped uncached. One access each, as wide as it says.

CBAREMETAL_INLINE void x86_mmio_write32(unsigned long address, unsigned int value) {
  __asm__ volatile("movl %0, (%1)" : : "r"(value), "r"(address) : "memory");
}
CBAREMETAL_INLINE unsigned int x86_mmio_read32(unsigned long address) {
  unsigned int value;
  __asm__ volatile("movl (%1), %0" : "=r"(value) : "r"(address) : "memory");
  return value;
}

// Time. LFENCE: no earlier instruction is still to be executed when the counter is read, and no later one has begun
// (Intel SDM vol. 2B, RDTSC).

CBAREMETAL_INLINE unsigned long x86_read_timestamp(void) {
  unsigned long low, high;
  __asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
  return high << 32 | low;
}

// Interrupts and waiting.

CBAREMETAL_INLINE void x86_enable_interrupts(void) { __asm__ volatile("sti" : : : "memory"); }
CBAREMETAL_INLINE void x86_disable_interrupts(void) { __asm__ volatile("cli" : : : "memory"); }
CBAREMETAL_INLINE void x86_halt(void) { __asm__ volatile("hlt" : : : "memory"); }
/// Lets interrupts in and waits for one: STI takes effect behind the instruction after it, so none
/// can come between the two and be slept through.
CBAREMETAL_INLINE void x86_enable_interrupts_and_halt(void) {
  __asm__ volatile("sti\n\thlt" : : : "memory");
}
CBAREMETAL_INLINE void x86_pause(void) { __asm__ volatile("pause" : : : "memory"); }

#endif

#include "aarch64.h"
#include "riscv64.h"

#endif
