/* Flush: from a free to the reuse of what was freed

   Each CPU frees and makes areas, closes batches, completes them, looks things up without a lock, serves what
   it is asked, leaves and joins. Its MMU fills its TLB and its walk cache from the tables whenever it likes,
   whether or not anybody counts the CPU. Nothing may be handed out that an MMU translates to or walks
   through, or that a look-up is in.

   There are two areas of one page, below one page table. One statement is one step; `atomic` is what happens
   under a lock, or concerns the CPU alone. What stands for what:

       requested, done       CPUs.Shared.requested; CPUProgress.done, whose AWAY says that nobody waits for the CPU
       serve                 Shootdown.serve, collect
       request               Shootdown.request; notifications are left out, since a CPU serves at any moment
       isComplete            Shootdown.isComplete, hasServed
       suspend, clear        Vmalloc.retire, sleep, clear; Quarantine.push, cover, retireAddresses
       unpin, detachEmptyTables          Walker.unpin, Walker.detachEmptyTables; Quarantine.unpin, Quarantine.detachEmptyTables
       seal, collectBatch    Quarantine.requestFlush, pollFlush, FlushedBatch.append
       reapTables              Walker.reapTables, Quarantine.free of tables
       strip, stripOpen      Vmalloc.stripAsleep, Vmalloc.stripOpen
       pin, revive           Walker.pin; PageTables.revive
       lookUp                CPUs.asReader, Walker.frame(at:) and its kin
       leave, join           Shootdown.leave and join, with MemoryManager.leaveCPU's conditions

   More is allowed than the code does: a batch joins one that is closed in every mode, any CPU prunes and
   completes at any time, and what is flushed is free at once. Left out: ranges (every flush is of
   everything), bounds and budgets, the warm cache (its areas are live here), the index's nodes and the slabs'
   frames (which wait as tables do, without an entry), epochs (NMI.pml), tables below tables (Tables.pml), and
   order in memory (Ordering.pml). */

#ifndef CPUS
#define CPUS 2
#endif
#ifndef OPERATIONS
#define OPERATIONS 3              /* areas made, areas freed, and look-ups, together */
#endif
#ifndef DEPARTURES
#define DEPARTURES 1
#endif

#define AWAY 255
#define ABSENT 0
#define PRESENT 1
#define QUARANTINED 2
#define STALE 2                   /* cached, and what it names belongs to somebody else */
#define NOBODY 255

/* ---- what all CPUs see */
byte requested;
byte done[CPUS];
byte tableEntry = PRESENT;        /* the entry that names the table */
byte leaf[2];                     /* the table's entries */
byte pins = 1;                    /* the table's */
bool isListed;                    /* the table is on a list of emptied ones, or in a batch */
byte emptiedOf = NOBODY;          /* the CPU on whose list it is */
bool tableIsFree;
bool frameIsFree[2];              /* the frame behind an area */
mtype = { hole, reserved, live, retired };
mtype area[2];
byte operations = OPERATIONS, departures = DEPARTURES;

/* ---- what one CPU has; sets of areas are of two bits */
bool isOpen[CPUS] = true;         /* it has joined, and may come in */
byte openCleared[CPUS], openSleepers[CPUS], generation[CPUS];
bool openTable[CPUS];
byte closedCleared[CPUS], closedSleepers[CPUS], closedGeneration[CPUS], awaited[CPUS];
bool closedTable[CPUS], flushedTable[CPUS];
byte asleep[CPUS];
bool isInTable[CPUS];             /* a look-up reads the table */

/* ---- its MMU */
byte tlb[2 * CPUS], walkCache[CPUS];

/* ---- what must never be; set where it is found, and refused then */
hidden byte frameIsTranslated, addressIsTranslated, tableIsCached, tableIsWalked, freedTwice, batchIsTooNew,
  staleAfterJoin, tableIsLost;

inline forbid(condition, name) { if :: (condition) -> name = true; assert(!name) :: else fi }

/* ---- handing out: what nobody may reach any more. A CPU that is away reaches nothing, and may remember all. */

