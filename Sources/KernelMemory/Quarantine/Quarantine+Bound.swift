internal import Synchronization

// The bound on what is freed and not flushed
//
// One CPU has all of it. Of several each has its part of one half for good; the other half is a common pool,
// from which a CPU borrows when its part does not suffice (`raiseLimit`), and to which it returns that when
// it holds little (`lowerLimit`). So one CPU may retire a large area, and all together stay within the bound,
// which is Linux's: 32 MiB times the bit length of the number of CPUs.

extension Quarantine {
  /// Whether this CPU may have so many pages freed and not flushed; takes what is missing from what no CPU
  /// has.
  @inline(__always)
  private func isWithinBound(_ pages: UInt64, _ cpu: borrowing CPU) -> Bool {
    pages <= cpu.perCPU.quarantine.value.limit || raiseLimit(to: pages, cpu)
  }

  /// Asks for a flush where an area of `span` pages more would pass the bound.
  func sealIfOverBound(with span: UInt64, _ cpu: borrowing CPU) {
    let held = openBatch(cpu).value.pages &+ cpu.perCPU.quarantine.value.queuedPages &+ span
    if !isWithinBound(held, cpu) { seal(cpu) }
  }

  /// Counts pages of an area that is queued to be cleared, and of one that is not any more.
  func countQueued(_ span: UInt64, _ cpu: borrowing CPU) {
    cpu.perCPU.quarantine.value.queuedPages &+= span
  }

  func uncountQueued(_ span: UInt64, _ cpu: borrowing CPU) {
    cpu.perCPU.quarantine.value.queuedPages &-= span
  }

  /// Whether, with `span` more, no more is freed and not flushed than this CPU has for itself, and nothing is
  /// left to be cleared.
  @inline(__always)
  func hasSlack(for span: UInt64, _ cpu: borrowing CPU) -> Bool {
    let own = cpu.perCPU.quarantine
    return openBatch(cpu).value.pages &+ own.value.awaitedPages &+ span <= own.value.limit
      && own.value.queuedPages == 0
  }

  /// Whether, with `span` more, more pages are freed and not flushed than this CPU may have.
  @inline(__always)
  func isOverBound(with span: UInt64, _ cpu: borrowing CPU) -> Bool {
    let own = cpu.perCPU.quarantine
    let held = openBatch(cpu).value.pages &+ own.value.queuedPages &+ own.value.awaitedPages
    if held &+ span <= own.value.limit { return false }
    // At most the bound: more would not fit under it, ever.
    return held > 0 && !isWithinBound(held &+ min(span, state.value.bound), cpu)
  }

  /// The least that is borrowed, in pages: 1 MiB, so that small frees touch the shared word once in 256 pages
  /// of 4 KiB.
  private var piece: UInt64 { PageCount(bytes: 1 << 20, pool.pageSize).rawValue }

  @inline(never)
  private func raiseLimit(to pages: UInt64, _ cpu: borrowing CPU) -> Bool {
    let own = cpu.perCPU.quarantine
    let missing = max(pages &- own.value.limit, piece)
    var spare = state.value.spare.load(ordering: .relaxed)
    while spare >= missing {
      let (exchanged, original) = updating(.shared) {
        state.value.spare.compareExchange(
          expected: spare, desired: spare &- missing, ordering: .relaxed)
      }
      if exchanged {
        own.value.limit &+= missing
        return true
      }
      spare = original
    }
    return false
  }

  /// Gives back what this CPU has taken of the common half, when it holds little.
  func lowerLimit(_ cpu: borrowing CPU) {
    let own = cpu.perCPU.quarantine
    let share = state.value.share
    guard own.value.limit > share, openBatch(cpu).value.pages &+ own.value.queuedPages <= share else {
      return
    }
    let surplus = own.value.limit &- share
    own.value.limit = share
    _ = updating(.shared) { state.value.spare.wrappingAdd(surplus, ordering: .relaxed) }
  }
}
