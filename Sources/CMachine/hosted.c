// The hosted half of CMachine: a thread plays a CPU. A bare-metal build finds this file empty.
#include "CMachine.h"

#if defined(__linux__)
#include <stdio.h>
#include <stdlib.h>

_Thread_local unsigned int cmachine_current_cpu = 0;
_Thread_local unsigned int cmachine_interrupts_enabled = 1;

void cmachine_dropped_memory(void) {
  fputs("swift-vmalloc: retired memory was dropped without a completed flush\n", stderr);
  abort();
}
#endif
