// The interrupt descriptor table, the task state segment, and the image's parts.
#include "CBareMetal.h"
#include "CKernel.h"

#if defined(__x86_64__)

#define CODE_SELECTOR 0x08
#define TASK_SELECTOR 0x18
#define VECTOR_COUNT 32
#define VECTOR_DOUBLE_FAULT 8
#define STUB_BYTES 16

// MARK: Descriptor tables

/// A gate of the IDT in 64-bit mode (Intel SDM vol. 3A, 6.14.1).
struct gate {
  unsigned short offset_low;
  unsigned short selector;
  unsigned char stack;  // An index into the TSS's table of stacks; 0 stays on the current one.
  unsigned char type;
  unsigned short offset_middle;
  unsigned int offset_high;
  unsigned int reserved;
};

/// The task state segment in 64-bit mode (Intel SDM vol. 3A, 7.7).
struct task_state {
  unsigned int reserved0;
  unsigned long privileged_stacks[3];
  unsigned long reserved1;
  unsigned long interrupt_stacks[7];
  unsigned long reserved2;
  unsigned short reserved3;
  unsigned short port_bitmap;
} __attribute__((packed));

extern unsigned long kernel_gdt[];
extern char exception_stubs[];
extern char double_fault_stack_end[];

static struct gate gates[VECTOR_COUNT];
static struct task_state task_state;

/// A double fault gets a stack of its own: the usual one has just been found missing.
static void load_task_state(void) {
  unsigned long base = (unsigned long)&task_state;
  unsigned long limit = sizeof task_state - 1;
  task_state.interrupt_stacks[0] = (unsigned long)double_fault_stack_end;
  task_state.port_bitmap = sizeof task_state;
  // Present, type 9: an available 64-bit TSS (Intel SDM vol. 3A, 7.2.3).
  kernel_gdt[TASK_SELECTOR / 8] =
      limit | (base & 0xffffff) << 16 | 0x89ul << 40 | (base >> 24 & 0xff) << 56;
  kernel_gdt[TASK_SELECTOR / 8 + 1] = base >> 32;
  x86_load_task_register(TASK_SELECTOR);
}

static void load_gates(void) {
  for (int vector = 0; vector < VECTOR_COUNT; vector++) {
    unsigned long stub = (unsigned long)exception_stubs + (unsigned long)vector * STUB_BYTES;
    gates[vector] = (struct gate){
        .offset_low = (unsigned short)stub,
        .selector = CODE_SELECTOR,
        .stack = vector == VECTOR_DOUBLE_FAULT ? 1 : 0,
        .type = 0x8e,  // Present, an interrupt gate: the handler begins with interrupts off.
        .offset_middle = (unsigned short)(stub >> 16),
        .offset_high = (unsigned int)(stub >> 32),
    };
  }
  struct x86_descriptor_table table = {sizeof gates - 1, (unsigned long)gates};
  x86_load_idt(&table);
}

void kernel_load_descriptor_tables(void) {
  load_task_state();
  load_gates();
}

// MARK: The image

// Set by the linker script; an address each, nothing is stored there.
extern char image_start[], image_end[];
extern char code_start[], code_end[];
extern char constants_start[], constants_end[];
extern char data_start[], data_end[];
extern char stack_guard_start[], stack_guard_end[];
extern char stacks_start[], stacks_end[];

static struct kernel_image_part part(const char *start, const char *end, enum kernel_image_use use) {
  return (struct kernel_image_part){(unsigned long)start, (unsigned long)end, use};
}

struct kernel_image_part kernel_image_part(unsigned int index) {
  switch (index) {
    case 0: return part(code_start, code_end, KERNEL_IMAGE_CODE);
    case 1: return part(constants_start, constants_end, KERNEL_IMAGE_CONSTANTS);
    case 2: return part(data_start, data_end, KERNEL_IMAGE_DATA);
    default: return part(stacks_start, stacks_end, KERNEL_IMAGE_DATA);
  }
}

struct kernel_span kernel_image(void) {
  return (struct kernel_span){(unsigned long)image_start, (unsigned long)image_end};
}

struct kernel_span kernel_stack_guard(void) {
  return (struct kernel_span){(unsigned long)stack_guard_start, (unsigned long)stack_guard_end};
}

// MARK: Probes

// The instructions of probe.S that may fault, and where they go on when they do.
extern char kernel_probe_load_access[], kernel_probe_store_access[];
extern char kernel_probe_execute_return[], kernel_probe_failed[];

#define FETCH 16  // The error code's bit for an instruction fetch (Intel SDM vol. 3A, 4.7).

/// A fetch that faults has no instruction of its own: RIP is where the call went, and the call's
/// return address is on top of the stack.
static _Bool is_probed_fetch(const struct kernel_trap_frame *frame, unsigned long address) {
  return frame->error_code & FETCH && frame->rip == address &&
         *(const unsigned long *)frame->rsp == (unsigned long)kernel_probe_execute_return;
}

_Bool kernel_probe_recover(struct kernel_trap_frame *frame, unsigned long address) {
  if (is_probed_fetch(frame, address)) {
    frame->rsp += 2 * sizeof(unsigned long);  // The return address, and the word that aligned the stack.
  } else if (frame->rip != (unsigned long)kernel_probe_load_access &&
             frame->rip != (unsigned long)kernel_probe_store_access) {
    return 0;
  }
  frame->rip = (unsigned long)kernel_probe_failed;
  frame->rax = frame->error_code;
  frame->rdx = address;
  return 1;
}

#endif
