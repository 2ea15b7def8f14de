// From the loader to Swift.
//
// A PVH loader (QEMU's -kernel, Firecracker, Cloud Hypervisor, Xen) reads the note below and enters at
// pvh_entry in 32-bit protected mode: paging off, flat segments, interrupts off, EBX the physical
// address of the start info (Xen, docs/misc/pvh.pandoc, "Initial CPU state"). This file
//
//  1. clears .bss;
//  2. builds temporary tables that map the first 4 GiB to themselves with 2 MiB leaves: enough to
//     reach the image, the start info, the modules, and the memory that the real tables are made of; with
//     five levels where the command line has the word levels=5, which cannot be changed once paging is on
//     (Intel SDM vol. 3A, 4.1.2);
//  3. enters long mode (9.8.5);
//  4. sets the stack, the per-CPU block and the descriptor tables, and calls Swift.
//
// The SSE unit stays off (CR4.OSFXSR is clear): an SSE instruction that the compiler let slip raises #UD. What
// else CR4 offers is set by Swift, after it has asked the CPU (ProcessorProtection.swift).
#if defined(__x86_64__)

#include "boot.h"

#define CPUID_EXTENDED_FEATURES 0x80000001
#define CPUID_EDX_LONG_MODE (1 << 29)
#define CPUID_STRUCTURED_FEATURES 7
#define CPUID_ECX_FIVE_LEVELS (1 << 16)

// Of the start info.
#define COMMAND_LINE 24
// "levels=5", as two words.
#define WORD_LEVE 0x6576656c
#define WORD_LS_5 0x353d736c

// Bits of a table entry (Intel SDM vol. 3A, 4.5.4).
#define ENTRY_TABLE 0x3        // present, writable
#define ENTRY_LARGE_LEAF 0x83  // the same, page size
#define TABLE_BYTES 4096
#define LARGE_LEAF_BYTES 0x200000
#define WINDOW_GIBIBYTES 4

#define COM1 0x3f8
#define COM1_STATUS (COM1 + 5)
#define TRANSMITTER_EMPTY 0x20
#define DEBUG_EXIT 0xf4
#define EXIT_PANIC 19

  .section .note.pvh, "a", @note
  .balign 4
  .long 4              // bytes of the name
  .long 8              // bytes of the descriptor
  .long 18             // XEN_ELFNOTE_PHYS32_ENTRY
  .asciz "Xen"
  .quad pvh_entry

  .section .text.boot, "ax", @progbits
  .code32
  .globl pvh_entry
pvh_entry:
  cli
  cld
  lgdt gdt_pointer
  ljmp $CODE32_SELECTOR, $1f
1:
  movl $DATA_SELECTOR, %eax
  movl %eax, %ss
  movl %eax, %ds
  movl %eax, %es
  movl $stack_end, %esp
  movl %ebx, %ebp

  movl $bss_start, %edi
  movl $bss_end, %ecx
  subl %edi, %ecx
  shrl $2, %ecx
  xorl %eax, %eax
  rep stosl

  movl $(CPUID_EXTENDED_FEATURES & 0x80000000), %eax
  cpuid
  movl $no_long_mode_message, %esi
  cmpl $CPUID_EXTENDED_FEATURES, %eax
  jb refuse
  movl $CPUID_EXTENDED_FEATURES, %eax
  cpuid
  testl $CPUID_EDX_LONG_MODE, %edx
  jz refuse

  // The root, one table of 1 GiB slots, and a table of 2 MiB leaves for each of the first four.
  movl $(boot_directory_pointers + ENTRY_TABLE), boot_root
  movl $(boot_directories + ENTRY_TABLE), %eax
  xorl %ecx, %ecx
1:
  movl %eax, boot_directory_pointers(, %ecx, 8)
  addl $TABLE_BYTES, %eax
  incl %ecx
  cmpl $WINDOW_GIBIBYTES, %ecx
  jb 1b
  movl $ENTRY_LARGE_LEAF, %eax
  xorl %ecx, %ecx
