internal import Synchronization

// Counters that one CPU writes and any reads, and differences of their sums.

extension Atomic where Value == UInt64 {
  /// Adds to a counter that only the calling CPU writes.
  @inline(__always)
  borrowing func bump(_ amount: UInt64) {
    store(load(ordering: .relaxed) &+ amount, ordering: .relaxed)
  }

  /// The same as a release.
  @inline(__always)
  borrowing func bumpReleasing(_ amount: UInt64) {
    store(load(ordering: .relaxed) &+ amount, ordering: .releasing)
  }
}

extension UInt64 {
  /// A difference of sums that others move meanwhile: never below zero.
  @inline(__always)
  func less(_ other: UInt64) -> UInt64 { self > other ? self &- other : 0 }
}
