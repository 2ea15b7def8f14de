// What the core needs of a CPU in a single instruction or two, and the C shapes that
// cross a `@convention(c)` pointer. No libc: the header must read the same under
// -ffreestanding on every target.
#ifndef SWIFT_VMALLOC_CMACHINE_H
#define SWIFT_VMALLOC_CMACHINE_H

#define CMACHINE_INLINE static inline __attribute__((always_inline))

/// A half-open range of virtual addresses, in bytes.
struct cmachine_range {
  unsigned long start;
  unsigned long end;
};

/// Called from the `deinit` of a value that holds retired memory: a path that reaches it has
/// lost frames. No kernel defines it, so such a path does not link; hosted builds report and abort.
void cmachine_dropped_memory(void);

/// The page tables that a manager starts with, as its CPU has to use them.
struct cmachine_page_tables {
  /// The physical address of the root.
  unsigned long root;
  /// How many bits of a virtual address are translated.
  unsigned int address_bits;
};

/// What a CPU says of its paging when a manager starts on it.
enum cmachine_paging {
  cmachine_paging_ready,
  /// It would not read the entries as the page-table format writes them.
  cmachine_paging_unprepared,
  /// It translates another number of bits of an address.
  cmachine_paging_other_width,
  /// It uses other tables than those of the manager.
  cmachine_paging_other_root,
};

/// Moments in the core at which other CPUs may usefully run in between; a scheduler of simulated CPUs
/// switches there. On bare metal they cost nothing.
enum cmachine_step {
  cmachine_step_interrupts_enabled,
  cmachine_step_lock_wanted,
  cmachine_step_lock_waiting,
  cmachine_step_lock_released,
  cmachine_step_entries_written,
  cmachine_step_entries_cleared,
  cmachine_step_flush_requested,
  cmachine_step_flush_begun,
  cmachine_step_flush_confirmed,
  cmachine_step_flush_waiting,
  cmachine_step_frames_freed,
  cmachine_step_range_freed,
  /// An address has led to a live area, and what is known of the area is not read yet.
  cmachine_step_area_found,
  /// A walk without a lock has come to the entry for a page, and has yet to read it.
  cmachine_step_entry_found,
  /// An allocation has been charged to its tag, and may yet fail.
  cmachine_step_charged,
  /// A sum over CPUs has one part, as what was allocated, and has yet to read the other, as what was freed.
  cmachine_step_sum_begun,
  /// An address has led to a live object of kmalloc, and its life is not ended yet.
  cmachine_step_object_found,
  /// A look-up without a lock has come to a node of the index of areas, and has yet to read it.
  cmachine_step_node_found,
  /// The frames of a new slab are marked as a slab's, and it has no objects yet.
  cmachine_step_slab_marked,
  /// A turn of a loop that waits for something of which nothing is known.
  cmachine_step_relaxed,
  /// Interrupts are on, and are about to be switched off.
  cmachine_step_interrupts_disabling,
  /// One of the requests that a CPU is about to serve is read, with a lock held.
  cmachine_step_request_read,
  /// An area has gone live.
  cmachine_step_area_published,
};

/// What a read-modify-write of a word that other CPUs may write is for.
enum cmachine_update {
  /// Taking a lock, or trying to.
  cmachine_update_lock,
  /// Ending an allocation: of several that free the same, one succeeds. Others write the word for no other reason.
  cmachine_update_end,
  /// Anything else.
  cmachine_update_shared,
};
#define CMACHINE_UPDATE_COUNT 3

// Where the number of this CPU comes from is the kernel's choice, by one of these (LayoutsOfAKernel.md):
//
//   CMACHINE_CPU_NUMBER_OFFSET n     a word of the block that the thread pointer leads to, its first one if nothing is said
//   CMACHINE_CPU_NUMBER_IS_POINTER   the thread pointer itself
//   CMACHINE_SINGLE_CPU              there is one CPU, and no register is read
#if defined(CMACHINE_SINGLE_CPU) + defined(CMACHINE_CPU_NUMBER_IS_POINTER) + defined(CMACHINE_CPU_NUMBER_OFFSET) > 1
#error "the number of a CPU comes from one place"
#endif
#ifndef CMACHINE_CPU_NUMBER_OFFSET
#define CMACHINE_CPU_NUMBER_OFFSET 0
#endif

#if __STDC_HOSTED__

extern _Thread_local unsigned int cmachine_current_cpu;
extern _Thread_local unsigned int cmachine_interrupts_enabled;
/// What this thread does at a step; null for nothing. Set by the simulated machine's scheduler.
extern _Thread_local void (*cmachine_step_hook)(void *context, enum cmachine_step step);
extern _Thread_local void *cmachine_step_context;