inline handOutFrame(a) {
  forbid(frameIsFree[a], freedTwice);
  z = 0;
  do
  :: z < CPUS ->
     forbid(isOpen[z] && tlb[2 * z + a] != 0, frameIsTranslated);
     if :: tlb[2 * z + a] != 0 -> tlb[2 * z + a] = STALE :: else fi;
     z++
  :: else -> break
  od;
  frameIsFree[a] = true; z = 0 }

inline handOutAddress(a) {
  z = 0;
  do
  :: z < CPUS -> forbid(isOpen[z] && tlb[2 * z + a] != 0, addressIsTranslated); z++
  :: else -> break
  od;
  area[a] = hole; z = 0 }

inline handOutTable() {
  forbid(tableIsFree, freedTwice);
  z = 0;
  do
  :: z < CPUS ->
     forbid(isInTable[z], tableIsWalked);
     forbid(isOpen[z] && walkCache[z] != 0, tableIsCached);
     if :: walkCache[z] != 0 -> walkCache[z] = STALE :: else fi;
     z++
  :: else -> break
  od;
  tableIsFree = true; z = 0 }

/* ---- requests */

inline flush(c) { tlb[2 * c] = 0; tlb[2 * c + 1] = 0; walkCache[c] = 0 }

/* It looks, reads under the lock, flushes, and then says so: others run between any two. */
inline serve(c) {
  if
  :: done[c] != requested ->
     upTo = requested;
#ifdef X_DONE_BEFORE_FLUSH
     done[c] = upTo;
     atomic { flush(c); upTo = 0 }
#else
     atomic { flush(c) };
#ifdef X_DONE_IS_NEWEST
     atomic { done[c] = requested; upTo = 0 }
#else
     atomic { done[c] = upTo; upTo = 0 }
#endif
#endif
  :: else
  fi }

/* One CPU a step. */
inline isComplete(number) {
  atomic { ok = true; k = 0 };
  do
  :: atomic { k < CPUS && ok -> ok = (done[k] >= number); k++ }
  :: atomic { else -> k = 0; break }
  od
#ifdef X_NO_WAIT
  ; ok = true
#endif
}

/* ---- tables; each under their lock */

inline unpin(c) {
  pins--;
  if
#ifdef X_LISTED_TWICE
  :: pins == 0 -> isListed = true; emptiedOf = c
#else
  :: pins == 0 && !isListed -> isListed = true; emptiedOf = c
#endif
  :: else
  fi }

inline detachEmptyTables(c) {
  if
  :: emptiedOf == c && pins > 0 -> emptiedOf = NOBODY; isListed = false
  :: emptiedOf == c && pins == 0 ->
     emptiedOf = NOBODY;
     if :: tableEntry == PRESENT -> tableEntry = QUARANTINED :: else fi;
     openTable[c] = true
  :: else
  fi }

inline takeTableAway(c) {
  if
  :: pins > 0 -> isListed = false
  :: pins == 0 && tableEntry == PRESENT -> emptiedOf = c
  :: else -> tableEntry = ABSENT; isListed = false; handOutTable()
  fi }

inline reapTables(c) {
#ifdef X_TAKE_AWAY_WITHOUT_LOCK
  seen = tableEntry;
  atomic {
    flushedTable[c] = false;
    if
    :: seen == QUARANTINED -> tableEntry = ABSENT; isListed = false; handOutTable()
    :: else -> if :: pins > 0 -> isListed = false :: else -> emptiedOf = c fi
    fi;
    seen = 0 }
#else
  atomic { flushedTable[c] = false; takeTableAway(c) }
#endif
}

inline pin() {
#ifdef X_WAKE_WITHOUT_LOCK
  seen = tableEntry;
  atomic { if :: seen == ABSENT -> tableIsFree = false :: else fi; tableEntry = PRESENT; pins++; seen = 0;
    forbid(tableIsFree, tableIsLost) }
#else
  atomic {
    if
    :: tableEntry == ABSENT -> tableIsFree = false                      /* a new one, all zero */
    :: else                                                             /* there, or woken */
    fi;
    tableEntry = PRESENT; pins++;
    forbid(tableIsFree, tableIsLost) }
#endif
}

