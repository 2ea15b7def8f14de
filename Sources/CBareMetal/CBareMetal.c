// Compiled so that the header is checked on its own: every function in it is inline.
#include "CBareMetal.h"