CMACHINE_INLINE void cmachine_step(enum cmachine_step step) {
  if (cmachine_step_hook) cmachine_step_hook(cmachine_step_context, step);
}
/// One turn of a loop that waits for another CPU.
CMACHINE_INLINE void cmachine_relax(void) { cmachine_step(cmachine_step_relaxed); }
/// The same, of a loop that is known by its step.
CMACHINE_INLINE void cmachine_wait(enum cmachine_step step) { cmachine_step(step); }

/// What happens after each store to a page-table entry; null for nothing. One for the process, set by the
/// simulated machine, whose MMUs may run between any two stores.
extern void (*cmachine_entry_hook)(unsigned long entry);
CMACHINE_INLINE void cmachine_set_entry_hook(void (*hook)(unsigned long entry)) {
  __atomic_store_n(&cmachine_entry_hook, hook, __ATOMIC_RELEASE);
}
/// An entry was stored at this address.
CMACHINE_INLINE void cmachine_entry_stored(unsigned long entry) {
  void (*hook)(unsigned long) = __atomic_load_n(&cmachine_entry_hook, __ATOMIC_ACQUIRE);
  if (hook) hook(entry);
}

/// What happens when nobody has a block of page frames any more; null for nothing. One for the process, set by
/// the simulated machine, which then sees who touches them.
typedef void cmachine_freed_hook(unsigned long address, unsigned long byte_count, _Bool stays_zero);
extern cmachine_freed_hook *cmachine_memory_freed_hook;
CMACHINE_INLINE void cmachine_set_memory_freed_hook(cmachine_freed_hook *hook) {
  __atomic_store_n(&cmachine_memory_freed_hook, hook, __ATOMIC_RELEASE);
}
/// Page frames are on a free list, by their address in the linear map; with `stays_zero`, who gets them relies on
/// what they hold.
CMACHINE_INLINE void cmachine_memory_freed(unsigned long address, unsigned long byte_count, _Bool stays_zero) {
  cmachine_freed_hook *hook = __atomic_load_n(&cmachine_memory_freed_hook, __ATOMIC_ACQUIRE);
  if (hook) hook(address, byte_count, stays_zero);
}

/// What a simulated machine does with the atomic accesses of the core, where that is built for it
/// (WeakAtomic.swift); null for nothing.
struct cmachine_memory_model {
  /// Keeps a store for later; or makes those that it has kept, and leaves this one to its caller.
  _Bool (*keep_store)(unsigned long address, unsigned long value, unsigned long size, _Bool releases);
  /// What was stored there last, if that is kept.
  _Bool (*load_kept)(unsigned long address, unsigned long *value);
  /// Makes the stores that an update of a word at `address` comes after.
  void (*before_update)(unsigned long address, _Bool releases);
};
extern _Thread_local const struct cmachine_memory_model *cmachine_model;

CMACHINE_INLINE unsigned long cmachine_atomic_load(unsigned long address, unsigned long size) {
  switch (size) {
  case 1: return __atomic_load_n((unsigned char *)address, __ATOMIC_SEQ_CST);
  case 2: return __atomic_load_n((unsigned short *)address, __ATOMIC_SEQ_CST);
  case 4: return __atomic_load_n((unsigned int *)address, __ATOMIC_SEQ_CST);
  default: return __atomic_load_n((unsigned long *)address, __ATOMIC_SEQ_CST);
  }
}
CMACHINE_INLINE void cmachine_atomic_store(unsigned long address, unsigned long size, unsigned long value) {
  switch (size) {
  case 1: __atomic_store_n((unsigned char *)address, (unsigned char)value, __ATOMIC_SEQ_CST); break;
  case 2: __atomic_store_n((unsigned short *)address, (unsigned short)value, __ATOMIC_SEQ_CST); break;
  case 4: __atomic_store_n((unsigned int *)address, (unsigned int)value, __ATOMIC_SEQ_CST); break;
  default: __atomic_store_n((unsigned long *)address, value, __ATOMIC_SEQ_CST);
  }
}
#define CMACHINE_EXCHANGE_IF(type)                                                                             \
  {                                                                                                            \
    type old = (type)*expected;                                                                                \
    _Bool done = __atomic_compare_exchange_n((type *)address, &old, (type)desired, 0, __ATOMIC_SEQ_CST,        \
                                             __ATOMIC_SEQ_CST);                                                \
    *expected = old;                                                                                           \
    return done;                                                                                               \
  }
