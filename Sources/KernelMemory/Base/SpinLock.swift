internal import CMachine
internal import Synchronization

// Locks
//
// A lock is held with interrupts off, for a bounded time, and never while waiting for anything but another
// lock of a higher rank. The order, asserted in debug builds:
//
//     areas     which addresses are taken, and the descriptors
//     tables    the shape of the page tables, and what they count
//     requests  the list of flushes that CPUs are asked for
//     slab      one cache's slabs
//     zone      the buddy lists of one zone of frames
//     tags      which tags exist, and their quotas
//     reports   the misuses of kmalloc's memory that were found
//
// What one CPU has for itself needs no lock: interrupts are off there.

/// What a lock protects; a lock may be taken while locks of lower ranks alone are held.
enum LockRank: Int {
  case areas, tables, requests, slab, zone, tags, reports
}

/// A lock that CPUs wait for by spinning. In memory that is all zero it is free.
struct SpinLock: ~Copyable {
  private let word = Atomic<UInt32>(0)

  /// Runs `body` with the lock held.
  @inline(__always)
  borrowing func with<Result: ~Copyable, Failure: Error>(
    _ rank: LockRank, _ cpu: borrowing CPU, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    acquire(cpu)
    cmachine_inside_lock()
    cpu.hold(rank)
    defer {
      cpu.release(rank)
      #if Ablations
      // A store of one order or the other: the order is a constant.
      if Ablation.relaxedLocks.isOn {
        word.store(0, ordering: .relaxed)
      } else {
        word.store(0, ordering: .releasing)
      }
      #else
      word.store(0, ordering: .releasing)
      #endif
      cmachine_step(cmachine_step_lock_released)
    }
    return try body()
  }

  /// Whether somebody has it: for assertions.
  var isHeld: Bool { word.load(ordering: .relaxed) != 0 }

  @inline(__always)
  private borrowing func acquire(_ cpu: borrowing CPU) {
    cmachine_step(cmachine_step_lock_wanted)
    cpu.countLock()
    if !tryAcquire() { wait(cpu) }
  }

  @inline(never)
  private borrowing func wait(_ cpu: borrowing CPU) {
    cpu.countLockWait()
    repeat {
      while word.load(ordering: .relaxed) != 0 {
        cmachine_wait(cmachine_step_lock_waiting)
      }
    } while !tryAcquire()
  }

  /// Takes the lock if it is free.
  /// - Returns: whether this CPU has the lock now.
  @inline(__always)
  private borrowing func tryAcquire() -> Bool {
    updating(.lock) { word.exchange(1, ordering: .acquiring) == 0 }
  }
}
