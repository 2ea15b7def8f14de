internal import Synchronization

// The bound on what is freed and not flushed
//
// One CPU has all of it. Of several each has its part of one half for good; the other half is a common pool,
// from which a CPU borrows when its part does not suffice (`raiseLimit`), and to which it returns that when
// it holds little (`lowerLimit`). So one CPU may retire a large area, and all together stay within the bound,
// which is Linux's: 8,192 pages times the bit length of the number of CPUs.

extension Reclaim {
  /// Whether this CPU may have so many pages freed and not flushed; takes what is missing from what no CPU
  /// has.
  @inline(__always)
  func isWithinBound(_ pages: UInt64, _ cpu: borrowing CPU) -> Bool {
    pages <= slot(cpu).value.limit || raiseLimit(to: pages, cpu)
  }

  /// The least that is borrowed, in pages: 256, so that small frees touch the shared word once in 256 pages.
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