/// `expected` becomes what was there.
CMACHINE_INLINE _Bool cmachine_atomic_exchange_if(unsigned long address, unsigned long size,
                                                  unsigned long *expected, unsigned long desired) {
  switch (size) {
  case 1: CMACHINE_EXCHANGE_IF(unsigned char)
  case 2: CMACHINE_EXCHANGE_IF(unsigned short)
  case 4: CMACHINE_EXCHANGE_IF(unsigned int)
  default: CMACHINE_EXCHANGE_IF(unsigned long)
  }
}

CMACHINE_INLINE _Bool cmachine_keep_store(unsigned long address, unsigned long value, unsigned long size,
                                          _Bool releases) {
  return cmachine_model && cmachine_model->keep_store(address, value, size, releases);
}
CMACHINE_INLINE _Bool cmachine_load_kept(unsigned long address, unsigned long *value) {
  return cmachine_model && cmachine_model->load_kept(address, value);
}
CMACHINE_INLINE void cmachine_before_update(unsigned long address, _Bool releases) {
  if (cmachine_model) cmachine_model->before_update(address, releases);
}

/// How many machines of this process flush by broadcast.
extern unsigned int cmachine_broadcasting_machines;
CMACHINE_INLINE void cmachine_add_broadcasting_machines(int count) {
  __atomic_fetch_add(&cmachine_broadcasting_machines, (unsigned int)count, __ATOMIC_SEQ_CST);
}
/// Whether a look-up without a lock begins with a full barrier.
CMACHINE_INLINE _Bool cmachine_fences_lookups(void) {
  return __atomic_load_n(&cmachine_broadcasting_machines, __ATOMIC_RELAXED) != 0;
}

/// Whether there are machines whose flush of ranges leaves walk caches alone (`Machine.rangesSpareTables`).
CMACHINE_INLINE _Bool cmachine_ranges_may_spare_tables(void) { return 1; }

/// No register of the process leads to the number, so there is none to check.
CMACHINE_INLINE _Bool cmachine_number_is_in_block(void) { return 0; }
CMACHINE_INLINE unsigned long cmachine_thread_pointer(void) { return 0; }
CMACHINE_INLINE unsigned long cmachine_number_offset(void) { return 0; }
CMACHINE_INLINE unsigned long cmachine_most_cpus(void) { return ~0ul >> 1; }
/// The CPU that a hosted thread plays; set by the simulated machine.
CMACHINE_INLINE unsigned long cmachine_cpu_number(void) { return cmachine_current_cpu; }
CMACHINE_INLINE void cmachine_set_cpu_number(unsigned int number) { cmachine_current_cpu = number; }
CMACHINE_INLINE unsigned long cmachine_interrupts_disable(void) {
  unsigned long enabled = cmachine_interrupts_enabled;
  if (enabled) cmachine_step(cmachine_step_interrupts_disabling);
  cmachine_interrupts_enabled = 0;
  return enabled;
}
CMACHINE_INLINE void cmachine_interrupts_restore(unsigned long state) {
  cmachine_interrupts_enabled = (unsigned int)state;
  if (state) cmachine_step(cmachine_step_interrupts_enabled);
}
CMACHINE_INLINE _Bool cmachine_interrupts_are_enabled(void) {
  return cmachine_interrupts_enabled != 0;
}

#elif defined(__x86_64__)

CMACHINE_INLINE void cmachine_step(enum cmachine_step step) { (void)step; }
/// One turn of a loop that waits for another CPU.
CMACHINE_INLINE void cmachine_relax(void) { __asm__ volatile("pause"); }
CMACHINE_INLINE void cmachine_wait(enum cmachine_step step) { (void)step, cmachine_relax(); }
CMACHINE_INLINE void cmachine_entry_stored(unsigned long entry) { (void)entry; }
CMACHINE_INLINE void cmachine_memory_freed(unsigned long address, unsigned long byte_count, _Bool stays_zero) {
  (void)address, (void)byte_count, (void)stays_zero;
}

/// A flush by address drops what has led there, too.
CMACHINE_INLINE _Bool cmachine_ranges_may_spare_tables(void) { return 0; }
/// CPUs invalidate each other's TLBs by interrupts alone.
CMACHINE_INLINE _Bool cmachine_fences_lookups(void) { return 0; }

