// What CMachine.h leaves to be stored somewhere on RISC-V; any other target finds this file empty.
#include "CMachine.h"

#if defined(__riscv) && !__STDC_HOSTED__
void (*cmachine_relax_hook)(void);
#endif
