/* NMI: what may interrupt the package itself

   One CPU works in the package, looks things up, leaves and joins; an NMI comes at any step of that, and does
   what it may: it serves flushes, works in the package where that lets it in, and looks things up. Another
   CPU frees the table that look-ups walk through, as soon as this one has served its request. Nobody may be
   in the table then, and nobody finds state half changed. What stands for what:

       epoch                 CPUProgress: 0 outside, requested | 1 inside, 1 in a look-up, AWAY where nobody waits
       comeIn, goOut         CPUs.enter, CPUs.attempt; CPUProgress.isClosed, enter, exit
       serve                 Shootdown.serve
       lookUp                CPUs.asReader; CPUProgress.beginLookup, endLookup
       leave, join           MemoryManager.leave, Shootdown.leave and join; CPUProgress.close, join, open

   The words are of this CPU, which sees its own stores in order; for what the other sees see Ordering.pml.
   Left out: an NMI in an NMI, and what an action of Machine may call, which is refused by the same mark. */

#define AWAY 255
#define ABSENT 0
#define PRESENT 1
#define QUARANTINED 2

byte requested, done, epoch;
byte entry = PRESENT;
bool isOnline = true;             /* the CPU may walk through the managed ranges */
bool isInside;                    /* what this CPU alone works on is half changed */
bool isInNMI;
byte walkers;                     /* walks through the table, the interrupted one and the NMI's */
byte frees = 2, nmis = 2, works = 3;

hidden byte tableIsWalked, stateIsHalfChanged, comesInAway, markIsLost;

inline forbid(condition, name) { if :: (condition) -> name = true; assert(!name) :: else fi }

inline serve() {
  if
  :: done != requested -> upTo = requested; done = upTo; upTo = 0
  :: else
  fi }

inline workInside() {
  atomic { forbid(isInside, stateIsHalfChanged); forbid(!isOnline, comesInAway); isInside = true };
  isInside = false }

inline walk() {
  if
  :: atomic { entry == PRESENT -> forbid(!isOnline, comesInAway); walkers++ }; walkers--
  :: else
  fi }

/* seen is what it finds; where the mark is odd it is refused. */
inline comeInAndWork() {
  seen = epoch;
  if
  :: seen & 1 -> seen = 0
  :: else ->
     epoch = requested | 1; seen = 0;
     workInside();
     if
     :: true -> serve()                    /* serveFlushes, or a request of its own: never in the middle of a walk */
     :: true -> walk()                     /* in the tables, without their lock */
     fi;
     epoch = 0
  fi }

inline lookUp() {
  old = epoch;
  if
  :: old == AWAY -> old = 0
  :: else ->
#ifdef X_UNMARKED_LOOKUP
     walk();
#else
     epoch = 1;
     walk();
#ifdef X_LOOKUP_ENDS_OUTSIDE
     epoch = 0;
#else
     epoch = old;
#endif
#endif
     old = 0
  fi }

/* What the NMI interrupts: one step at a time, none while it runs. */
#define IF_NOT_INTERRUPTED provided (!isInNMI)

active proctype Interrupted() IF_NOT_INTERRUPTED {
  byte seen, old, upTo;
  do
  :: works > 0 && isOnline -> works--; comeInAndWork()
  :: works > 0 && isOnline -> works--; lookUp()
  :: works > 0 && isOnline ->
     works--;
     /* it comes in as any other, and goes out for good */
     seen = epoch;
     if
     :: seen & 1 -> seen = 0
     :: else ->
        epoch = requested | 1; seen = 0;
        workInside(); serve();
        epoch = AWAY; isOnline = false;
        done = AWAY
     fi
  :: !isOnline ->
#ifdef X_OPEN_BEFORE_FLUSH
     epoch = 0;
     done = requested;
     skip;                         /* the flush */
     isOnline = true
#else
     done = requested;
     skip;                         /* the flush */
     isOnline = true; epoch = 0
#endif
  :: else -> break
  od }

active proctype NMI() {
  byte seen, old, upTo, before;
  do
  :: atomic { nmis > 0 -> nmis--; isInNMI = true; before = epoch };
     if
#ifdef X_SERVE_IN_NMI
     :: true -> serve()
#endif
     :: true -> comeInAndWork()
     :: true -> lookUp()
     fi;
     atomic { forbid(epoch != before && before != 0, markIsLost); isInNMI = false; before = 0 }
  :: nmis == 0 -> break
  od }

/* Puts the table to rest, asks, and frees it; then it is there again. */
active proctype Other() {
  byte number;
  do
  :: frees > 0 ->
     frees--;
     entry = QUARANTINED;
     atomic { requested = requested + 2; number = requested };
     done >= number;
     atomic { entry = ABSENT; forbid(walkers > 0, tableIsWalked) };
     entry = PRESENT; number = 0
  :: else -> break
  od }
