/* Away: CPUs that are idle, and are not waited for

   Nothing in the package does this yet: a CPU leaves and joins under a lock. The model is how an idle CPU
   could be left alone without one, and why that may never be where tables are freed.

   The CPU says that it is away, and no longer touches what is managed; on its way back it says so, and serves
   what was asked meanwhile before it touches anything. Whoever clears an entry and asks, looks whether it is
   away, and does not wait for it then. Its MMU goes on filling its TLB, and may walk by what it has cached
   whenever it likes. Stores wait in store buffers as in Ordering.pml.

   TABLE: what is freed is a table. Then CPUs that are away are waited for, too. */

#define NONE 255

byte entry = 1, entryInBuffer = NONE;
byte requested, requestedInBuffer = NONE;
byte away, awayInBuffer = NONE;
byte done, doneInBuffer = NONE;
bool isCached, isNotified, isFree, isAway, mayTouch = true;

hidden byte translatedAfterFree, walkedAfterFree;

inline forbid(condition, name) { if :: (condition) -> name = true; assert(!name) :: else fi }

#define STORES_ARE_SEEN (entryInBuffer == NONE && requestedInBuffer == NONE)
#define ITS_STORES_ARE_SEEN (awayInBuffer == NONE && doneInBuffer == NONE)

active proctype StoreBuffersAndHardware() {
  do
  :: atomic { entryInBuffer != NONE -> entry = entryInBuffer; entryInBuffer = NONE }
  :: atomic { requestedInBuffer != NONE && entryInBuffer == NONE -> requested = requestedInBuffer; requestedInBuffer = NONE }
  :: atomic { awayInBuffer != NONE -> away = awayInBuffer; awayInBuffer = NONE }
  :: atomic { doneInBuffer != NONE && awayInBuffer == NONE -> done = doneInBuffer; doneInBuffer = NONE }
  :: atomic { entry == 1 && !isCached -> forbid(isFree, translatedAfterFree); isCached = true }
#ifdef TABLE
  :: atomic { isCached -> forbid(isFree, walkedAfterFree) }
#else
  :: atomic { isCached && mayTouch -> forbid(isFree, translatedAfterFree) }
#endif
  od }

active proctype Freeing() {
  byte isDone, skips;
  entryInBuffer = 0;
  requestedInBuffer = 1;
#ifndef X_NO_FENCE_IN_REQUEST
  STORES_ARE_SEEN;
#endif
  do
  :: skips = away;
#ifdef TABLE
#ifndef X_SKIP_FOR_TABLES
     skips = 0;
#endif
#endif
     if :: skips == 1 -> break :: else fi;
     isDone = done;
     if :: isDone >= 1 -> break :: else -> STORES_ARE_SEEN; isNotified = true fi
  od;
  atomic {
    isFree = true;
#ifdef TABLE
    forbid(isCached, walkedAfterFree)
#else
    forbid(isCached && mayTouch, translatedAfterFree)
#endif
  } }

inline serve() {
  upTo = requested;
  if
  :: upTo != served -> isCached = false; atomic { doneInBuffer == NONE -> doneInBuffer = upTo }; served = upTo
  :: else
  fi }

active proctype Other() {
  byte upTo, served;
  do
  :: isNotified -> isNotified = false; serve()
  :: !isAway ->
     mayTouch = false; isAway = true;
     atomic { awayInBuffer == NONE -> awayInBuffer = 1 }
  :: isAway ->
     atomic { awayInBuffer == NONE -> awayInBuffer = 0 };
#ifndef X_NO_FENCE_ON_THE_WAY_BACK
     ITS_STORES_ARE_SEEN;
#endif
     serve();
     isAway = false; mayTouch = true
  od }
