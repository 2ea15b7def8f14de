// The AArch64 instructions that neither Swift nor C can express, one always-inline function each (Arm ARM DDI 0487:
// C5 system instructions, D19 system registers). Nothing here allocates or keeps state.
#ifndef SWIFT_VMALLOC_CBAREMETAL_AARCH64_H
#define SWIFT_VMALLOC_CBAREMETAL_AARCH64_H

#if defined(__aarch64__)

#define ARM64_READ(name)                                                \
  CBAREMETAL_INLINE unsigned long arm64_read_##name(void) {             \
    unsigned long value;                                                \
    __asm__ volatile("mrs %0, " #name : "=r"(value) : : "memory");      \
    return value;                                                       \
  }
// Each write is a barrier for the compiler: it changes what loads and stores after it mean.
#define ARM64_WRITE(name)                                               \
  CBAREMETAL_INLINE void arm64_write_##name(unsigned long value) {      \
    __asm__ volatile("msr " #name ", %0" : : "r"(value) : "memory");    \
  }
#define ARM64_OPERATION(name, instruction) \
  CBAREMETAL_INLINE void arm64_##name(void) { __asm__ volatile(instruction : : : "memory"); }
#define ARM64_OPERATION_AT(name, instruction)                           \
  CBAREMETAL_INLINE void arm64_##name(unsigned long operand) {          \
    __asm__ volatile(instruction ", %0" : : "r"(operand) : "memory");   \
  }

// What this CPU is and has.

ARM64_READ(id_aa64mmfr0_el1)
ARM64_READ(id_aa64mmfr1_el1)
ARM64_READ(id_aa64pfr0_el1)
ARM64_READ(id_aa64isar0_el1)
ARM64_READ(mpidr_el1)
ARM64_READ(ctr_el0)

// Translation.

ARM64_READ(sctlr_el1)
ARM64_WRITE(sctlr_el1)
ARM64_READ(tcr_el1)
ARM64_READ(mair_el1)
ARM64_READ(ttbr0_el1)
ARM64_WRITE(ttbr0_el1)
ARM64_READ(ttbr1_el1)
ARM64_WRITE(ttbr1_el1)

/// Translates by other registers from here on. Translation is off meanwhile, so that no access finds some of them
/// new and others old: this code runs where it lies in physical memory, and nothing is loaded or stored.
CBAREMETAL_INLINE void arm64_switch_translation(unsigned long mair, unsigned long tcr, unsigned long root,
                                                unsigned long upper_root) {
  unsigned long off, on = arm64_read_sctlr_el1() | 1;
  __asm__ volatile(
      "bic %[off], %[on], #1\n\t"
      "dsb sy\n\t"
      "msr sctlr_el1, %[off]\n\t"
      "isb\n\t"
      "msr mair_el1, %[mair]\n\t"
      "msr tcr_el1, %[tcr]\n\t"
      "msr ttbr0_el1, %[root]\n\t"
      "msr ttbr1_el1, %[upper]\n\t"
      "isb\n\t"
      "tlbi vmalle1\n\t"
      "dsb nsh\n\t"
      "isb\n\t"
      "msr sctlr_el1, %[on]\n\t"
      "isb"
      : [off] "=&r"(off)
      : [on] "r"(on), [mair] "r"(mair), [tcr] "r"(tcr), [root] "r"(root), [upper] "r"(upper_root)
      : "memory");
}

// This CPU's TLB: the leaves of a page in every address space, and walk-cache entries on the way to it; or everything
// (C5.5). The operand of the first is an address over 4 KiB, in 44 bits. With `is` those of all CPUs that share memory.

ARM64_OPERATION_AT(tlbi_vaae1, "tlbi vaae1")
ARM64_OPERATION(tlbi_vmalle1, "tlbi vmalle1")
ARM64_OPERATION_AT(tlbi_vaae1is, "tlbi vaae1is")
ARM64_OPERATION(tlbi_vmalle1is, "tlbi vmalle1is")
// Ranges: RVAAE1 and RVAAE1IS, which an assembler for the base architecture does not know.
ARM64_OPERATION_AT(tlbi_rvaae1, "sys #0, c8, c6, #3")
ARM64_OPERATION_AT(tlbi_rvaae1is, "sys #0, c8, c2, #3")

// Barriers: `ish` for all CPUs that share memory, `nsh` for this one, `sy` for all.

