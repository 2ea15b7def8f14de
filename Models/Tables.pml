/* Tables: page tables below page tables, at rest and awake

   An upper table, which stays, has an entry for the middle table, and that has two for the lowest ones: the
   shape of four levels, where two below the root's tables may go. Areas come and go, and pin a lowest table
   each; CPUs put to rest what is empty, take away what was flushed, wake what is needed, and walk through
   what is present, as their MMUs do, which may remember any table that was present when they read its entry.
   What stands for what:

       pin, unpin            Walker.pin, Walker.unpin, Walker.adjust; one call under the tables' lock
       putToRest             Walker.detachEmptyTables, of one table
       reapTables, noteTaken   Walker.reapTables, of one table, and Walker.noteTaken
       seal, collectBatch    Quarantine.requestFlush, Quarantine.pollFlush; a batch has tables alone
       serve, isComplete     as in Flush.pml
       walk                  Walker.descend in a look-up without a lock

   Entries, pins, what rests below, and whether a table is listed are what FrameState says of it. More is
   allowed than the code does: lists and batches are sets, so that tables leave them in any order, and each is
   worked on in a hold of the lock of its own. Left out: leaves and their flush (Flush.pml), large leaves,
   tables that a split makes, a fifth level. */

#ifndef CPUS
#define CPUS 2
#endif
#ifndef OPERATIONS
#define OPERATIONS 3              /* areas made, areas freed, and walks, together */
#endif

#define ABSENT 0
#define PRESENT 1
#define QUARANTINED 2

/* Tables: two lowest ones, and the one above them. */
#define MIDDLE 2
#define TABLES 3

byte requested;
byte done[CPUS];

byte entry[TABLES];               /* the entry that names each */
byte pins[TABLES], quarantined;       /* how many rest below the middle one */
bool isListed[TABLES];
bool isFree[TABLES];
bool isMade[2];                   /* the area that pins each of the lowest tables */
byte operations = OPERATIONS;

/* ---- of each CPU; sets of tables are of three bits */
byte emptied[CPUS], open[CPUS], closed[CPUS], flushed[CPUS], awaited[CPUS];
byte walkCache[CPUS];             /* what its MMU remembers */
byte walker[CPUS];                /* what a walk without a lock is in */

hidden byte tableIsCached, tableIsWalked, freedTwice, freedAbove, tableIsLost, tableIsForgotten;

inline forbid(condition, name) { if :: (condition) -> name = true; assert(!name) :: else fi }

/* ---- requests */

inline serve(c) {
  if
  :: done[c] != requested -> upTo = requested; walkCache[c] = 0; atomic { done[c] = upTo; upTo = 0 }
  :: else
  fi }

inline isComplete(number) {
  atomic { ok = true; k = 0 };
  do
  :: atomic { k < CPUS && ok -> ok = (done[k] >= number); k++ }
  :: atomic { else -> k = 0; break }
  od }

/* ---- under the tables' lock */

inline handOut(t) {
  forbid(isFree[t], freedTwice);
  forbid(t == MIDDLE && (entry[0] != ABSENT || entry[1] != ABSENT), freedAbove);
  k = 0;
  do
  :: k < CPUS ->
     forbid(walkCache[k] & (1 << t), tableIsCached);
     forbid(walker[k] & (1 << t), tableIsWalked);
     k++
  :: else -> k = 0; break
  od;
  isFree[t] = true }

/* What has no pin is on a list or in a batch, or rests until what rests below it is gone. */
inline checkTables() {
  k = 0;
  do
  :: k < TABLES ->
     forbid(entry[k] != ABSENT && pins[k] == 0 && !isListed[k] &&
       !(k == MIDDLE && entry[k] == QUARANTINED && quarantined > 0), tableIsForgotten);
     k++
  :: else -> k = 0; break
  od }

/* Present for whoever needs it: there, woken, or new. */
inline reach(t) {
  if :: entry[t] == ABSENT -> forbid(!isFree[t], tableIsLost); isFree[t] = false :: else fi;
  forbid(isFree[t], tableIsLost);
  if
  :: entry[t] != PRESENT && t != MIDDLE ->
     pins[MIDDLE]++;
     if :: entry[t] == QUARANTINED -> quarantined-- :: else fi
  :: else
  fi;
  entry[t] = PRESENT }

inline pin(t) { reach(MIDDLE); reach(t); pins[t]++ }

inline unpin(t, c) {
  pins[t]--;
  if
#ifdef X_LISTED_TWICE
  :: pins[t] == 0 -> isListed[t] = true; emptied[c] = emptied[c] | (1 << t)
#else
  :: pins[t] == 0 && !isListed[t] -> isListed[t] = true; emptied[c] = emptied[c] | (1 << t)
#endif
  :: else
  fi }

