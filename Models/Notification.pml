/* Notification: the request is seen before the interrupt

   One CPU asks, and notifies another; its stores wait in a store buffer, which an interrupt does not pass
   through. The other looks once for each interrupt. Claim: the one that waits ends. What stands for what:

       asking                Shootdown.request, notifyBehind; Machine.Notify, which owes the barrier
       reminders             MemoryManager.remind, with REMINDERS
       handler               MemoryManager.serveFlushes

   Left out: everything else. LOST: the first interrupt may get lost. */

#define NONE 255

byte requested, requestedInBuffer = NONE;
byte done;
bool isNotified, isOver;
#ifdef LOST
byte lost = 1;
#endif

active proctype StoreBuffer() {
  do
  :: atomic { requestedInBuffer != NONE -> requested = requestedInBuffer; requestedInBuffer = NONE }
  :: isOver -> break
  od }

active proctype Asking() {
  requestedInBuffer = 2;
#ifndef X_NO_BARRIER_BEFORE_NOTIFY
  requestedInBuffer == NONE;
#endif
  isNotified = true;
  do
  :: done >= 2 -> break
  :: done < 2 ->
#ifdef REMINDERS
     isNotified = true
#else
     skip
#endif
  od;
  isOver = true }

active proctype Handler() {
  byte upTo;
  do
  :: atomic { isNotified -> isNotified = false };
     upTo = requested;
     if :: upTo != done -> done = upTo :: else fi;
     upTo = 0
#ifdef LOST
  :: atomic { isNotified && lost > 0 -> lost--; isNotified = false }
#endif
  :: isOver -> break
  od }

ltl allEnd { <> isOver }