ARM64_OPERATION(dsb_ish, "dsb ish")
ARM64_OPERATION(dsb_ishst, "dsb ishst")
ARM64_OPERATION(dsb_nsh, "dsb nsh")
ARM64_OPERATION(dsb_sy, "dsb sy")
ARM64_OPERATION(isb, "isb")

// The caches, a line at a time: to the point of coherency, or to that of unification for instructions.

ARM64_OPERATION_AT(dc_civac, "dc civac")
ARM64_OPERATION_AT(dc_cvau, "dc cvau")
ARM64_OPERATION_AT(ic_ivau, "ic ivau")

// The interface of a GICv3, by numbers, because a CPU may be without (Arm IHI 0069, 12.2), the virtual timer, and the
// pointer to a CPU's own data.

CBAREMETAL_INLINE void arm64_enable_gic_registers(void) {
  unsigned long value;
  __asm__ volatile("mrs %0, s3_0_c12_c12_5\n\torr %0, %0, #1\n\tmsr s3_0_c12_c12_5, %0\n\tisb"
                   : "=r"(value) : : "memory");
}
CBAREMETAL_INLINE void arm64_write_icc_pmr_el1(unsigned long value) {
  __asm__ volatile("msr s3_0_c4_c6_0, %0" : : "r"(value) : "memory");
}
CBAREMETAL_INLINE void arm64_write_icc_igrpen1_el1(unsigned long value) {
  __asm__ volatile("msr s3_0_c12_c12_7, %0" : : "r"(value) : "memory");
}
CBAREMETAL_INLINE void arm64_write_icc_sgi1r_el1(unsigned long value) {
  __asm__ volatile("msr s3_0_c12_c11_5, %0" : : "r"(value) : "memory");
}
CBAREMETAL_INLINE unsigned long arm64_read_icc_iar1_el1(void) {
  unsigned long value;
  __asm__ volatile("mrs %0, s3_0_c12_c12_0\n\tdsb sy" : "=r"(value) : : "memory");
  return value;
}
CBAREMETAL_INLINE void arm64_write_icc_eoir1_el1(unsigned long value) {
  __asm__ volatile("msr s3_0_c12_c12_1, %0" : : "r"(value) : "memory");
}
ARM64_WRITE(cntv_tval_el0)
ARM64_WRITE(cntv_ctl_el0)
ARM64_WRITE(tpidr_el1)

// Interrupts and waiting. PAN is a bit of PSTATE that not every CPU has (FEAT_PAN): its MSR (immediate) by number.

ARM64_OPERATION(enable_interrupts, "msr daifclr, #3")
ARM64_OPERATION(disable_interrupts, "msr daifset, #3")
ARM64_OPERATION(wfi, "wfi")
ARM64_OPERATION(wfe, "wfe")
ARM64_OPERATION(yield, "yield")
ARM64_OPERATION(set_pan, ".inst 0xd500419f")

// Time, and the performance monitors (D13).

ARM64_READ(cntfrq_el0)
ARM64_READ(pmcr_el0)
ARM64_WRITE(pmcr_el0)
ARM64_WRITE(pmccfiltr_el0)
ARM64_WRITE(pmcntenset_el0)
/// The system counter, read after all earlier instructions have executed.
CBAREMETAL_INLINE unsigned long arm64_read_counter(void) {
  unsigned long value;
  __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(value) : : "memory");
  return value;
}
/// The cycles of this CPU, read likewise.
CBAREMETAL_INLINE unsigned long arm64_read_cycles(void) {
  unsigned long value;
  __asm__ volatile("isb\n\tmrs %0, pmccntr_el0" : "=r"(value) : : "memory");
  return value;
}

// Registers of devices, mapped as Device memory. One access each, as wide as it says.

CBAREMETAL_INLINE void arm64_mmio_write32(unsigned long address, unsigned int value) {
  __asm__ volatile("str %w0, [%1]" : : "r"(value), "r"(address) : "memory");
}
CBAREMETAL_INLINE unsigned int arm64_mmio_read32(unsigned long address) {
  unsigned int value;
  __asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
  return value;
}
CBAREMETAL_INLINE void arm64_mmio_write8(unsigned long address, unsigned char value) {
  __asm__ volatile("strb %w0, [%1]" : : "r"((unsigned int)value), "r"(address) : "memory");
}

#endif

#endif
