// The image's parts: the same for each architecture but for the stacks, which a linker script lists.
#include "CKernel.h"

// Set by the linker script; an address each, nothing is stored there.
extern char image_start[], image_end[];
extern char code_start[], code_end[];
extern char constants_start[], constants_end[];
extern char data_start[], data_end[];
extern char stack_guard_start[];
extern char stack_start[], stack_end[];
#if defined(__x86_64__)
extern char double_fault_stack_start[], double_fault_stack_end[];
extern char nmi_stack_start[], nmi_stack_end[];
extern char machine_check_stack_start[], machine_check_stack_end[];
#else
extern char exception_stack_start[], exception_stack_end[];
#endif

static struct kernel_image_part part(const char *start, const char *end, enum kernel_image_use use) {
  return (struct kernel_image_part){(unsigned long)start, (unsigned long)end, use};
}

static struct kernel_span span(const char *start, const char *end) {
  return (struct kernel_span){(unsigned long)start, (unsigned long)end};
}

struct kernel_image_part kernel_image_part(unsigned int index) {
  switch (index) {
    case 0: return part(code_start, code_end, KERNEL_IMAGE_CODE);
    case 1: return part(constants_start, constants_end, KERNEL_IMAGE_CONSTANTS);
    case 2: return part(data_start, data_end, KERNEL_IMAGE_DATA);
    default: {
      struct kernel_span stack = kernel_stack(index - 3);
      return (struct kernel_image_part){stack.start, stack.end, KERNEL_IMAGE_DATA};
    }
  }
}

struct kernel_span kernel_image(void) { return span(image_start, image_end); }

struct kernel_span kernel_stack(unsigned int index) {
  switch (index) {
    case 0: return span(stack_start, stack_end);
#if defined(__x86_64__)
    case 1: return span(double_fault_stack_start, double_fault_stack_end);
    case 2: return span(nmi_stack_start, nmi_stack_end);
    default: return span(machine_check_stack_start, machine_check_stack_end);
#else
    default: return span(exception_stack_start, exception_stack_end);
#endif
  }
}

struct kernel_span kernel_stack_guard(unsigned int index) {
  unsigned long start = index == 0 ? (unsigned long)stack_guard_start : kernel_stack(index - 1).end;
  return (struct kernel_span){start, kernel_stack(index).start};
}

struct kernel_span kernel_memory_map_storage(void) {
  // A thousand rows of 24 bytes; firmware has been seen to report 312.
  static unsigned long storage[3 * 1024];
  return (struct kernel_span){(unsigned long)storage, (unsigned long)storage + sizeof storage};
}
