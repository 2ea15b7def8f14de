// The hosted half of CMachine: a thread plays a CPU. A bare-metal build finds this file empty.
#include "CMachine.h"

#if defined(__linux__)
#include <stdio.h>
#include <stdlib.h>

_Thread_local unsigned int cmachine_current_cpu = 0;
_Thread_local unsigned int cmachine_interrupts_enabled = 1;
_Thread_local void (*cmachine_step_hook)(void *context, enum cmachine_step step) = 0;
_Thread_local void *cmachine_step_context = 0;

void cmachine_dropped_memory(void) {
  fputs("swift-vmalloc: retired memory was dropped without a completed flush\n", stderr);
  abort();
}
#endif
