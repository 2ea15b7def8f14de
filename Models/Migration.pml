/* Migration: who waits for a flush carries its number

   Two callers free in strict mode, each on some CPU: the CPU's batch is closed, and its flush asked for. Then
   interrupts come on, and a caller may be on another CPU at each turn of its waiting; meanwhile CPUs complete
   their batches. When a free returns, the flush that it asked for is complete. What stands for what:

       closing               Quarantine.flushOpen, seal; PerCPU.awaited
       waiting               MemoryManager.finishFlush, wait(for:)
       completing            Quarantine.pollFlush, on each CPU for itself

   Left out: everything else. A look at all CPUs is one step: what is complete stays so. */

#ifndef CPUS
#define CPUS 3
#endif

byte requested, done[CPUS], awaited[CPUS];
byte running = 2;

hidden byte returnedEarly;

inline forbid(condition, name) { if :: (condition) -> name = true; assert(!name) :: else fi }

inline isComplete(number) {
  ok = true; k = 0;
  do :: k < CPUS -> ok = ok && done[k] >= number; k++ :: else -> k = 0; break od }

proctype Handler(byte c) {
  byte upTo;
  do
  :: done[c] != requested -> upTo = requested; atomic { done[c] = upTo; upTo = 0 }
  :: running == 0 -> break
  od }

proctype Caller(byte c) {
  byte number, k;
  bool ok;
  atomic { requested = requested + 2; number = requested; awaited[c] = requested };
  do
  :: if :: c = (c + 1) % CPUS :: skip fi;
#ifdef X_WAIT_FOR_THIS_CPU
     /* The batch of the CPU that it is on by now; where there is none, there is nothing to wait for. */
     atomic { isComplete(awaited[c]); if :: ok -> ok = false; break :: else fi }
#else
     atomic { isComplete(number); if :: ok -> ok = false; break :: else fi }
#endif
  od;
  atomic { isComplete(number); forbid(!ok, returnedEarly); running-- } }

proctype Completing() {
  byte k, c;
  bool ok;
  do
  :: atomic {
       if :: c = 0 :: c = 1 :: c = CPUS - 1 fi;
       if :: awaited[c] != 0 -> isComplete(awaited[c]); if :: ok -> awaited[c] = 0 :: else fi :: else fi;
       ok = false; c = 0 }
  :: running == 0 -> break
  od }

init {
  atomic {
    byte i;
    do :: i < CPUS -> run Handler(i); i++ :: else -> i = 0; break od;
    run Caller(0); run Caller(1); run Completing() } }
