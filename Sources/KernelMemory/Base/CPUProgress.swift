internal import CMachine
internal import Synchronization

// What a CPU tells the others, so that they know what it can still reach
//
// A free waits for two things. Translations must be gone: the CPU has flushed since the entries were cleared.
// Walkers must have passed: software that walks through tables without a lock, on that CPU, began after they
// were cleared. Each is a word that its CPU alone writes and any may read:
//
//     epoch     0 outside this package, else the newest request that was there when the CPU came in, with
//               bit 0 set: a walker of epoch e may be in tables that request n frees only if e is odd and
//               e < n.
//               Odd marks an NMI, too: code that finds it odd has interrupted the package itself. A look-up,
//               which does not enter, stores 1, which is older than every request
//     done      the newest request that was there when the CPU's last flush began
//     answered  the newest drain that the CPU has made
//
// Requests are even numbers. A CPU that has not joined, or has left, is ahead of them all (`away`): nobody
// waits for it, and since that is odd, its calls are refused by the test that refuses an NMI's, at no extra
// cost. So what is owed before a CPU joins is one flush of all that it knows.
//
// Where CPUs flush by interrupt, `done` says both: a CPU serves between two walks alone. Where hardware sends
// the flush to all of them (`Machine.flushReachesAllCPUs`) nobody serves, and epochs alone say that walkers
// have passed. There whoever frees looks at the epochs behind a full barrier, so a look-up begins with one,
// too (`fenceLookup`): otherwise its mark could still be in a store buffer, and its loads be made.
//
// Flushes and epochs are apart in `Models/`, where the protocol is checked.

/// The words by which one CPU's progress is known.
struct CPUProgress: ~Copyable {
  /// Of a CPU for which nobody waits: odd, and above every request.
  static var away: UInt64 { .max }

  private let epochWord: Atomic<UInt64>
  private let doneWord: Atomic<UInt64>
  private let answeredWord: Atomic<UInt64>
}

// MARK: - Coming in and going out

extension CPUProgress {
  /// Whether this CPU is in the package already, or is none of its CPUs.
  @inline(__always)
  var isClosed: Bool { epochWord.load(ordering: .relaxed) & 1 != 0 }

  /// Comes in. The epoch is the newest request, with bit 0 set.
  @inline(__always)
  borrowing func enter(_ epoch: UInt64) { epochWord.store(epoch, ordering: .relaxed) }

  /// Begins a look-up, in any context, an NMI in the package included: until it ends no flush is served.
  /// - Returns: what `endLookup` wants; nil, with nothing begun, where nobody waits for this CPU.
  @inline(__always)
  borrowing func beginLookup() -> UInt64? {
    let old = epochWord.load(ordering: .relaxed)
    guard old != Self.away else { return nil }
    epochWord.store(1, ordering: .relaxed)
    return old
  }

  @inline(__always)
  borrowing func endLookup(_ old: UInt64) { epochWord.store(old, ordering: .releasing) }

  /// Goes on as one that has come in now, between two look-ups. A release, as going out is.
  @inline(__always)
  borrowing func renew(_ epoch: UInt64) { epochWord.store(epoch, ordering: .releasing) }

  /// Goes out. A release: what was read inside was read before.
  @inline(__always)
  borrowing func exit() { epochWord.store(0, ordering: .releasing) }

  /// Takes part in requests after `requested` and drains after `drainEpoch`.
  borrowing func join(requested: UInt64, drainEpoch: UInt64) {
    answeredWord.store(drainEpoch, ordering: .releasing)
    doneWord.store(requested, ordering: .releasing)
  }

  /// From here on the CPU may come in.
  borrowing func open() { epochWord.store(0, ordering: .releasing) }

  /// Leaves, or has never been here.
  borrowing func close() {
    epochWord.store(Self.away, ordering: .releasing)
    answeredWord.store(Self.away, ordering: .releasing)
    doneWord.store(Self.away, ordering: .releasing)
  }
}

// MARK: - What others ask

extension CPUProgress {
  var isOnline: Bool { done != Self.away }

  /// The newest request that was there when the CPU's last flush began.
  var done: UInt64 { doneWord.load(ordering: .acquiring) }
  borrowing func flushed(_ request: UInt64) { doneWord.store(request, ordering: .releasing) }

  /// Whether the CPU is at no look-up that began before a request. It may become false again for a moment,
  /// where a CPU comes in that has not seen the request: that one finds nothing of what was cleared for it.
  func isPast(_ request: UInt64) -> Bool {
    let epoch = epochWord.load(ordering: .acquiring)
    return epoch & 1 == 0 || epoch > request
  }

  var answered: UInt64 { answeredWord.load(ordering: .acquiring) }
  borrowing func answer(_ drainEpoch: UInt64) { answeredWord.store(drainEpoch, ordering: .releasing) }
}

/// Begins a look-up that takes no lock, in memory that others may free meanwhile: the mark of this CPU is
/// seen before what it reads was read. Nothing where flushes are served by the CPUs themselves.
@inline(__always)
func fenceLookup() {
  guard cmachine_fences_lookups() else { return }
  #if Ablations
  if Ablation.unfencedLookups.isOn { return }
  #endif
  atomicMemoryFence(ordering: .sequentiallyConsistent)
}