inline putToRest(t, c) {
  emptied[c] = emptied[c] & ~(1 << t);
  if
  :: pins[t] > 0 -> isListed[t] = false
  :: else ->
     if
     :: entry[t] == PRESENT ->
        entry[t] = QUARANTINED;
        if :: t != MIDDLE -> quarantined++; unpin(MIDDLE, c) :: else fi
     :: else
     fi;
#ifdef X_FREE_AT_REST
     flushed[c] = flushed[c] | (1 << t)
#else
     open[c] = open[c] | (1 << t)
#endif
  fi }

/* One below the middle table is gone. */
inline noteTaken(c) {
  quarantined--;
#ifndef X_FORGET_WHAT_WAITS
  if
  :: pins[MIDDLE] == 0 && quarantined == 0 && !isListed[MIDDLE] && entry[MIDDLE] == QUARANTINED ->
     isListed[MIDDLE] = true; emptied[c] = emptied[c] | (1 << MIDDLE)
  :: else
  fi
#endif
}

inline reapTables(t, c) {
  flushed[c] = flushed[c] & ~(1 << t);
  if
#ifdef X_IGNORE_WHAT_RESTS
  :: pins[t] > 0 -> isListed[t] = false
#else
  :: pins[t] > 0 || (t == MIDDLE && quarantined > 0 && entry[t] != PRESENT) -> isListed[t] = false
#endif
  :: else ->
     if
#ifndef X_DO_NOT_READ_AGAIN
     :: entry[t] == PRESENT -> emptied[c] = emptied[c] | (1 << t)
#endif
     :: else ->
        entry[t] = ABSENT; isListed[t] = false; handOut(t);
        if :: t != MIDDLE -> noteTaken(c) :: else fi
     fi
  fi }

inline choose(set) {
  if :: set & 1 -> t = 0 :: set & 2 -> t = 1 :: set & 4 -> t = MIDDLE fi }

/* ---- batches */

inline seal(c) {
  atomic { closed[c] = closed[c] | open[c]; open[c] = 0; requested = requested + 2; awaited[c] = requested };
  serve(c) }

inline collectBatch(c) {
  isComplete(awaited[c]);
  if
  :: atomic { ok -> ok = false; flushed[c] = flushed[c] | closed[c]; closed[c] = 0; awaited[c] = 0 }
  :: else
  fi }

proctype Cpu(byte c) {
  byte upTo, k, t;
  bool ok;
  do
  :: done[c] != requested -> serve(c)
  :: atomic { operations > 0 && (!isMade[0] || !isMade[1]) -> operations--;
       if :: !isMade[0] -> t = 0 :: !isMade[1] -> t = 1 fi;
       isMade[t] = true; pin(t); checkTables(); t = 0 }
  :: atomic { operations > 0 && (isMade[0] || isMade[1]) -> operations--;
       if :: isMade[0] -> t = 0 :: isMade[1] -> t = 1 fi;
       isMade[t] = false; unpin(t, c); checkTables(); t = 0 }
  :: atomic { emptied[c] != 0 -> choose(emptied[c]); putToRest(t, c); checkTables(); t = 0 }
  :: open[c] != 0 -> seal(c)
  :: awaited[c] != 0 -> collectBatch(c)
  :: atomic { flushed[c] != 0 -> choose(flushed[c]); reapTables(t, c); checkTables(); t = 0 }

  /* a walk without a lock: through present entries alone */
  :: atomic { operations > 0 -> operations--; if :: t = 0 :: t = 1 fi };
     if
     :: atomic { entry[MIDDLE] == PRESENT -> walker[c] = 4 };
        if :: atomic { entry[t] == PRESENT -> walker[c] = 4 | (1 << t) } :: else fi;
#ifdef X_SERVE_IN_WALK
        serve(c);
#endif
        atomic { walker[c] = 0; t = 0 }
     :: atomic { else -> t = 0 }
     fi
  od }

/* The MMUs: from an entry that is present, in a table that is present or remembered. */
proctype Hardware() {
  byte c;
  do
  :: atomic {
       if :: c = 0 :: c = 1 :: CPUS > 2 -> c = 2 % CPUS fi;
       if
       :: entry[MIDDLE] == PRESENT -> walkCache[c] = walkCache[c] | 4
       :: (entry[MIDDLE] == PRESENT || walkCache[c] & 4) && entry[0] == PRESENT -> walkCache[c] = walkCache[c] | 1
       :: (entry[MIDDLE] == PRESENT || walkCache[c] & 4) && entry[1] == PRESENT -> walkCache[c] = walkCache[c] | 2
       :: else
       fi;
       c = 0 }
  od }

init {
  atomic {
    byte i;
    /* Both areas are there. */
    do :: i < TABLES -> entry[i] = PRESENT; pins[i] = (i == MIDDLE -> 2 : 1); i++ :: else -> break od;
    isMade[0] = true; isMade[1] = true; i = 0;
    do :: i < CPUS -> run Cpu(i); i++ :: else -> break od;
    run Hardware(); i = 0 } }
