/// Freed areas that one CPU keeps for the next request of the same kind, by page count: a chain through
/// their descriptors for each count, the one that was freed last in front. A CPU has two:
///
/// - *warm*: areas that are still mapped. A hit takes one out with its frames, entries and addresses, and
///   touches no page table.
/// - *cool*: areas whose frames are gone and whose flush is done, with their addresses and pinned tables.
///   A hit needs frames and writes entries; it takes no lock.
struct AreaCache: ~Copyable {
  /// The largest area that is kept, in pages: 256 KiB, which covers what repeats in kernels (stacks, rings,
  /// small buffers); larger ones are seldom asked for twice.
  static let largest: UInt64 = 64
  /// How far a chain is searched for an area with the same key.
  static let depth = 4

  private struct Chain {
    var first: UInt32 = 0
    var last: UInt32 = 0
  }

  private var chains = InlineArray<65, Chain>(repeating: Chain())
  /// Bit n: there is an area of n + 1 pages.
  private var counts: UInt64 = 0
  /// Of all areas, without their guards.
  private(set) var pages: UInt64 = 0

  /// Takes out an area with `key` and `count` pages, if there is one. O(depth).
  @inline(__always)
  mutating func take(_ count: UInt64, key: UInt64, _ pool: DescriptorPool) -> UInt32? {
    guard count <= Self.largest else { return nil }
    let first = chains[Int(truncatingIfNeeded: count)].first
    guard first != 0 else { return nil }
    let descriptor = pool[first]
    guard descriptor.value.traits.key == key else { return takeLater(first, count, key: key, pool) }
    let next = descriptor.value.next
    chains[Int(truncatingIfNeeded: count)].first = next
    if next == 0 { counts &= ~(1 &<< (count &- 1)) } else { pool[next].value.previous = 0 }
    pages &-= count
    return first
  }

  /// As `take`, of the areas behind the first.
  @inline(never)
  private mutating func takeLater(
    _ first: UInt32, _ count: UInt64, key: UInt64, _ pool: DescriptorPool
  ) -> UInt32? {
    var area = pool[first].value.next
    for _ in 1..<Self.depth where area != 0 {
      if pool[area].value.traits.key == key {
        unlink(area, count, pool)
        return area
      }
      area = pool[area].value.next
    }
    return nil
  }

  /// Keeps an area of at most `largest` pages. O(1).
  /// - Parameter time: when, for `evict`.
  @inline(__always)
  mutating func keep(_ area: UInt32, _ count: UInt64, at time: UInt64, _ pool: DescriptorPool) {
    let chain = Int(truncatingIfNeeded: count)
    let first = chains[chain].first
    let descriptor = pool[area]
    descriptor.value.progress = time
    descriptor.value.next = first
    descriptor.value.previous = 0
    if first == 0 { chains[chain].last = area } else { pool[first].value.previous = area }
    chains[chain].first = area
    counts |= 1 &<< (count &- 1)
    pages &+= count
  }

  /// Takes out an area that was kept before `time`, one of the largest there are. O(page counts).
  mutating func evict(keptBefore time: UInt64, _ pool: DescriptorPool) -> UInt32? {
    var left = counts
    while left != 0 {
      let count = UInt64(64 &- left.leadingZeroBitCount)
      let area = chains[Int(count)].last
      if pool[area].value.progress < time {
        unlink(area, count, pool)
        return area
      }
      left &= ~(1 &<< (count &- 1))
    }
    return nil
  }

  private mutating func unlink(_ area: UInt32, _ count: UInt64, _ pool: DescriptorPool) {
    let chain = Int(truncatingIfNeeded: count)
    let (next, previous) = (pool[area].value.next, pool[area].value.previous)
    if previous == 0 { chains[chain].first = next } else { pool[previous].value.next = next }
    if next == 0 { chains[chain].last = previous } else { pool[next].value.previous = previous }
    if chains[chain].first == 0 { counts &= ~(1 &<< (count &- 1)) }
    pages &-= count
  }
}
