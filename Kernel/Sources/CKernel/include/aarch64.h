// The part of CKernel.h that is AArch64's.
#ifndef SWIFT_VMALLOC_CKERNEL_AARCH64_H
#define SWIFT_VMALLOC_CKERNEL_AARCH64_H

#if defined(__aarch64__)

/// The usual stack, and that of faults.
#define KERNEL_STACK_COUNT 2

/// The registers at an exception, as vectors.S leaves them on the stack.
struct kernel_trap_frame {
  unsigned long x[31];
  /// That of the usual stack.
  unsigned long sp;
  unsigned long pc, pstate;
  /// ESR_EL1 and FAR_EL1; not set for an interrupt.
  unsigned long syndrome, address;
  /// Which of the sixteen.
  unsigned long vector;
  unsigned long unused;
};

/// As many CPUs as this kernel keeps blocks for.
#define KERNEL_CPU_LIMIT 255

struct kernel_cpu;

/// Hardware reads nothing of a CPU's block.
struct kernel_cpu_tables {
  unsigned long stack_end, exception_stack_end;
};

/// Where the stacks of a CPU end: that of faults last.
struct kernel_fault_stacks {
  unsigned long stack_end, exception_stack_end;
};

/// What kernel_start_cpu gets, by its physical address, with translation and caches off. It reads all offsets.
struct kernel_starting_cpu {
  unsigned long root, upper_root;
  unsigned long control, attributes;
  unsigned long system_control;
  unsigned long stack_end, exception_stack_end;
  struct kernel_cpu *block;
};
/// The block's CPU is the one that starts next, with this CPU's translation. It finds that in memory, whatever caches
/// have.
/// - Returns: what to give it: a physical address, since the image is where it was loaded.
unsigned long kernel_set_starting_cpu(struct kernel_cpu *block);
/// Where a CPU begins: a physical address.
unsigned long kernel_cpu_entry(void);

/// Fills in the first CPU's block. Called by boot.S.
void kernel_prepare_first_cpu(void);

/// Calls the firmware's power services (Arm DEN0022, PSCI), by HVC or SMC.
unsigned long kernel_call_firmware(unsigned long function, unsigned long first, unsigned long second,
                                   unsigned long third, _Bool uses_smc);

/// Ends the emulator with a status, by semihosting; where there is none, stops this CPU.
_Noreturn void kernel_exit(unsigned long status);

#endif

#endif
