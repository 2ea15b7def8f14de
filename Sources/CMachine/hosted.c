// The hosted half of CMachine: a thread plays a CPU. A bare-metal build (-ffreestanding) finds this file empty.
#include "CMachine.h"

#if __STDC_HOSTED__
#include <stdio.h>
#include <stdlib.h>

_Thread_local unsigned int cmachine_current_cpu = 0;
_Thread_local unsigned int cmachine_interrupts_enabled = 1;
_Thread_local void (*cmachine_step_hook)(void *context, enum cmachine_step step) = 0;
_Thread_local void *cmachine_step_context = 0;
_Thread_local const struct cmachine_memory_model *cmachine_model = 0;
unsigned int cmachine_broadcasting_machines = 0;
void (*cmachine_entry_hook)(unsigned long entry) = 0;
cmachine_freed_hook *cmachine_memory_freed_hook = 0;

void cmachine_dropped_memory(void) {
  fputs("swift-vmalloc: retired memory was dropped without a completed flush\n", stderr);
  abort();
}

#if __has_feature(thread_sanitizer)
// Swift tells ThreadSanitizer of formal accesses besides those of the code: an `inout` of one field behind an
// address is said to be a write of all that begins there, so that two CPUs that change different fields of a
// record look like a race. Builds under ThreadSanitizer link with `--wrap=__tsan_external_write`; loads and
// stores are watched as ever.
void __wrap___tsan_external_write(void *address, void *caller, void *tag) {
  (void)address;
  (void)caller;
  (void)tag;
}
#endif
#endif
