// What boot.S and vectors.S share.
#ifndef SWIFT_VMALLOC_CKERNEL_AARCH64_BOOT_H
#define SWIFT_VMALLOC_CKERNEL_AARCH64_BOOT_H

// Arm ARM DDI 0487, D19.2: SCTLR_EL1 with all that is RES1, and nothing else.
#define SCTLR_AT_START 0x30d00800
#define SCTLR_MMU 0x1
#define SCTLR_CACHES 0x1004  // C, I

// struct kernel_trap_frame
#define FRAME_SP 248
#define FRAME_PC 256
#define FRAME_ESR 272
#define FRAME_VECTOR 288
#define FRAME_BYTES 304

// Status of the run where this CPU cannot even begin: that of a panic (ExitStatus.swift).
#define STATUS_PANIC 39

#endif
