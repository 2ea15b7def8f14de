import BareMetal
import CMachine
import KernelMemory

/// What all CPUs have done since the start that other CPUs could feel.
struct ContentionCounts {
  private(set) var pairs: UInt64 = 0
  private var locks: UInt64 = 0
  private var lockWaits: UInt64 = 0
  /// Updates that decide who ends an allocation, on words of the allocation's own; and all others but those
  /// of locks.
  private var ends: UInt64 = 0
  private var shared: UInt64 = 0
  private var lockUpdates: UInt64 = 0

  init() {}

  init(of manager: MemoryManager) {
    pairs = manager.counters[.areasFreed]
    locks = manager.locks.taken
    lockWaits = manager.locks.waits
    for cpu in 0..<UInt32(Processors.count) {
      ends += UInt64(cmachine_updates_of(cpu, cmachine_update_end))
      shared += UInt64(cmachine_updates_of(cpu, cmachine_update_shared))
      lockUpdates += UInt64(cmachine_updates_of(cpu, cmachine_update_lock))
    }
  }

  func since(_ earlier: ContentionCounts) -> ContentionCounts {
    var difference = self
    difference.pairs -= earlier.pairs
    difference.locks -= earlier.locks
    difference.lockWaits -= earlier.lockWaits
    difference.ends -= earlier.ends
    difference.shared -= earlier.shared
    difference.lockUpdates -= earlier.lockUpdates
    return difference
  }

  /// Writes rows: for 64 pairs.
  func write(_ name: StaticString, _ mode: FreeMode) {
    write(locks, "_locks")
    write(lockWaits, "_lock_waits")
    write(lockUpdates, "_lock_attempts")
    write(shared, "_shared_updates")
    write(ends, "_free_updates")

    func write(_ count: UInt64, _ detail: StaticString) {
      Row(name, detail, mode).write(hundredths: rounding(count * 6_400, over: pairs))
    }
  }
}