/* ---- batches */

inline isEmpty(c, answer) {
  answer = (openCleared[c] == 0 && openSleepers[c] == 0 && !openTable[c] && awaited[c] == 0 && !flushedTable[c] &&
    emptiedOf != c && asleep[c] == 0) }

inline seal(c) {
  atomic {
    closedCleared[c] = closedCleared[c] | openCleared[c]; openCleared[c] = 0;
    closedSleepers[c] = closedSleepers[c] | openSleepers[c]; openSleepers[c] = 0;
    closedTable[c] = closedTable[c] || openTable[c]; openTable[c] = false;
    closedGeneration[c] = (closedGeneration[c] > generation[c] -> closedGeneration[c] : generation[c]);
    generation[c] = 0;
#ifdef X_CLEARED_BEHIND_REQUEST
    /* What was cleared after the request passes with it. */
    if :: awaited[c] == 0 -> requested = requested + 2; awaited[c] = requested :: else fi
#else
    requested = requested + 2; awaited[c] = requested
#endif
  };
  serve(c) }

inline collectBatch(c) {
  isComplete(awaited[c]);
  if
  :: atomic { ok ->
       ok = false;
#ifndef X_NO_GENERATION
       forbid(awaited[c] <= closedGeneration[c], batchIsTooNew);
#endif
       flushedTable[c] = flushedTable[c] || closedTable[c]; closedTable[c] = false;
       asleep[c] = asleep[c] | closedSleepers[c]; closedSleepers[c] = 0;
       if :: closedCleared[c] & 1 -> handOutFrame(0); handOutAddress(0) :: else fi;
       if :: closedCleared[c] & 2 -> handOutFrame(1); handOutAddress(1) :: else fi;
       closedCleared[c] = 0; awaited[c] = 0; closedGeneration[c] = 0 }
  :: else
  fi }

/* ---- the CPUs */

