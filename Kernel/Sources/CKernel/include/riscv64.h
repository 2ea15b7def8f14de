// The part of CKernel.h that is RISC-V's.
#ifndef SWIFT_VMALLOC_CKERNEL_RISCV64_H
#define SWIFT_VMALLOC_CKERNEL_RISCV64_H

#if defined(__riscv)

/// The usual stack, and that of faults.
#define KERNEL_STACK_COUNT 2

/// The registers at an exception, as trap.S leaves them on the stack: x1 to x31 at their numbers.
struct kernel_trap_frame {
  unsigned long pc;
  unsigned long x[31];
  unsigned long status;
  unsigned long cause, address;
  unsigned long unused;
};

/// As many harts as this kernel keeps blocks for.
#define KERNEL_CPU_LIMIT 255

struct kernel_cpu;

/// Hardware reads nothing of a hart's block.
struct kernel_cpu_tables {
  unsigned long stack_end, exception_stack_end;
  /// Why the hart was interrupted by others: a bit for each reason.
  unsigned long pending;
};

/// Where the stacks of a hart end: that of faults last.
struct kernel_fault_stacks {
  unsigned long stack_end, exception_stack_end;
};

/// What kernel_start_cpu gets, by its physical address, with translation off. It reads all offsets.
struct kernel_starting_cpu {
  unsigned long satp;
  unsigned long stack_end, exception_stack_end;
  struct kernel_cpu *block;
};
/// The block's hart is the one that starts next, with this hart's tables.
/// - Returns: what to give it: a physical address, since the image is where it was loaded.
unsigned long kernel_set_starting_cpu(struct kernel_cpu *block);
/// Where a hart begins: a physical address.
unsigned long kernel_cpu_entry(void);

/// Fills in the first hart's block. Called by boot.S, with the number that hardware has for the hart.
void kernel_prepare_first_cpu(unsigned long hart);

/// Adds reasons to those for which a hart is interrupted.
void kernel_add_pending(struct kernel_cpu *cpu, unsigned long bits);
/// Takes all of them.
unsigned long kernel_take_pending(struct kernel_cpu *cpu);

#endif

#endif
