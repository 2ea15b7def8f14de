// What a build with CMACHINE_CONTENTION counts; any other finds this file empty.
#include "CMachine.h"

#if defined(CMACHINE_CONTENTION)
struct cmachine_update_counts cmachine_updates[256];
#endif
