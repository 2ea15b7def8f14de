// What the kernel needs below Swift: where the linker put things, the frame that an exception pushes,
// and accesses that may fault. The code is in assembly and C, in a folder for each architecture, whose own part of
// this header is in a file of that name. No libc, and no header of one: it reads the same under -ffreestanding.
#ifndef SWIFT_VMALLOC_CKERNEL_H
#define SWIFT_VMALLOC_CKERNEL_H

// MARK: The image

/// What a part of the image may be used for, once the kernel has its own tables.
enum kernel_image_use {
  KERNEL_IMAGE_CODE,
  KERNEL_IMAGE_CONSTANTS,
  KERNEL_IMAGE_DATA,
};

/// A part of the image with one protection: whole pages, linked where they lie in physical memory.
struct kernel_image_part {
  unsigned long start;
  unsigned long end;
  enum kernel_image_use use;
};

/// A half-open range of addresses.
struct kernel_span {
  unsigned long start;
  unsigned long end;
};

// Each is empty but on its own architecture.
#include "aarch64.h"
#include "riscv64.h"
#include "x86_64.h"

#define KERNEL_IMAGE_PART_COUNT (3 + KERNEL_STACK_COUNT)

/// The parts in address order: code, constants, data, stacks. They cover the image but for the stacks' guards.
struct kernel_image_part kernel_image_part(unsigned int index);
/// All of the image, the guards included.
struct kernel_span kernel_image(void);
/// The first CPU's stacks: the usual one, then those of faults, KERNEL_STACK_COUNT in all.
struct kernel_span kernel_stack(unsigned int index);
/// What lies below a stack, which the kernel's tables leave unmapped.
struct kernel_span kernel_stack_guard(unsigned int index);
/// Memory for the map of what memory there is.
struct kernel_span kernel_memory_map_storage(void);

// MARK: CPUs

/// A CPU's own block, to which its thread pointer leads.
struct kernel_cpu {
  /// The CPU's number; the core reads it there (CMachine.h).
  unsigned int number;
  /// What hardware calls the CPU: the ID of its local APIC, or the affinity in its MPIDR.
  unsigned long hardware_id;
  /// Not zero once the CPU has joined. Written by it, read by the first one.
  unsigned long is_online;
  /// What the CPU is to do next; zero for nothing. Written by the first CPU, cleared by this one at the end.
  unsigned long work;
  /// Interrupts that this CPU sent to others to have them flush, and such interrupts that it took.
  unsigned long notifications_sent, notifications_taken;
  /// Not zero once the CPU has stopped for good, because another one reports why the run ends.
  unsigned long is_stopped;
  /// What the hardware itself reads of it.
  struct kernel_cpu_tables tables;
};

/// The block of a CPU that was prepared; null for others.
struct kernel_cpu *kernel_cpu_block(unsigned int number);
/// Fills in a CPU's block.
void kernel_prepare_cpu(struct kernel_cpu *cpu, unsigned int number, unsigned long hardware_id,
                        struct kernel_fault_stacks stacks);

/// A word of a block that another CPU reads or writes.
static inline unsigned long kernel_load_word(const unsigned long *word) {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
static inline void kernel_store_word(unsigned long *word, unsigned long value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}
/// Stores `value` if the word is `expected`; whether it was.
static inline _Bool kernel_exchange_word(unsigned long *word, unsigned long expected, unsigned long value) {
  return __atomic_compare_exchange_n(word, &expected, value, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/// Adds to a word that several CPUs add to.
static inline void kernel_add_word(unsigned long *word, unsigned long amount) {
  __atomic_fetch_add(word, amount, __ATOMIC_ACQ_REL);
}

// MARK: The use of a stack

/// Fills what is free of the stack that this runs on, down to `start`, with a pattern.
void kernel_paint_stack(unsigned long start);
/// How far the stack that this runs on was used since: the bytes between its pointer, as the caller has it, and the
/// lowest word below that does not have the pattern.
unsigned long kernel_painted_stack_use(unsigned long start);

// MARK: Accesses that may fault

/// The error code of a probe that went through. No fault has it: bits 63 to 32 are zero there.
#define KERNEL_PROBE_DONE (~0ul)

/// How a probe went: KERNEL_PROBE_DONE and zero, or the error code of the fault and its address.
struct kernel_probe_result {
  unsigned long error_code;
  unsigned long address;
};

/// Loads the 8 bytes at `address`.
struct kernel_probe_result kernel_probe_load(unsigned long address, unsigned long *value);
/// Stores 8 bytes at `address`.
struct kernel_probe_result kernel_probe_store(unsigned long address, unsigned long value);
/// Calls `address`, where a function without arguments or a fault is expected.
struct kernel_probe_result kernel_probe_execute(unsigned long address);

/// Whether the page fault in `frame` comes from a probe. If it does, `frame` is changed so that the probe
/// returns the fault to its caller.
_Bool kernel_probe_recover(struct kernel_trap_frame *frame, unsigned long address);

// MARK: Profiles

/// Does nothing, at an address by which Scripts/profile.sh finds where to begin and to end.
void kernel_profile_mark(void);

// MARK: Faults on purpose

/// Calls itself until the stack is used up.
void kernel_overflow_stack(void);
/// The same with large frames, each of which is touched at its lowest word alone.
void kernel_overflow_stack_with_large_frames(void);
/// Computes in the floating-point unit until `*flag` is not zero; whether every result was the same.
_Bool kernel_floating_loop(const unsigned long *flag);
/// Computes in that unit, too, as the handler of an interrupt.
void kernel_floating_disturb(void);

#endif
