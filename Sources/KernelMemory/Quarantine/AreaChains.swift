/// Freed areas whose entries are absent and may still be translated: those that will be asleep when their
/// flush is complete, by page count. In cleared memory it is empty.
struct AreaChains: ~Copyable {
  private(set) var first: AreaCache.Chains
  private var last: AreaCache.Chains
  /// Bit n: there is an area of n + 1 pages.
  private var counts: UInt64

  /// Whether there is an area of `count` pages. `mutating` only to avoid a copy of the array.
  @inline(__always)
  mutating func has(_ count: UInt64) -> Bool { first[Int(truncatingIfNeeded: count &- 1)] != nil }

  /// Adds an area where there is one of `count` pages. O(1).
  @inline(__always)
  mutating func push(_ area: Stable<AreaDescriptor>, _ count: UInt64) {
    let index = Int(truncatingIfNeeded: count &- 1)
    area.value.nextCached = first[index]
    first[index] = area
  }

  /// Says that an area which is pushed next is the only one of `count` pages. O(1).
  mutating func begin(_ area: Stable<AreaDescriptor>, _ count: UInt64) {
    let index = Int(truncatingIfNeeded: count &- 1)
    last[index] = area
    counts |= 1 &<< UInt64(truncatingIfNeeded: index)
  }

  /// Takes out one of the largest areas, and says of how many pages it is. O(1).
  mutating func pop() -> (area: Stable<AreaDescriptor>, count: UInt64)? {
    let index = 63 &- counts.leadingZeroBitCount
    guard counts != 0, let area = first[index] else { return nil }
    first[index] = area.value.nextCached
    if first[index] == nil { counts &= ~(1 &<< UInt64(truncatingIfNeeded: index)) }
    return (area, UInt64(index) &+ 1)
  }

  /// Takes in all areas of another. O(page counts that there are).
  mutating func append(_ other: inout AreaChains) {
    other.drain { index, first, last in
      if self.first[index] == nil { begin(last, UInt64(index) &+ 1) }
      last.value.nextCached = self.first[index]
      self.first[index] = first
    }
  }

  /// Empties it, chain by chain.
  mutating func drain(_ body: (Int, Stable<AreaDescriptor>, Stable<AreaDescriptor>) -> Void) {
    while counts != 0 {
      let index = counts.trailingZeroBitCount
      counts &= counts &- 1
      if let first = first[index], let last = last[index] { body(index, first, last) }
      first[index] = nil
    }
  }
}

/// Small freed areas of one kind whose entries are absent: behind a flush, and after it.
struct Sleepers: ~Copyable {
  /// What waits with the open batch, and with the closed one.
  var open: AreaChains
  var closed: AreaChains
  /// What is in the chains takes its room, too.
  var asleep: AreaCache

  mutating func close() { closed.append(&open) }
  mutating func fallAsleep() { asleep.keep(allOf: &closed) }
}
