/// Freed areas that one CPU holds for the next request of the same kind: a chain through their descriptors
/// for each number of entries, the one that was freed last in front. A CPU has one *warm* cache, and for each
/// `AreaKind` one of areas that are *asleep*:
///
/// - *warm*: areas that are still mapped. A hit takes one out with its frames, entries and addresses, and
///   touches no page table.
/// - *asleep*: areas whose entries are absent, and whose flush is done. They have their addresses and pinned
///   tables, and, unless their frames were borrowed, their frames and entries that still name them. A hit
///   makes the entries present again, or writes those of the borrowed frames; it takes no lock.
///
/// Sizes are in entries: pages, but in the cache of `AreaKind.large`, where each entry is a large leaf.
///
/// Aging is generational: `age` turns the young chains into old ones, which `evict` empties; an area that is
/// taken and pushed again is young. So a pair does nothing for its age.
struct AreaCache: ~Copyable {
  /// The most entries of an area in a cache: 64, so that counts are the bits of a word. With 4 KiB pages that
  /// is 256 KiB, which covers what repeats in kernels (stacks, rings, small buffers), or 128 MiB of large
  /// leaves.
  static let largest = UInt64(AreaChains.count)
  /// How far a chain is searched for an area with the same key: 4 descriptors cost less than a new area.
  static let depth = 4

  /// At n: the chain of areas of n + 1 pages.
  private(set) var young: AreaChains.Chains
  private(set) var old: AreaChains.Chains
  /// Bit n: there may be an old area of n + 1 pages.
  private var oldCounts: UInt64
  private var capacity: UInt64
  /// Entries that still fit.
  private(set) var room: UInt64

  /// Begins, in cleared memory: a value made elsewhere would take its kilobyte through the stack.
  /// - Parameter capacity: in entries.
  mutating func begin(capacity: UInt64) {
    self.capacity = capacity
    room = capacity
  }

  /// Entries that the areas take.
  var pages: UInt64 { capacity &- room }

  /// The young area of `count` pages that was pushed last, if it has the key of `traits`. `mutating` only to
  /// avoid a copy of the array.
  @inline(__always)
  mutating func first(_ count: UInt64, _ traits: AreaTraits) -> Stable<AreaDescriptor>? {
    guard let first = young[Int(truncatingIfNeeded: count &- 1)],
      first.value.traits.hasSameKey(as: traits)
    else { return nil }
    return first
  }

  /// Takes out what `first` found.
  @inline(__always)
  mutating func popFirst(_ area: Stable<AreaDescriptor>, _ count: UInt64) {
    young[Int(truncatingIfNeeded: count &- 1)] = area.value.nextCached
    room &+= count
  }

  /// Whether there is an area of `count` pages, of whatever key.
  mutating func has(_ count: UInt64) -> Bool {
    guard count <= Self.largest else { return false }
    let index = Int(truncatingIfNeeded: count &- 1)
    return young[index] != nil || old[index] != nil
  }

  /// Takes out an area with the key of `traits` and `count` pages, if there is one. O(depth).
  mutating func take(_ count: UInt64, _ traits: AreaTraits) -> Stable<AreaDescriptor>? {
    guard count <= Self.largest else { return nil }
    let index = Int(truncatingIfNeeded: count &- 1)
    guard let area = Self.take(from: &young[index], traits) ?? Self.take(from: &old[index], traits) else {
      return nil
    }
    room &+= count
    return area
  }

  private static func take(
    from chain: inout Stable<AreaDescriptor>?, _ traits: AreaTraits
  ) -> Stable<AreaDescriptor>? {
    var before: Stable<AreaDescriptor>?
    var next = chain
    for _ in 0..<depth {
      guard let area = next else { return nil }
      next = area.value.nextCached
      guard !area.value.traits.hasSameKey(as: traits) else {
        if let before { before.value.nextCached = next } else { chain = next }
        return area
      }
      before = area
    }
    return nil
  }

  /// Keeps an area of at most `largest` pages, for which there is room. O(1).
  @inline(__always)
  mutating func push(_ area: Stable<AreaDescriptor>, _ count: UInt64) {
    let index = Int(truncatingIfNeeded: count &- 1)
    area.value.nextCached = young[index]
    young[index] = area
    room &-= count
  }

  /// Takes room for an area that is pushed later.
  @inline(__always)
  mutating func reserve(_ count: UInt64) { room &-= count }

  /// Gives back the room of an area that is not pushed after all.
  mutating func cancel(_ count: UInt64) { room &+= count }

  /// Keeps all areas of some chains, for which there was room before. O(page counts that there are).
  mutating func push(allOf chains: inout AreaChains) {
    chains.drain { index, first, last in
      last.value.nextCached = young[index]
      young[index] = first
    }
  }

  /// Makes the young areas old, where there are no old ones of their page count. O(page counts).
  mutating func age() {
    guard room != capacity else { return }
    for index in 0..<64 where old[index] == nil && young[index] != nil {
      old[index] = young[index]
      young[index] = nil
      oldCounts |= 1 &<< UInt64(index)
    }
  }

  /// Takes out one of the largest old areas; with `all`, any. O(page counts).
  mutating func evict(all: Bool) -> Stable<AreaDescriptor>? {
    if let area = takeOld() { return area }
    guard all else { return nil }
    age()
    return takeOld()
  }

  private mutating func takeOld() -> Stable<AreaDescriptor>? {
    while oldCounts != 0 {
      let index = 63 &- oldCounts.leadingZeroBitCount
      if let area = old[index] {
        old[index] = area.value.nextCached
        room &+= UInt64(index) &+ 1
        return area
      }
      oldCounts &= ~(1 &<< UInt64(index))
    }
    return nil
  }
}
