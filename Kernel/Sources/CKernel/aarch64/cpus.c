// Each CPU's block, and probes.
#include "CBareMetal.h"
#include "CKernel.h"

#if defined(__aarch64__)

#define AFFINITY 0xff00fffffful  // MPIDR_EL1: Aff3, and Aff2 to Aff0 (Arm ARM, D19.2).

// MARK: CPUs

// boot.S refers to this one.
struct kernel_cpu kernel_first_cpu;

static struct kernel_cpu *cpus[KERNEL_CPU_LIMIT] = {&kernel_first_cpu};

/// On a cache line of its own, and in no other CPU's use.
static struct kernel_starting_cpu starting_cpu __attribute__((aligned(64)));

struct kernel_cpu *kernel_cpu_block(unsigned int number) { return cpus[number]; }

void kernel_prepare_cpu(struct kernel_cpu *cpu, unsigned int number, unsigned long hardware_id,
                        struct kernel_fault_stacks stacks) {
  *cpu = (struct kernel_cpu){.number = number,
                             .hardware_id = hardware_id,
                             .tables = {stacks.stack_end, stacks.exception_stack_end}};
  cpus[number] = cpu;
}

void kernel_prepare_first_cpu(void) {
  struct kernel_fault_stacks stacks = {kernel_stack(0).end, kernel_stack(1).end};
  kernel_prepare_cpu(&kernel_first_cpu, 0, arm64_read_mpidr_el1() & AFFINITY, stacks);
}

unsigned long kernel_set_starting_cpu(struct kernel_cpu *block) {
  starting_cpu = (struct kernel_starting_cpu){
      .root = arm64_read_ttbr0_el1(),
      .upper_root = arm64_read_ttbr1_el1(),
      .control = arm64_read_tcr_el1(),
      .attributes = arm64_read_mair_el1(),
      .system_control = arm64_read_sctlr_el1(),
      .stack_end = block->tables.stack_end,
      .exception_stack_end = block->tables.exception_stack_end,
      .block = block,
  };
  arm64_dsb_sy();
  arm64_dc_civac((unsigned long)&starting_cpu);
  arm64_dsb_sy();
  return (unsigned long)&starting_cpu;
}

extern char kernel_start_cpu[];

unsigned long kernel_cpu_entry(void) { return (unsigned long)kernel_start_cpu; }

unsigned long kernel_call_firmware(unsigned long function, unsigned long first, unsigned long second,
                                   unsigned long third, _Bool uses_smc) {
  register unsigned long x0 __asm__("x0") = function;
  register unsigned long x1 __asm__("x1") = first;
  register unsigned long x2 __asm__("x2") = second;
  register unsigned long x3 __asm__("x3") = third;
  // SMC Calling Convention (Arm DEN0028): X4 to X17 may change.
#define CALL(instruction)                                                                                     \
  __asm__ volatile(instruction                                                                                \
                   : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)                                                   \
                   :                                                                                          \
                   : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16",     \
                     "x17", "memory")
  if (uses_smc) {
    CALL(".inst 0xd4000003");  // SMC #0, which the assembler takes for an extension.
  } else {
    CALL("hvc #0");
  }
  return x0;
}

// MARK: Probes

// The instructions of probe.S that may fault, and where they go on when they do.
extern char kernel_probe_load_access[], kernel_probe_store_access[];
extern char kernel_probe_execute_return[], kernel_probe_failed[], kernel_probe_execute_failed[];

#define EXCEPTION_CLASS(syndrome) ((syndrome) >> 26 & 0x3f)
#define FETCH 0x21
#define DATA_ACCESS 0x25

/// A fetch that faults has no instruction of its own: PC is where the call went, and X30 its return address.
static _Bool is_probed_fetch(const struct kernel_trap_frame *frame, unsigned long address) {
  return EXCEPTION_CLASS(frame->syndrome) == FETCH && frame->pc == address &&
         frame->x[30] == (unsigned long)kernel_probe_execute_return;
}

_Bool kernel_probe_recover(struct kernel_trap_frame *frame, unsigned long address) {
  if (is_probed_fetch(frame, address)) {
    frame->pc = (unsigned long)kernel_probe_execute_failed;
  } else if (EXCEPTION_CLASS(frame->syndrome) == DATA_ACCESS &&
             (frame->pc == (unsigned long)kernel_probe_load_access ||
              frame->pc == (unsigned long)kernel_probe_store_access)) {
    frame->pc = (unsigned long)kernel_probe_failed;
  } else {
    return 0;
  }
  frame->x[0] = frame->syndrome;
  frame->x[1] = address;
  return 1;
}

#endif
