/// One CPU's freed areas that are still mapped, by page count: a chain through their descriptors for
/// each count. A hit takes one out with its frames, its entries and its addresses, and touches no page
/// table.
struct WarmCache {
  /// The largest area that is kept, in pages: 256 KiB, which covers what repeats in kernels (stacks, rings,
  /// small buffers); larger ones are seldom asked for twice.
  static let largest: UInt64 = 64
  /// How much one CPU keeps, in pages: 1 MiB.
  static let capacity: UInt64 = 256
  /// How far a chain is searched for an area with the same key; those in front were freed last.
  static let depth = 4

  private var heads = InlineArray<65, UInt32>(repeating: 0)
  private(set) var pages: UInt64 = 0

  /// Takes out an area with `key` and `count` pages, if there is one. O(depth).
  mutating func take(_ count: UInt64, key: UInt64, _ pool: DescriptorPool) -> UInt32? {
    guard count <= Self.largest else { return nil }
    let bin = Int(truncatingIfNeeded: count)
    var before: UInt32 = 0
    var area = heads[bin]
    for _ in 0..<Self.depth where area != 0 {
      let next = pool[area].value.next
      if pool[area].value.traits.key == key {
        if before == 0 { heads[bin] = next } else { pool[before].value.next = next }
        pages &-= count
        return area
      }
      before = area
      area = next
    }
    return nil
  }

  /// Whether an area of `count` pages may be kept.
  func fits(_ count: UInt64) -> Bool {
    count <= Self.largest && pages &+ count <= Self.capacity
  }

  mutating func park(_ area: UInt32, at time: UInt64, _ pool: DescriptorPool) {
    let count = pool[area].value.pageCount
    let bin = Int(truncatingIfNeeded: count)
    pool[area].value.progress = time
    pool[area].value.next = heads[bin]
    heads[bin] = area
    pages &+= count
  }

  /// Takes out an area that was parked before `time`, one of the largest there are. O(counts + areas).
  mutating func evict(parkedBefore time: UInt64, _ pool: DescriptorPool) -> UInt32? {
    guard pages > 0 else { return nil }
    for bin in (1...Int(Self.largest)).reversed() {
      var before: UInt32 = 0
      var area = heads[bin]
      while area != 0 {
        let next = pool[area].value.next
        if pool[area].value.progress < time {
          if before == 0 { heads[bin] = next } else { pool[before].value.next = next }
          pages &-= UInt64(bin)
          return area
        }
        before = area
        area = next
      }
    }
    return nil
  }
}