/// The GS base: IA32_GS_BASE, a model-specific register (Intel SDM vol. 4, table 2-2).
CMACHINE_INLINE unsigned long cmachine_thread_pointer(void) {
  unsigned int low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(0xc0000101));
  return (unsigned long)high << 32 | low;
}
/// The number in the block at the GS base (Intel SDM vol. 3A, 3.4.4).
CMACHINE_INLINE unsigned long cmachine_number_in_block(void) {
  unsigned long number;
  __asm__ volatile("movl %%gs:%c1, %k0" : "=r"(number) : "i"(CMACHINE_CPU_NUMBER_OFFSET));
  return number;
}
/// Clears RFLAGS.IF and returns what it was.
CMACHINE_INLINE unsigned long cmachine_interrupts_disable(void) {
  unsigned long flags;
  __asm__ volatile("pushfq\n\tpopq %0\n\tcli" : "=r"(flags) : : "memory");
  return flags & 0x200;
}
CMACHINE_INLINE void cmachine_interrupts_restore(unsigned long state) {
  if (state) __asm__ volatile("sti" : : : "memory");
}
CMACHINE_INLINE _Bool cmachine_interrupts_are_enabled(void) {
  unsigned long flags;
  __asm__ volatile("pushfq\n\tpopq %0" : "=r"(flags));
  return (flags & 0x200) != 0;
}

#elif defined(__aarch64__)

CMACHINE_INLINE void cmachine_step(enum cmachine_step step) { (void)step; }
/// One turn of a loop that waits for another CPU.
CMACHINE_INLINE void cmachine_relax(void) { __asm__ volatile("yield"); }
CMACHINE_INLINE void cmachine_wait(enum cmachine_step step) { (void)step, cmachine_relax(); }
CMACHINE_INLINE void cmachine_entry_stored(unsigned long entry) { (void)entry; }
CMACHINE_INLINE void cmachine_memory_freed(unsigned long address, unsigned long byte_count, _Bool stays_zero) {
  (void)address, (void)byte_count, (void)stays_zero;
}

/// A flush by address drops what has led there, too.
CMACHINE_INLINE _Bool cmachine_ranges_may_spare_tables(void) { return 0; }
/// TLBI ..IS reaches all CPUs.
CMACHINE_INLINE _Bool cmachine_fences_lookups(void) { return 1; }

CMACHINE_INLINE unsigned long cmachine_thread_pointer(void) {
  unsigned long pointer;
  __asm__ volatile("mrs %0, tpidr_el1" : "=r"(pointer));
  return pointer;
}
/// The number in the block at TPIDR_EL1 (Arm ARM, D19.2).
CMACHINE_INLINE unsigned long cmachine_number_in_block(void) {
  return *(const unsigned int *)(cmachine_thread_pointer() + CMACHINE_CPU_NUMBER_OFFSET);
}
/// Masks IRQ and FIQ in DAIF and returns what it was.
CMACHINE_INLINE unsigned long cmachine_interrupts_disable(void) {
  unsigned long daif;
  __asm__ volatile("mrs %0, daif\n\tmsr daifset, #3" : "=r"(daif) : : "memory");
  return daif;
}
CMACHINE_INLINE void cmachine_interrupts_restore(unsigned long state) {
  __asm__ volatile("msr daif, %0" : : "r"(state) : "memory");
}
CMACHINE_INLINE _Bool cmachine_interrupts_are_enabled(void) {
  unsigned long daif;
  __asm__ volatile("mrs %0, daif" : "=r"(daif));
  return (daif & 0x80) == 0;
}

#elif defined(__riscv)

CMACHINE_INLINE void cmachine_step(enum cmachine_step step) { (void)step; }
/// What a turn of a wait is instead of a PAUSE; null for that. One for the machine, set before others wait.
extern void (*cmachine_relax_hook)(void);
CMACHINE_INLINE void cmachine_set_relax_hook(void (*hook)(void)) {
  __atomic_store_n(&cmachine_relax_hook, hook, __ATOMIC_RELAXED);
}
/// One turn of a loop that waits for another CPU.
CMACHINE_INLINE void cmachine_relax(void) {
  void (*hook)(void) = __atomic_load_n(&cmachine_relax_hook, __ATOMIC_RELAXED);
  if (hook) hook();
  else __asm__ volatile(".insn i 0x0f, 0, x0, x0, 0x010");
}
CMACHINE_INLINE void cmachine_wait(enum cmachine_step step) { (void)step, cmachine_relax(); }
CMACHINE_INLINE void cmachine_entry_stored(unsigned long entry) { (void)entry; }
CMACHINE_INLINE void cmachine_memory_freed(unsigned long address, unsigned long byte_count, _Bool stays_zero) {
  (void)address, (void)byte_count, (void)stays_zero;
}

