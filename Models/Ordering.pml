/* Ordering: the same free on CPUs that do not see stores in order

   One CPU clears the entry that names a table, asks, frees the table when the other has served, and makes
   another of the same frame. The other looks up without a lock and without a fence, serves, and its MMU walks
   whenever it likes. A CPU's stores wait in a store buffer, one for each word, and leave it in any order, but
   a release store after the others. Loads are made in order, but for what the mistakes say. So this shows
   where order is needed; which instruction gives it is in Machine.swift. What stands for what:

       entry                 Stable.write, relaxed, and Stable.publish, releasing (Entry.swift)
       ranges, requested     Shootdown.request: the ranges, and the number, a release; Shootdown.serve: an acquire
       flush                 Machine.Flush, which owes a barrier before and behind it
       done                  CPUProgress.flushed, a release; Shootdown.isComplete, an acquire
       lookUp                Walker.frame(at:) in CPUs.asReader: no flush is served in it
       contents              what the frame holds: page tables are zero when they are linked

   Claim besides: look-ups need no fence and no epoch, because what says that they have passed is `done`. Left
   out: locks (the release of the number stands for the lock's), other entries, machines on which CPUs
   disagree about the order of a third's stores. */

#ifndef LOOKUPS
#define LOOKUPS 2
#endif

#define NONE 255
#define ABSENT 0
#define PRESENT 1
#define QUARANTINED 2
#define FOREIGN 1                 /* contents: somebody's data */

byte entry = PRESENT, entryInBuffer = NONE;
byte contents, contentsInBuffer = NONE;
byte ranges, rangesInBuffer = NONE;
byte requested, requestedInBuffer = NONE;     /* a release */
byte done, doneInBuffer = NONE;   /* the other CPU's */
bool isCached, isInTable, isHandedOut;

hidden byte tableIsCached, tableIsWalked, foreignDataAreRead;

inline forbid(condition, name) { if :: (condition) -> name = true; assert(!name) :: else fi }

active proctype StoreBuffers() {
  do
#ifdef X_RELAXED_LINK
  :: atomic { entryInBuffer != NONE -> entry = entryInBuffer; entryInBuffer = NONE }
#else
  :: atomic { entryInBuffer != NONE && (entryInBuffer != PRESENT || contentsInBuffer == NONE) ->
       entry = entryInBuffer; entryInBuffer = NONE }
#endif
  :: atomic { contentsInBuffer != NONE -> contents = contentsInBuffer; contentsInBuffer = NONE }
  :: atomic { rangesInBuffer != NONE -> ranges = rangesInBuffer; rangesInBuffer = NONE }
#ifdef X_RELAXED_REQUEST
  :: atomic { requestedInBuffer != NONE -> requested = requestedInBuffer; requestedInBuffer = NONE }
#else
  :: atomic { requestedInBuffer != NONE && entryInBuffer == NONE && rangesInBuffer == NONE ->
       requested = requestedInBuffer; requestedInBuffer = NONE }
#endif
  :: atomic { doneInBuffer != NONE -> done = doneInBuffer; doneInBuffer = NONE }
  od }

active proctype Hardware() {
  do
  :: atomic { entry == PRESENT ->
       forbid(contents == FOREIGN, foreignDataAreRead);
       isCached = true }
  od }

active proctype Freeing() {
  entryInBuffer = QUARANTINED;
  rangesInBuffer = 1;
  requestedInBuffer = 2;
  done >= 2;
  atomic {
    forbid(isCached, tableIsCached); forbid(isInTable, tableIsWalked);
    isHandedOut = true; contentsInBuffer = FOREIGN };
  /* back again, cleared, and linked as a table */
  contentsInBuffer == NONE;
  contentsInBuffer = 0;
  atomic { entryInBuffer == NONE -> entryInBuffer = PRESENT }
}

active proctype Other() {
  byte upTo, covered, lookups;
  do
  /* a look-up */
  :: lookups < LOOKUPS ->
     lookups++;
     if
     :: atomic { entry == PRESENT -> forbid(contents == FOREIGN, foreignDataAreRead); isInTable = true };
#ifdef X_RELAXED_DONE
        /* what stands behind the look-up is seen before its last load */
        if :: requested != 0 -> upTo = requested; isCached = false; doneInBuffer = upTo; upTo = 0 :: else fi;
#endif
        isInTable = false
     :: else
     fi
  /* serve */
#ifdef X_FLUSH_BEFORE_READ
  :: true ->
     isCached = false;
     upTo = requested;
     if :: upTo != done && doneInBuffer == NONE -> doneInBuffer = upTo :: else fi; upTo = 0
#else
  :: requested != done && doneInBuffer == NONE ->
     upTo = requested; covered = ranges;
#ifdef X_RELAXED_DONE
     doneInBuffer = upTo;
     if :: covered -> isCached = false :: else fi;
#else
     if :: covered -> isCached = false :: else fi;
     doneInBuffer = upTo;
#endif
     atomic { upTo = 0; covered = 0 }
#endif
  od }
