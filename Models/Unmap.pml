/* Unmap: mappings by hand, and when a page may be mapped again

   Two callers map one page, each to its own frame, and unmap it, whoever has mapped it. Two CPUs fill their
   TLBs from the leaf whenever they like, and flush as a step of their own. A page that is mapped is
   translated to its frame or not at all; and when an unmap returns, nobody translates through what it found.
   What stands for what:

       map                   MemoryManager.map: Walker.tablesMissing with checkingLeaves, and write, under the locks
       unmap                 MemoryManager.unmapAny, beginUnmap: UnmapsUnderWay.begin, Walker.quarantine; the request;
                             wait(for:); Quarantine.endUnmap: Walker.clearQuarantined, UnmapsUnderWay.end
       flush                 Shootdown.serve on each CPU, in one step

   Left out: other pages (every pair of ranges overlaps here), tables, and splits of large leaves, which
   change no translation. */

#ifndef OPERATIONS
#define OPERATIONS 6
#endif

#define NONE 0
#define QUARANTINED 10            /* a leaf is 0, a frame, or this and a frame */

byte leaf = 1, tlb[2], requested, done[2];
byte isUnderWay;                  /* the caller whose unmap it is */
byte operations = OPERATIONS;

hidden byte otherFrameIsTranslated, translatedAfterUnmap;

inline forbid(condition, name) { if :: (condition) -> name = true; assert(!name) :: else fi }

#define IS_COMPLETE(number) (done[0] >= number && done[1] >= number)
#define IS_FREE_FOR_UNMAP (isUnderWay == NONE)

active proctype Hardware() {
  do
  :: atomic { leaf != 0 && leaf < QUARANTINED && tlb[0] == 0 -> tlb[0] = leaf }
  :: atomic { leaf != 0 && leaf < QUARANTINED && tlb[1] == 0 -> tlb[1] = leaf }
  :: atomic { done[0] != requested -> tlb[0] = 0; done[0] = requested }
  :: atomic { done[1] != requested -> tlb[1] = 0; done[1] = requested }
  od }

inline map(f) {
  atomic {
    if
#ifdef X_MAP_OVER_QUARANTINED
    :: leaf == 0 || leaf >= QUARANTINED ->
#else
    :: leaf == 0 ->
#endif
       leaf = f;
       forbid(tlb[0] != 0 && tlb[0] != f || tlb[1] != 0 && tlb[1] != f, otherFrameIsTranslated)
    :: else                        /* alreadyMapped */
    fi } }

inline unmap(me) {
  atomic {
#ifndef X_UNMAPS_OVERLAP
    IS_FREE_FOR_UNMAP -> isUnderWay = me;
#endif
    found = leaf;
    if
#ifdef X_ZERO_AT_ONCE
    :: found != 0 && found < QUARANTINED -> leaf = 0
#else
    :: found != 0 && found < QUARANTINED -> leaf = found + QUARANTINED
#endif
    :: else -> found = 0
    fi };
  atomic { requested++; number = requested };
#ifndef X_NO_WAIT
  IS_COMPLETE(number);
#endif
  atomic {
    if :: leaf >= QUARANTINED -> leaf = 0 :: else fi;
    isUnderWay = NONE;
    forbid(found != 0 && leaf == 0 && (tlb[0] == found || tlb[1] == found), translatedAfterUnmap);
    number = 0; found = 0 } }

proctype Caller(byte me) {
  byte number, found;
  do
  :: atomic { operations > 0 -> operations-- };
     if :: true -> map(me) :: true -> unmap(me) fi
  :: operations == 0 -> break
  od }

init { atomic { run Caller(1); run Caller(2) } }