/// SFENCE.VMA with an address leaves tables alone.
CMACHINE_INLINE _Bool cmachine_ranges_may_spare_tables(void) { return 1; }
/// CPUs invalidate each other's TLBs by interrupts alone.
CMACHINE_INLINE _Bool cmachine_fences_lookups(void) { return 0; }

CMACHINE_INLINE unsigned long cmachine_thread_pointer(void) {
  unsigned long pointer;
  __asm__ volatile("mv %0, tp" : "=r"(pointer));
  return pointer;
}
/// The number in the block at `tp` (RISC-V psABI: thread pointer).
CMACHINE_INLINE unsigned long cmachine_number_in_block(void) {
  return *(const unsigned int *)(cmachine_thread_pointer() + CMACHINE_CPU_NUMBER_OFFSET);
}
/// Clears sstatus.SIE and returns what it was.
CMACHINE_INLINE unsigned long cmachine_interrupts_disable(void) {
  unsigned long status;
  __asm__ volatile("csrrci %0, sstatus, 2" : "=r"(status) : : "memory");
  return status & 2;
}
CMACHINE_INLINE void cmachine_interrupts_restore(unsigned long state) {
  __asm__ volatile("csrs sstatus, %0" : : "r"(state) : "memory");
}
CMACHINE_INLINE _Bool cmachine_interrupts_are_enabled(void) {
  unsigned long status;
  __asm__ volatile("csrr %0, sstatus" : "=r"(status));
  return (status & 2) != 0;
}

#else
#error "no CPU number and interrupt state for this target"
#endif

#if !__STDC_HOSTED__

/// Whether the number is read from memory, which `start` then checks.
CMACHINE_INLINE _Bool cmachine_number_is_in_block(void) {
#if defined(CMACHINE_SINGLE_CPU) || defined(CMACHINE_CPU_NUMBER_IS_POINTER)
  return 0;
#else
  return 1;
#endif
}
CMACHINE_INLINE unsigned long cmachine_number_offset(void) { return CMACHINE_CPU_NUMBER_OFFSET; }

/// How many CPUs can be told apart.
CMACHINE_INLINE unsigned long cmachine_most_cpus(void) {
#if defined(CMACHINE_SINGLE_CPU)
  return 1;
#else
  return ~0ul >> 1;
#endif
}

CMACHINE_INLINE unsigned long cmachine_cpu_number(void) {
#if defined(CMACHINE_SINGLE_CPU)
  return 0;
#elif defined(CMACHINE_CPU_NUMBER_IS_POINTER)
  return cmachine_thread_pointer();
#else
  return cmachine_number_in_block();
#endif
}

#endif

/// Turns of waiting before a CPU is notified again: on hardware some hundred microseconds, since a handler has
/// answered by then; in a simulation, where a turn is another CPU's, a few.
CMACHINE_INLINE unsigned long cmachine_reminder_turns(void) {
#if __STDC_HOSTED__
  return 8;
#else
  return 4096;
#endif
}

// MARK: How CPUs get in each other's way

// A build with CMACHINE_CONTENTION, of no use but to be measured, counts updates by CPU, and has whoever takes
// a lock pause while it holds it: an emulator that runs one CPU at a time runs another one then, which may
// want the same lock.
#if defined(CMACHINE_CONTENTION)

/// On cache lines of its own.
struct cmachine_update_counts {
  unsigned long of[CMACHINE_UPDATE_COUNT];
} __attribute__((aligned(64)));
extern struct cmachine_update_counts cmachine_updates[256];

CMACHINE_INLINE _Bool cmachine_has_contention(void) { return 1; }
CMACHINE_INLINE void cmachine_inside_lock(void) { cmachine_relax(); }
/// Interrupts may be on: what an interrupt in between has counted is lost, if it was of the same kind.
CMACHINE_INLINE void cmachine_count_update(enum cmachine_update kind) {
  cmachine_updates[cmachine_cpu_number() & 255].of[kind] += 1;
}
CMACHINE_INLINE unsigned long cmachine_updates_of(unsigned int cpu, enum cmachine_update kind) {
  return __atomic_load_n(&cmachine_updates[cpu & 255].of[kind], __ATOMIC_RELAXED);
}

#else

CMACHINE_INLINE _Bool cmachine_has_contention(void) { return 0; }
CMACHINE_INLINE void cmachine_inside_lock(void) {}
CMACHINE_INLINE void cmachine_count_update(enum cmachine_update kind) { (void)kind; }
CMACHINE_INLINE unsigned long cmachine_updates_of(unsigned int cpu, enum cmachine_update kind) {
  (void)cpu;
  (void)kind;
  return 0;
}

#endif

#endif
