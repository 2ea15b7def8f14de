// Each hart's block, and probes.
#include "CBareMetal.h"
#include "CKernel.h"

#if defined(__riscv)

// MARK: Harts

// boot.S refers to this one.
struct kernel_cpu kernel_first_cpu;

static struct kernel_cpu *cpus[KERNEL_CPU_LIMIT] = {&kernel_first_cpu};

// boot.S refers to this one, too.
struct kernel_starting_cpu kernel_starting;

struct kernel_cpu *kernel_cpu_block(unsigned int number) { return cpus[number]; }

void kernel_prepare_cpu(struct kernel_cpu *cpu, unsigned int number, unsigned long hardware_id,
                        struct kernel_fault_stacks stacks) {
  *cpu = (struct kernel_cpu){.number = number,
                             .hardware_id = hardware_id,
                             .tables = {stacks.stack_end, stacks.exception_stack_end, 0}};
  cpus[number] = cpu;
}

void kernel_prepare_first_cpu(unsigned long hart) {
  struct kernel_fault_stacks stacks = {kernel_stack(0).end, kernel_stack(1).end};
  kernel_prepare_cpu(&kernel_first_cpu, 0, hart, stacks);
}

unsigned long kernel_set_starting_cpu(struct kernel_cpu *block) {
  kernel_starting = (struct kernel_starting_cpu){
      .satp = riscv_read_satp(),
      .stack_end = block->tables.stack_end,
      .exception_stack_end = block->tables.exception_stack_end,
      .block = block,
  };
  riscv_fence();
  return (unsigned long)&kernel_starting;
}

extern char kernel_start_cpu[];

unsigned long kernel_cpu_entry(void) { return (unsigned long)kernel_start_cpu; }

void kernel_add_pending(struct kernel_cpu *cpu, unsigned long bits) {
  __atomic_fetch_or(&cpu->tables.pending, bits, __ATOMIC_SEQ_CST);
}

unsigned long kernel_take_pending(struct kernel_cpu *cpu) {
  return __atomic_exchange_n(&cpu->tables.pending, 0, __ATOMIC_SEQ_CST);
}

// MARK: Probes

// The instructions of probe.S that may fault, and where they go on when they do.
extern char kernel_probe_load_access[], kernel_probe_store_access[];
extern char kernel_probe_execute_return[], kernel_probe_failed[], kernel_probe_execute_failed[];

// scause: page faults, and access faults, of a fetch, a load and a store.
#define RETURN_ADDRESS 1
#define IS_FETCH(cause) ((cause) == 12 || (cause) == 1)
#define IS_DATA_ACCESS(cause) ((cause) == 13 || (cause) == 15 || (cause) == 5 || (cause) == 7)

/// A fetch that faults has no instruction of its own: the PC is where the call went, and `ra` its return address.
static _Bool is_probed_fetch(const struct kernel_trap_frame *frame, unsigned long address) {
  return IS_FETCH(frame->cause) && frame->pc == address &&
         frame->x[RETURN_ADDRESS - 1] == (unsigned long)kernel_probe_execute_return;
}

_Bool kernel_probe_recover(struct kernel_trap_frame *frame, unsigned long address) {
  if (is_probed_fetch(frame, address)) {
    frame->pc = (unsigned long)kernel_probe_execute_failed;
  } else if (IS_DATA_ACCESS(frame->cause) && (frame->pc == (unsigned long)kernel_probe_load_access ||
                                              frame->pc == (unsigned long)kernel_probe_store_access)) {
    frame->pc = (unsigned long)kernel_probe_failed;
  } else {
    return 0;
  }
  // a0 and a1
  frame->x[9] = frame->cause;
  frame->x[10] = address;
  return 1;
}

#endif