1:
  movl %eax, boot_directories(, %ecx, 8)
  addl $LARGE_LEAF_BYTES, %eax
  incl %ecx
  cmpl $(WINDOW_GIBIBYTES * 512), %ecx
  jb 1b

  movl $boot_root, %edi
  movl $CR4_PHYSICAL_ADDRESS_EXTENSION, kernel_boot_cr4
  call wants_five_levels
  jne 1f
  movl $no_five_levels_message, %esi
  xorl %eax, %eax
  cpuid
  cmpl $CPUID_STRUCTURED_FEATURES, %eax
  jb refuse
  movl $CPUID_STRUCTURED_FEATURES, %eax
  xorl %ecx, %ecx
  cpuid
  testl $CPUID_ECX_FIVE_LEVELS, %ecx
  jz refuse
  movl $(boot_root + ENTRY_TABLE), boot_fifth_level
  movl $boot_fifth_level, %edi
  orl $CR4_FIVE_LEVELS, kernel_boot_cr4
1:
  movl %edi, %cr3
  movl kernel_boot_cr4, %eax
  movl %eax, %cr4
  movl $MSR_EXTENDED_FEATURES, %ecx
  movl $EFER_LONG_MODE, %eax
  xorl %edx, %edx
  wrmsr
  movl $CR0_AT_START, %eax
  movl %eax, %cr0
  ljmp $CODE_SELECTOR, $long_mode

// Sets ZF if the command line has the word levels=5.
wants_five_levels:
  movl COMMAND_LINE(%ebp), %esi
  testl %esi, %esi
  jz 3f
1:  // At the start of a word, or before it.
  cmpb $' ', (%esi)
  jne 2f
  incl %esi
  jmp 1b
2:
  cmpl $WORD_LEVE, (%esi)
  jne 4f
  cmpl $WORD_LS_5, 4(%esi)
  jne 4f
  cmpb $0, 8(%esi)
  je 5f
  cmpb $' ', 8(%esi)
  je 5f
4:  // To the end of the word.
  cmpb $0, (%esi)
  je 3f
  cmpb $' ', (%esi)
  je 1b
  incl %esi
  jmp 4b
3:
  testl %esp, %esp  // Not zero.
5:
  ret

// Says what is at ESI on the serial port, as the loader left it, and ends the emulator.
refuse:
1:
  movw $COM1_STATUS, %dx
  inb %dx, %al
  testb $TRANSMITTER_EMPTY, %al
  jz 1b
  lodsb
  testb %al, %al
  jz 2f
  movw $COM1, %dx
  outb %al, %dx
  jmp 1b
2:
  movb $EXIT_PANIC, %al
  outb %al, $DEBUG_EXIT
3:
  hlt
  jmp 3b

  .code64
long_mode:
  movl $stack_end, %esp
  movl $MSR_GS_BASE, %ecx
  movl $kernel_first_cpu, %eax
  xorl %edx, %edx
  wrmsr
  call kernel_load_first_cpu_tables
  fninit  // The x87 unit: Swift's dictionaries compute their load in floating point.
  movl %ebp, %edi  // The start info; the upper half of RDI becomes zero.
  xorl %ebp, %ebp  // The outermost frame.
  call Kernel_main
  ud2

  .section .rodata.boot, "a", @progbits
no_long_mode_message:
  .asciz "panic: this CPU lacks 64-bit mode (CPUID.80000001H:EDX.LM)\n"
no_five_levels_message:
  .asciz "panic: this CPU lacks five levels of page tables (CPUID.07H:ECX.LA57)\n"

  .data
// Code and data, for as long as a CPU has not loaded the table of its own block (Intel SDM vol. 3A, 3.4.5). The
// code segment for 32-bit mode is used by the first instructions alone.
  .balign 16
  .globl kernel_gdt
kernel_gdt:
  .quad 0
  .quad 0x00af9a000000ffff
  .quad 0x00cf92000000ffff
  .quad 0x00cf9a000000ffff

gdt_pointer:
  .word BOOT_GDT_BYTES - 1
  .long kernel_gdt

  .bss
// What every CPU begins with in CR4.
  .balign 4
  .globl kernel_boot_cr4
kernel_boot_cr4:
  .skip 4

  .balign TABLE_BYTES
boot_fifth_level:
  .skip TABLE_BYTES
boot_root:
  .skip TABLE_BYTES
boot_directory_pointers:
  .skip TABLE_BYTES
boot_directories:
  .skip TABLE_BYTES * WINDOW_GIBIBYTES

#endif

  .section .note.GNU-stack, "", @progbits
