/* Waiting: whoever waits for other CPUs ends

   Threads wait, each for the flush that it has asked for, or for a drain of all CPUs. They may be moved to
   another CPU whenever interrupts are on. Interrupts come late, merge, and one may be lost. The last CPU
   leaves, which waits for its own flush, and joins again. Claim: all threads come to their end, if every CPU
   goes on (weak fairness). What stands for what:

       serveFlushes          MemoryManager.serveFlushes, the handler: a flush, one step of a drain, and a
                             notification of itself where another step is needed
       serve                 MemoryManager.serve: Shootdown.serve and drainStep, whose last step answers the drain
                             that was there when it began
       request, notifyBehind Shootdown.request, Shootdown.notifyBehind
       askForDrain           MemoryManager.askForDrain, Quarantine.startDrain
       waitForOthers         MemoryManager.wait(whileBehind:), waitATurn, remind: the caller's number, its own turn of
                             serving, and a reminder for every other CPU that is behind
       leaveCPU, joinCPU     MemoryManager.leaveCPU and joinCPU, Shootdown.leave and join

   Left out: what is flushed and freed (Flush.pml), turns between two reminders (each turn reminds), and that
   a look at all CPUs takes several steps: what is complete stays so. The one drain stands for the four of
   drainAllCPUs. */

#ifndef CPUS
#define CPUS 2
#endif
#ifndef THREADS
#define THREADS 2
#endif
#ifndef LOST
#define LOST 0                    /* interrupts that get lost */
#endif
#ifndef DEPARTURES
#define DEPARTURES 0
#endif
#ifndef STEPS
#define STEPS 1                   /* of a drain on each CPU, before its last */
#endif
/* MIGRATION: threads are moved. */

#define AWAY 255

byte requested, drainEpoch;
byte done[CPUS], answered[CPUS];
bool isOpen[CPUS] = true;
bool interruptsAreOff[CPUS];      /* on that CPU somebody is in the package */
bool isNotified[CPUS];            /* an interrupt is on its way */
byte steps[CPUS] = STEPS;
byte lost = LOST, departures = DEPARTURES;
byte finished;

#define LAST (CPUS - 1)

/* A thread comes in on the CPU that it is on; where that has left, it was moved before. */
inline comeIn(c) {
  do
  :: atomic { !isOpen[c] && !interruptsAreOff[c] -> c = 0 }
  :: atomic { isOpen[c] && !interruptsAreOff[c] -> interruptsAreOff[c] = true; break }
#ifdef X_WAIT_WITH_INTERRUPTS_OFF
  :: atomic { holds == c + 1 -> break }
#endif
  od
#ifdef X_WAIT_WITH_INTERRUPTS_OFF
  ; holds = c + 1
#endif
}

inline goOut(c) {
#ifdef X_WAIT_WITH_INTERRUPTS_OFF
  skip
#else
  interruptsAreOff[c] = false
#endif
}

inline mayBeMoved(c) {
#ifdef MIGRATION
  if :: c = (c + 1) % CPUS :: skip fi
#else
  skip
#endif
}

/* again: another step is needed. */
inline serve(c) {
  if :: done[c] != requested -> seen = requested; atomic { done[c] = seen; seen = 0 } :: else fi;
  if
  :: answered[c] != drainEpoch ->
     seen = drainEpoch;
     atomic {
       if :: steps[c] > 0 -> steps[c]--; again = true :: else -> answered[c] = seen fi;
       seen = 0 }
  :: else
  fi }

/* Whether a CPU has yet to do what a thread waits for. */
#define IS_BEHIND(cpu) ((isDrain -> answered[cpu] : done[cpu]) < number)

inline notifyBehind(c) {
  d_step {
    k = 0;
    do
    :: k < CPUS -> if :: k != c && IS_BEHIND(k) -> isNotified[k] = true :: else fi; k++
    :: else -> k = 0; break
    od } }

