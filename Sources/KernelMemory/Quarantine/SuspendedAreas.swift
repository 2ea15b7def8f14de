/// What an area's entries map. Areas of different kinds wait in different chains.
enum AreaKind: Int {
  /// Pages of frames of its own.
  case owning
  /// Large leaves of its own, and nothing else.
  case large
  /// Pages of frames that are its caller's.
  case borrowing

  static var count: Int { 3 }
}

/// Freed areas of one kind that keep all that they have, and whose entries are absent: on their way through a
/// flush. A CPU may still translate through them until they are flushed.
struct SuspendedAreas: ~Copyable {
  /// Those that wait with the open batch, and with the sealed one.
  var open: AreaChains
  var sealed: AreaChains
  /// Those that can be used again.
  var flushed: AreaChains

  mutating func seal() { sealed.append(&open) }
  mutating func flush() { flushed.append(&sealed) }
}

/// Areas in chains by how many entries they have. In cleared memory it is empty.
struct AreaChains: ~Copyable {
  /// The most entries that an area in a chain has: so that their numbers are the bits of a word.
  static let count = 64

  typealias Chains = InlineArray<64, Stable<AreaDescriptor>?>

  private(set) var first: Chains
  private var last: Chains
  /// Bit n: there is an area of n + 1 entries.
  private var counts: UInt64

  /// Whether there is an area of `count` entries. `mutating` only to avoid a copy of the array.
  @inline(__always)
  mutating func has(_ count: UInt64) -> Bool { first[Int(truncatingIfNeeded: count &- 1)] != nil }

  /// Adds an area where there is one of `count` entries. O(1).
  @inline(__always)
  mutating func push(_ area: Stable<AreaDescriptor>, _ count: UInt64) {
    let index = Int(truncatingIfNeeded: count &- 1)
    area.value.nextCached = first[index]
    first[index] = area
  }

  /// Says that an area which is pushed next is the only one of `count` entries. O(1).
  mutating func begin(_ area: Stable<AreaDescriptor>, _ count: UInt64) {
    let index = Int(truncatingIfNeeded: count &- 1)
    last[index] = area
    counts |= 1 &<< UInt64(truncatingIfNeeded: index)
  }

  /// Takes out one of the largest areas, and says how many entries it has. O(1).
  mutating func pop() -> (area: Stable<AreaDescriptor>, count: UInt64)? {
    let index = 63 &- counts.leadingZeroBitCount
    guard counts != 0, let area = first[index] else { return nil }
    first[index] = area.value.nextCached
    if first[index] == nil { counts &= ~(1 &<< UInt64(truncatingIfNeeded: index)) }
    return (area, UInt64(index) &+ 1)
  }

  /// Takes in all areas of another. O(chains that there are).
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

extension AreaDescriptor {
  /// The entry pointer of a small area, whose entries are in one lowest table; zero for any other.
  @inline(__always)
  var lowestEntryPointer: UInt { pageCount <= UInt64(AreaChains.count) ? entryPointer : 0 }
}
