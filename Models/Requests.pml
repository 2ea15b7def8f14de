/* Requests: what a CPU reads of them

   Two CPUs ask for flushes, each of what it has cleared before; a third serves, and is behind at times.
   Requests are kept in a ring of SLOTS, which is used again and again; whoever is further behind flushes
   everything. A CPU that says that it has served a request translates nothing that was cleared before that.
   What stands for what:

       ring, ranges(of:)     Shootdown.ranges(of:), memory; each request covers one page here
       ask                   Shootdown.request
       serve, collect        Shootdown.serve, collect; FlushRanges.flush

   Left out: that neighbouring ranges become one, and many become everything. */

#ifndef REQUESTS
#define REQUESTS 5
#endif
#ifndef SLOTS
#define SLOTS 2
#endif

byte requested, done;             /* done: of the CPU that serves */
byte ring[SLOTS];                 /* the page of request n, at n modulo SLOTS; numbers by one */
bool isCleared[REQUESTS], isCached[REQUESTS];
byte number[REQUESTS];            /* the request that covers each page; zero for none yet */
byte next;

hidden byte translatedAfterFlush;

inline forbid(condition, name) { if :: (condition) -> name = true; assert(!name) :: else fi }

proctype Asking() {
  byte page;
  do
  :: atomic { next < REQUESTS -> page = next; next++ };
     isCleared[page] = true;
#ifdef X_UNLOCKED
     ring[(requested + 1) % SLOTS] = page;
     atomic { requested++; number[page] = requested }
#else
     atomic { ring[(requested + 1) % SLOTS] = page; requested++; number[page] = requested }
#endif
  :: next >= REQUESTS -> break
  od }

inline collect() {
  upTo = requested;
  if
#ifdef X_ONE_TOO_MANY
  :: upTo - done > SLOTS + 1 -> everything = true
#else
  :: upTo - done > SLOTS -> everything = true
#endif
  :: else ->
     k = done + 1;
     do
     :: k <= upTo -> pages = pages | (1 << ring[k % SLOTS]); k++
     :: else -> k = 0; break
     od
  fi }

proctype Serving() {
  byte upTo, k, pages;
  bool everything;
  do
  :: done != requested ->
#ifdef X_UNLOCKED
     collect();
#else
     atomic { collect() };
#endif
     atomic {
       k = 0;
       do
       :: k < REQUESTS -> if :: everything || pages & (1 << k) -> isCached[k] = false :: else fi; k++
       :: else -> k = 0; break
       od;
       everything = false; pages = 0 };
     atomic {
       done = upTo; k = 0;
       do
       :: k < REQUESTS ->
          forbid(isCached[k] && number[k] != 0 && number[k] <= done, translatedAfterFlush); k++
       :: else -> k = 0; break
       od;
       upTo = 0 }
  od }

/* Its MMU. */
proctype Hardware() {
  byte k;
  do
  :: atomic { if :: k < REQUESTS - 1 -> k++ :: k = 0 fi };
     atomic { if :: !isCleared[k] -> isCached[k] = true :: else fi }
  od }

init { atomic { run Asking(); run Asking(); run Serving(); run Hardware() } }