/* One turn after the other, until no CPU is behind. */
inline waitForOthers(c) {
  isDone = false;
  do
  :: atomic { isDone -> isDone = false; break }
  :: else ->
#ifndef X_WAITER_DOES_NOT_SERVE
     comeIn(c); serve(c); again = false; goOut(c);
#endif
     mayBeMoved(c);
     d_step {
       isDone = true; k = 0;
       do :: k < CPUS -> if :: IS_BEHIND(k) -> isDone = false :: else fi; k++ :: else -> k = 0; break od };
#ifndef X_NO_REMINDER
     if :: !isDone -> notifyBehind(c) :: else fi
#endif
  od }

/* The interrupt of a CPU. */
proctype Handler(byte c) {
  byte seen;
  bool again;
  do
  :: atomic { isNotified[c] && !interruptsAreOff[c] && isOpen[c] -> isNotified[c] = false; interruptsAreOff[c] = true };
     serve(c);
     atomic {
#ifndef X_NO_NOTIFICATION_OF_ITSELF
       if :: again -> isNotified[c] = true :: else fi;
#endif
       again = false; interruptsAreOff[c] = false }
  /* refused */
  :: atomic { isNotified[c] && !interruptsAreOff[c] && !isOpen[c] -> isNotified[c] = false }
  :: atomic { isNotified[c] && lost > 0 -> lost--; isNotified[c] = false }
  od }

proctype Thread(byte c) {
  byte number, k, seen, holds;
  bool isDone, isDrain, again;
  if
  :: comeIn(c);
#ifdef X_NOTIFY_FIRST
     number = requested + 2;
     notifyBehind(c);
     atomic { requested = requested + 2; number = requested };
     serve(c); again = false;
#else
     atomic { requested = requested + 2; number = requested };
     serve(c); again = false;
     notifyBehind(c);
#endif
     goOut(c)
  :: comeIn(c);
     atomic { drainEpoch++; number = drainEpoch; isDrain = true };
     serve(c); again = false;
     notifyBehind(c);
     goOut(c);
     mayBeMoved(c);
     waitForOthers(c);
     atomic { number = requested; isDrain = false }
  fi;
  mayBeMoved(c);
  waitForOthers(c);
  finished++ }

proctype LastCPU() {
  byte c = LAST, number, k, seen, holds;
  bool isDone, isDrain, again;
  do
  :: departures > 0 ->
     departures--;
     comeIn(c);
     atomic { requested = requested + 2; number = requested };
     serve(c); again = false;
     notifyBehind(c);
     goOut(c);
     do                            /* it is not moved */
     :: atomic { isDone -> isDone = false; break }
     :: else ->
        comeIn(c); serve(c); again = false; goOut(c);
        d_step {
          isDone = true; k = 0;
          do :: k < CPUS -> if :: IS_BEHIND(k) -> isDone = false :: else fi; k++ :: else -> k = 0; break od };
#ifndef X_NO_REMINDER
        if :: !isDone -> notifyBehind(c) :: else fi
#endif
     od;
     comeIn(c); serve(c); again = false;
     atomic { isOpen[c] = false; answered[c] = AWAY; done[c] = AWAY; interruptsAreOff[c] = false };
     atomic { !interruptsAreOff[c] -> interruptsAreOff[c] = true };
#ifdef X_JOIN_UNANSWERED
     atomic { answered[c] = 0; done[c] = requested };
#else
     atomic { answered[c] = drainEpoch; done[c] = requested };
#endif
     atomic { isOpen[c] = true; interruptsAreOff[c] = false }
  :: else -> break
  od }

init {
  atomic {
    byte i;
    do :: i < CPUS -> run Handler(i); i++ :: else -> break od;
    if :: run Thread(0) :: run Thread(LAST) fi;
    if :: THREADS > 1 -> run Thread(LAST) :: else fi;
    if :: DEPARTURES > 0 -> run LastCPU() :: else fi;
    i = 0 } }

ltl allEnd { <> (finished == THREADS) }
