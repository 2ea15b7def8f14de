/* Broadcast: flushes that the hardware sends

   A CPU invalidates other CPUs' TLBs itself (AArch64: TLBI ..IS; Machine.flushReachesAllCPUs). No interrupt is
   sent then, so nothing says that look-ups have passed but the epochs of CPUs that are in the package. The
   model is why the epoch word (CPUProgress) holds the number of a request, and what such a flush owes.

   Freeing stands for Shootdown.request where flushes are broadcast, and for Machine.flush, which has the
   barriers; freeIfPassed for Shootdown.isComplete, and CPUProgress.isPast; LookingUp for CPUs.asReader and
   whatever else begins with fenceLookup. A look-up that is entered by CPUs.enter has the newest request as its
   epoch, as here; one of asReader has 1, which is older.

   One CPU quarantines the entry that names a table, sends the invalidation, publishes the number of its
   request, and looks at the other's epoch; so does a third CPU, with PURGER, that has the number from it. The
   other looks up without a lock, and its MMU walks whenever it likes. Stores wait in store buffers as in
   Ordering.pml. The epoch is 0 outside, and the newest request at entry with bit 0 set inside; whoever finds
   it even, or above the number, frees the table.

   SOFTWARE_ALONE: MMUs do not walk there. FENCE_BEFORE_SCAN: another barrier, between the number and the look
   at epochs. */

#ifndef LOOKUPS
#define LOOKUPS 2
#endif

#define NONE 255
#define ABSENT 0
#define PRESENT 1
#define QUARANTINED 2

byte entry = PRESENT, entryInBuffer = NONE;
byte requested, requestedInBuffer = NONE;
byte epoch, epochInBuffer = NONE;
bool isCached, isInvalidating;    /* by the other CPU's MMU; on its way there */
bool isInTable, isFree;
byte awaited;                     /* what the third CPU has read with an acquire */

hidden byte tableIsCached, tableIsWalked;

inline forbid(condition, name) { if :: (condition) -> name = true; assert(!name) :: else fi }

#define STORES_ARE_SEEN (entryInBuffer == NONE && requestedInBuffer == NONE)

active proctype StoreBuffers() {
  do
  :: atomic { entryInBuffer != NONE -> entry = entryInBuffer; entryInBuffer = NONE }
#ifdef X_RELAXED_NUMBER
  :: atomic { requestedInBuffer != NONE ->
#else
  :: atomic { requestedInBuffer != NONE && entryInBuffer == NONE ->
#endif
       requested = requestedInBuffer; requestedInBuffer = NONE; awaited = requested }
  :: atomic { epochInBuffer != NONE -> epoch = epochInBuffer; epochInBuffer = NONE }
  od }

active proctype Hardware() {
  do
  :: atomic { isInvalidating -> isInvalidating = false; isCached = false }
#ifndef SOFTWARE_ALONE
  :: atomic { entry == PRESENT && !isCached -> forbid(isFree, tableIsWalked); isCached = true }
#endif
  od }

inline freeIfPassed(number) {
  seen = epoch;
#ifdef X_NO_EPOCHS
  if
  :: true ->
#else
  if
  :: seen % 2 == 0 || seen > number ->
#endif
     atomic {
       if
       :: isFree
       :: else -> forbid(isInTable, tableIsWalked); forbid(isCached, tableIsCached); isFree = true
       fi }
  :: else
  fi }

active proctype Freeing() {
  byte seen;
  entryInBuffer = QUARANTINED;
#ifndef X_NO_BARRIER_BEFORE_INVALIDATION
  STORES_ARE_SEEN;
#endif
#ifdef X_NUMBER_BEFORE_BARRIER
  requestedInBuffer = 2;
#endif
  isInvalidating = true;
#ifndef X_NO_BARRIER_BEHIND_INVALIDATION
  !isInvalidating;
#ifndef X_NO_FULL_BARRIER
  STORES_ARE_SEEN;
#endif
#endif
#ifndef X_NUMBER_BEFORE_BARRIER
  requestedInBuffer = 2;
#endif
#ifdef FENCE_BEFORE_SCAN
  STORES_ARE_SEEN;
#endif
  do :: freeIfPassed(2); if :: isFree -> break :: else fi od }

#ifdef PURGER
active proctype Third() {
  byte seen, number;
  awaited != 0; number = awaited;
  do :: freeIfPassed(number); if :: isFree -> break :: else fi od }
#endif

active proctype LookingUp() {
  byte newest, found, lookups;
  do
  :: lookups < LOOKUPS ->
     lookups++;
#ifdef X_EARLY_LOAD
     /* without a fence the walk's load may be made before anything that stands above it */
     if
     :: atomic { found = entry; if :: found == PRESENT -> forbid(isFree, tableIsWalked); isInTable = true :: else fi }
     :: true
     fi;
#endif
     newest = requested;
     atomic { epochInBuffer == NONE -> epochInBuffer = newest | 1 };
#ifndef X_NO_FENCE_IN_WALK
     epochInBuffer == NONE;
#endif
     if
     :: isInTable
     :: !isInTable ->
        atomic { found = entry; if :: found == PRESENT -> forbid(isFree, tableIsWalked); isInTable = true :: else fi }
     fi;
#ifdef X_RELAXED_EXIT
     atomic { epochInBuffer == NONE -> epochInBuffer = 0 };
     if :: epochInBuffer == NONE :: true fi;
     isInTable = false
#else
     isInTable = false;
     atomic { epochInBuffer == NONE -> epochInBuffer = 0 }
#endif
  :: else -> break
  od }
