// What boot.S and start_cpu.S share: bits of registers, and places in kernel_gdt.
#ifndef SWIFT_VMALLOC_CKERNEL_BOOT_H
#define SWIFT_VMALLOC_CKERNEL_BOOT_H

// Intel SDM vol. 3A, 2.5; vol. 4, table 2-2.
#define CR0_PROTECTED 0x00000001
#define CR0_MONITOR_COPROCESSOR 0x00000002
#define CR0_NUMERIC_ERROR 0x00000020
#define CR0_WRITE_PROTECT 0x00010000
#define CR0_PAGING 0x80000000
// Written whole, so that all else is off: no emulation of the x87 unit, no trap for a switched task, caches on.
// Its errors are exceptions, not an interrupt of the legacy controllers.
#define CR0_AT_START (CR0_PAGING | CR0_WRITE_PROTECT | CR0_NUMERIC_ERROR | CR0_MONITOR_COPROCESSOR | CR0_PROTECTED)
#define CR4_PHYSICAL_ADDRESS_EXTENSION 0x20
#define CR4_FIVE_LEVELS 0x1000
#define MSR_EXTENDED_FEATURES 0xc0000080
#define EFER_LONG_MODE 0x100
#define EFER_NO_EXECUTE 0x800
#define MSR_GS_BASE 0xc0000101

#define CODE_SELECTOR 0x08
#define DATA_SELECTOR 0x10
#define CODE32_SELECTOR 0x18
#define BOOT_GDT_BYTES 32

#endif
