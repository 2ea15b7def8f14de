// What the kernel needs below Swift: where the linker put things, the frame that an exception pushes,
// and accesses that may fault. The code is in assembly (boot.S, exceptions.S, probe.S, memory.S) and in
// tables.c. No libc, and no header of one: the file reads the same under -ffreestanding.
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

#define KERNEL_IMAGE_PART_COUNT 4

/// The parts in address order: code, constants, data, stacks. They cover the image but for the guard page.
struct kernel_image_part kernel_image_part(unsigned int index);
/// All of the image, the guard page included.
struct kernel_span kernel_image(void);
/// The page below the stack, which the kernel's tables leave unmapped.
struct kernel_span kernel_stack_guard(void);

// MARK: Exceptions

/// The registers at an exception, in the order in which exceptions.S leaves them on the stack; the last
/// five are pushed by the CPU (Intel SDM vol. 3A, 6.14.2).
struct kernel_trap_frame {
  unsigned long r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
  unsigned long vector, error_code;
  unsigned long rip, cs, rflags, rsp, ss;
};

/// Fills in the task state segment and the interrupt descriptor table, and loads both. Called by boot.S.
void kernel_load_descriptor_tables(void);

// MARK: Accesses that may fault

/// The error code of a probe that went through. No page fault pushes it: bits 63 to 32 are zero there.
#define KERNEL_PROBE_DONE (~0ul)

/// How a probe went: KERNEL_PROBE_DONE and zero, or the page fault's error code and the address in CR2.
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

// MARK: Faults on purpose

/// Calls itself until the stack is used up.
void kernel_overflow_stack(void);

#endif
