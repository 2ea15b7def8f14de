// The part of CKernel.h that is x86-64's.
#ifndef SWIFT_VMALLOC_CKERNEL_X86_64_H
#define SWIFT_VMALLOC_CKERNEL_X86_64_H

#if defined(__x86_64__)

/// The usual stack, and those of double faults, NMIs and machine checks.
#define KERNEL_STACK_COUNT 4

/// The registers at an exception, in the order in which exceptions.S leaves them on the stack; the last
/// five are pushed by the CPU (Intel SDM vol. 3A, 6.14.2).
struct kernel_trap_frame {
  unsigned long r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
  unsigned long vector, error_code;
  unsigned long rip, cs, rflags, rsp, ss;
};

/// As many CPUs as an 8-bit local APIC ID can name: 255 means all of them.
#define KERNEL_CPU_LIMIT 255

struct kernel_cpu;

/// What a CPU reads of its own block.
struct kernel_cpu_tables {
  unsigned long gdt[5];
  /// The task state segment in 64-bit mode (Intel SDM vol. 3A, figure 7-11).
  unsigned int task_state[26];
};

/// Where the stacks of a CPU's faults end.
struct kernel_fault_stacks {
  unsigned long double_fault_end, nmi_end, machine_check_end;
};

/// What start_cpu.S gives the CPU that is being started. It reads the offsets 0, 8 and 16.
struct kernel_starting_cpu {
  unsigned long root;
  unsigned long stack_end;
  struct kernel_cpu *block;
};
/// The other CPUs' tables are those of `root`, the stack ends below `stack_end`.
void kernel_set_starting_cpu(unsigned long root, unsigned long stack_end, struct kernel_cpu *block);

/// Loads this CPU's descriptor tables. Called by start_cpu.S.
void kernel_load_cpu_tables(struct kernel_cpu *cpu);
/// Fills in the interrupt descriptor table and the first CPU's block, and loads both. Called by boot.S.
void kernel_load_first_cpu_tables(void);
/// The code that a CPU begins with, to be copied to a page below 1 MiB.
struct kernel_span kernel_trampoline_code(void);

/// Raises an NMI's vector while the stack is nowhere.
void kernel_raise_nmi_without_stack(void);
/// Raises a machine check's vector while the stack is nowhere.
void kernel_raise_machine_check_without_stack(void);

#endif

#endif