proctype Cpu(byte c) {
  byte upTo, k, z, a;
#if defined(X_TAKE_AWAY_WITHOUT_LOCK) || defined(X_WAKE_WITHOUT_LOCK)
  byte seen;
#endif
  bool ok;
  do
  /* an interrupt, whenever this CPU has them on: late, merged with others, or for nothing */
  :: isOpen[c] && done[c] != requested -> serve(c)

  /* vfree: falls asleep, or is cleared */
  :: atomic { isOpen[c] && operations > 0 && (area[0] == live || area[1] == live) ->
       if :: area[0] == live -> a = 0 :: area[1] == live -> a = 1 fi;
       area[a] = retired; operations-- };
     if
     :: leaf[a] = QUARANTINED; atomic { openSleepers[c] = openSleepers[c] | (1 << a); generation[c] = requested; a = 0 }
     :: leaf[a] = ABSENT; atomic { openCleared[c] = openCleared[c] | (1 << a); generation[c] = requested; a = 0 };
        atomic { unpin(c) }
     fi

  /* purge: what is empty is put to rest */
  :: isOpen[c] && emptiedOf == c -> atomic { detachEmptyTables(c) }; generation[c] = requested

  /* a batch is closed */
  :: isOpen[c] && (openCleared[c] != 0 || openSleepers[c] != 0 || openTable[c]) -> seal(c)

  /* a batch is completed, and what is in it */
  :: isOpen[c] && awaited[c] != 0 -> collectBatch(c)
  :: isOpen[c] && flushedTable[c] -> reapTables(c)

  /* an area that sleeps is taken apart; or one that does not yet */
  :: atomic { isOpen[c] && asleep[c] != 0 ->
       if :: asleep[c] & 1 -> a = 0 :: asleep[c] & 2 -> a = 1 fi; asleep[c] = asleep[c] & ~(1 << a) };
     leaf[a] = ABSENT; atomic { unpin(c) }; atomic { handOutFrame(a); handOutAddress(a); a = 0 }
  :: atomic { isOpen[c] && openSleepers[c] != 0 ->
       if :: openSleepers[c] & 1 -> a = 0 :: openSleepers[c] & 2 -> a = 1 fi;
       openSleepers[c] = openSleepers[c] & ~(1 << a) };
     leaf[a] = ABSENT; atomic { unpin(c) };
#ifdef X_STRIP_BEFORE_FLUSH
     atomic { handOutFrame(a); handOutAddress(a); a = 0 }
#else
     atomic { openCleared[c] = openCleared[c] | (1 << a); generation[c] = requested; a = 0 }
#endif

  /* vmalloc: of what sleeps here, or new */
  :: atomic { isOpen[c] && operations > 0 && asleep[c] != 0 ->
       if :: asleep[c] & 1 -> a = 0 :: asleep[c] & 2 -> a = 1 fi; asleep[c] = asleep[c] & ~(1 << a);
       operations-- };
     leaf[a] = PRESENT; atomic { area[a] = live; a = 0 }
  :: atomic { isOpen[c] && operations > 0 && (area[0] == hole || area[1] == hole) ->
       if :: area[0] == hole -> a = 0 :: area[1] == hole -> a = 1 fi;
       area[a] = reserved; operations-- };
     pin();
     atomic { frameIsFree[a] = false; leaf[a] = PRESENT }; atomic { area[a] = live; a = 0 }

  /* a look-up without a lock */
  :: atomic { isOpen[c] && operations > 0 -> operations-- };
     if
#ifdef X_FOLLOW_QUARANTINED
     :: atomic { tableEntry != ABSENT -> isInTable[c] = true };
#else
     :: atomic { tableEntry == PRESENT -> isInTable[c] = true };
#endif
#ifdef X_SERVE_IN_WALK
        serve(c);
#endif
        isInTable[c] = false
     :: else
     fi

  /* leaveCPU, with nothing left here, and another CPU that takes part; joinCPU */
  :: atomic { isOpen[c] && departures > 0 ->
       isEmpty(c, ok); k = 0; z = 0;
       do :: k < CPUS -> if :: k != c && done[k] != AWAY -> z = 1 :: else fi; k++ :: else -> break od;
       if :: ok && z == 1 -> isOpen[c] = false; done[c] = AWAY; departures-- :: else fi;
       ok = false; k = 0; z = 0 }
  :: !isOpen[c] ->
#ifdef X_NO_FLUSH_AT_JOIN
     done[c] = requested;
#else
#ifdef X_JOIN_AFTER_FLUSH
     atomic { flush(c) };
     done[c] = requested;
#else
     done[c] = requested;
     atomic { flush(c) };
#endif
#endif
     atomic {
       forbid(tlb[2 * c] == STALE || tlb[2 * c + 1] == STALE || walkCache[c] == STALE, staleAfterJoin);
       isOpen[c] = true }
  od }

/* The MMUs: any fill, on any CPU, at any moment. */
proctype Hardware() {
  byte c;
  do
  :: atomic {
       if :: c = 0 :: c = 1 :: CPUS > 2 -> c = 2 % CPUS fi;
       if
       :: tableEntry == PRESENT && walkCache[c] == 0 -> walkCache[c] = 1
       :: (tableEntry == PRESENT || walkCache[c] == 1) && leaf[0] == PRESENT && tlb[2 * c] == 0 -> tlb[2 * c] = 1
       :: (tableEntry == PRESENT || walkCache[c] == 1) && leaf[1] == PRESENT && tlb[2 * c + 1] == 0 ->
          tlb[2 * c + 1] = 1
       :: else
       fi;
       c = 0 }
  od }

init {
  atomic {
    byte i;
    leaf[0] = PRESENT; area[0] = live; area[1] = hole; frameIsFree[1] = true;
    do :: i < CPUS -> run Cpu(i); i++ :: else -> break od;
    run Hardware(); i = 0 } }
