// The interrupt descriptor table, and each CPU's block.
#include "CBareMetal.h"
#include "CKernel.h"

#if defined(__x86_64__)

#define CODE_SELECTOR 0x08
#define TASK_SELECTOR 0x18
#define VECTOR_COUNT 256
#define VECTOR_NMI 2
#define VECTOR_DOUBLE_FAULT 8
#define VECTOR_MACHINE_CHECK 18
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

extern char exception_stubs[];

static struct gate gates[VECTOR_COUNT];

/// Which of the seven stacks in a CPU's task state segment a vector's handler runs on. Those that have one come
/// whatever the stack pointer is: the stack was found missing, or a handler's first instructions are interrupted.
/// Each has its own, so that none takes away another's frame.
static unsigned char stack_of(int vector) {
  switch (vector) {
    case VECTOR_DOUBLE_FAULT: return 1;
    case VECTOR_NMI: return 2;
    case VECTOR_MACHINE_CHECK: return 3;
    default: return 0;
  }
}

static void set_gates(void) {
  for (int vector = 0; vector < VECTOR_COUNT; vector++) {
    unsigned long stub = (unsigned long)exception_stubs + (unsigned long)vector * STUB_BYTES;
    gates[vector] = (struct gate){
        .offset_low = (unsigned short)stub,
        .selector = CODE_SELECTOR,
        .stack = stack_of(vector),
        .type = 0x8e,  // Present, an interrupt gate: the handler begins with interrupts off.
        .offset_middle = (unsigned short)(stub >> 16),
        .offset_high = (unsigned int)(stub >> 32),
    };
  }
}

// MARK: CPUs

// boot.S and start_cpu.S refer to these two.
struct kernel_cpu kernel_first_cpu;
struct kernel_starting_cpu kernel_starting_cpu;

static struct kernel_cpu *cpus[KERNEL_CPU_LIMIT] = {&kernel_first_cpu};

struct kernel_cpu *kernel_cpu_block(unsigned int number) { return cpus[number]; }

void kernel_set_starting_cpu(unsigned long root, unsigned long stack_end, struct kernel_cpu *block) {
  kernel_starting_cpu = (struct kernel_starting_cpu){root, stack_end, block};
}

void kernel_prepare_cpu(struct kernel_cpu *cpu, unsigned int number, unsigned long hardware_id,
                        struct kernel_fault_stacks stacks) {
  unsigned long base = (unsigned long)cpu->tables.task_state;
  unsigned long limit = sizeof cpu->tables.task_state - 1;
  *cpu = (struct kernel_cpu){.number = number, .hardware_id = hardware_id};
  cpu->tables = (struct kernel_cpu_tables){
      // Code and data as in boot.S; then, present and of type 9, an available 64-bit TSS (Intel SDM vol. 3A,
      // 3.4.5 and 7.2.3).
      .gdt = {0, 0x00af9a000000ffff, 0x00cf92000000ffff,
              limit | (base & 0xffffff) << 16 | 0x89ul << 40 | (base >> 24 & 0xff) << 56, base >> 32},
      // The first three of the seven stacks; the last word says that no bitmap of ports follows.
      .task_state = {[9] = (unsigned int)stacks.double_fault_end,
                     [10] = (unsigned int)(stacks.double_fault_end >> 32),
                     [11] = (unsigned int)stacks.nmi_end,
                     [12] = (unsigned int)(stacks.nmi_end >> 32),
                     [13] = (unsigned int)stacks.machine_check_end,
                     [14] = (unsigned int)(stacks.machine_check_end >> 32),
                     [25] = sizeof cpu->tables.task_state << 16},
  };
  cpus[number] = cpu;
}

void kernel_load_cpu_tables(struct kernel_cpu *cpu) {
  struct x86_descriptor_table gdt = {sizeof cpu->tables.gdt - 1, (unsigned long)cpu->tables.gdt};
  struct x86_descriptor_table idt = {sizeof gates - 1, (unsigned long)gates};
  x86_load_gdt(&gdt);
  x86_load_task_register(TASK_SELECTOR);
  x86_load_idt(&idt);
}

void kernel_load_first_cpu_tables(void) {
  set_gates();
  struct kernel_fault_stacks stacks = {kernel_stack(1).end, kernel_stack(2).end, kernel_stack(3).end};
  kernel_prepare_cpu(&kernel_first_cpu, 0, x86_cpuid(1, 0).ebx >> 24, stacks);
  kernel_load_cpu_tables(&kernel_first_cpu);
}

// MARK: The trampoline

extern char kernel_trampoline[], kernel_trampoline_end[];

struct kernel_span kernel_trampoline_code(void) {
  return (struct kernel_span){(unsigned long)kernel_trampoline, (unsigned long)kernel_trampoline_end};
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
