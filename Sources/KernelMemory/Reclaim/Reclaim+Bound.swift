internal import Synchronization

// How much may be freed and not flushed: a part of it is each CPU's, and the rest anybody's.

extension Reclaim {
  /// Whether this CPU may have so many pages freed and not flushed; takes what is missing from what no CPU
  /// has.
  @inline(__always)
  func isWithinBound(_ pages: UInt64, _ cpu: borrowing CPU) -> Bool {
    pages <= slot(cpu).value.limit || raiseLimit(to: pages, cpu)
  }

  /// In pieces of at least this many pages, so that CPUs seldom meet there.
  private static var piece: UInt64 { 256 }

  @inline(never)
  private func raiseLimit(to pages: UInt64, _ cpu: borrowing CPU) -> Bool {
    let slot = slot(cpu)
    let missing = max(pages &- slot.value.limit, Self.piece)
    var spare = state.value.spare.load(ordering: .relaxed)
    while spare >= missing {
      let (exchanged, original) = updating(.shared) {
        state.value.spare.compareExchange(
          expected: spare, desired: spare &- missing, ordering: .relaxed)
      }
      if exchanged {
        slot.value.limit &+= missing
        return true
      }
      spare = original
    }
    return false
  }

  /// Gives back what this CPU has taken of the common half, when it holds little.
  func lowerLimit(_ cpu: borrowing CPU) {
    let slot = slot(cpu)
    let share = state.value.share
    guard slot.value.limit > share, openBatch(cpu).value.pages &+ slot.value.queuedPages <= share else {
      return
    }
    let surplus = slot.value.limit &- share
    slot.value.limit = share
    _ = updating(.shared) { state.value.spare.wrappingAdd(surplus, ordering: .relaxed) }
  }
}
