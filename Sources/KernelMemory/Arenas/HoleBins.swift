// Finding the smallest hole that is large enough, and the largest there is
//
// Holes are binned by size. A bin's lower bound is a number with three bits of mantissa below its
// leading one (sizes below eight have a bin each), as in two-level segregated fit (Masmano et al.,
// ECRTS 2004):
//
//     size    1 2 … 7 | 8 9 … 15 | 16 18 20 … 30 | 32 36 … 60 | 64 …       lower bounds, in pages
//     bin     1 2 … 7 | 8 9 … 15 | 16 17 18 … 23 | 24 25 … 31 | 32 …
//
// The lowest bin from some bin on that is not empty is found by two bit scans. Within a bin the sizes are a
// tree over their lower bits, as in Doug Lea's malloc: a node has a size of its own, and below it, on two
// sides, those whose next bit is zero and those whose next bit is one. Holes of the same size are a list
// behind the one that is in the tree. So a bin is searched in as many steps as its sizes have bits below the
// mantissa, however many holes there are: none for sizes below 16, of which every one has its own bin.
//
// A hole that is alone in its bin may change its size there without another step: so a large hole is, out of
// which areas are cut one after another.

/// The holes of one range, by size. Not copyable: a copy would be 1.6 KiB.
struct HoleBins: ~Copyable {
  /// Eight bins to each power of two, for holes below 2⁵² pages: more than 64 address bits hold.
  static let count = 400
  static let largestSize: UInt64 = 1 << 52 - 1

  /// The roots of the trees; zero for none.
  private var roots = InlineArray<400, UInt32>(repeating: 0)
  /// Bit n of word w: bin 64w + n is not empty.
  private var nonEmpty = InlineArray<7, UInt64>(repeating: 0)
  /// Bit w: word w is not zero.
  private var nonEmptyWords: UInt64 = 0
  #if DEBUG
  /// Holes that were looked at, so that a test can count them.
  var visits = 0
  #endif

  /// The bin whose lower bound is the largest one not above `size`.
  static func bin(holding size: UInt64) -> Int {
    guard size >= 8 else { return Int(truncatingIfNeeded: size) }
    let exponent = 63 &- size.leadingZeroBitCount
    let mantissa = Int(truncatingIfNeeded: size &>> UInt64(truncatingIfNeeded: exponent &- 3)) & 7
    return (exponent &- 2) &* 8 &+ mantissa
  }

  /// The place of the highest bit in which sizes of a bin differ, that of `size`; below zero where they do
  /// not.
  private static func firstBit(_ size: UInt64) -> Int { 59 &- size.leadingZeroBitCount }

  // `mutating` only to avoid a copy: borrowing an `InlineArray` copies it.

  /// The lowest bin from `bin` on that is not empty. O(1).
  private mutating func bin(from bin: Int) -> Int? {
    guard bin < Self.count else { return nil }
    var word = bin &>> 6
    var bits = nonEmpty[word] & (UInt64.max &<< UInt64(truncatingIfNeeded: bin & 63))
    if bits == 0 {
      let words = nonEmptyWords & ~((2 &<< UInt64(truncatingIfNeeded: word)) &- 1)
      guard words != 0 else { return nil }
      word = words.trailingZeroBitCount
      bits = nonEmpty[word]
    }
    return word &<< 6 | bits.trailingZeroBitCount
  }

  /// The highest bin up to `bin` that is not empty. O(1).
  private mutating func bin(upTo bin: Int) -> Int? {
    var word = bin &>> 6
    var bits = nonEmpty[word] & ((2 &<< UInt64(truncatingIfNeeded: bin & 63)) &- 1)
    if bits == 0 {
      let words = nonEmptyWords & ((1 &<< UInt64(truncatingIfNeeded: word)) &- 1)
      guard words != 0 else { return nil }
      word = 63 &- words.leadingZeroBitCount
      bits = nonEmpty[word]
    }
    return word &<< 6 | (63 &- bits.leadingZeroBitCount)
  }

  private mutating func visit(_ hole: UInt32, _ pool: DescriptorPool) -> Stable<AreaDescriptor> {
    #if DEBUG
    visits += 1
    #endif
    return pool[hole]
  }
}

// MARK: - Searching

extension HoleBins {
  /// The smallest hole of at least `size` pages; zero for none. O(bits of a size).
  mutating func smallest(from size: UInt64, _ pool: DescriptorPool) -> UInt32 {
    guard size <= Self.largestSize else { return 0 }
    return nearest(to: size, flipping: 0, pool) { (bins, bin) in bins.bin(from: bin &+ 1) }
  }

  /// The largest hole of at most `size` pages; zero for none. O(bits of a size).
  mutating func largest(upTo size: UInt64, _ pool: DescriptorPool) -> UInt32 {
    nearest(to: min(size, Self.largestSize), flipping: .max, pool) { (bins, bin) in
      bin == 0 ? nil : bins.bin(upTo: bin &- 1)
    }
  }

  /// - Parameters:
  ///   - size: where to begin.
  ///   - flip: zero upwards; all bits downwards, where the largest size is the one whose complement is
  ///     smallest.
  ///   - pool: of the descriptors.
  ///   - next: the next bin in that direction.
  @inline(__always)
  private mutating func nearest(
    to size: UInt64, flipping flip: UInt64, _ pool: DescriptorPool,
    next: (inout HoleBins, Int) -> Int?
  ) -> UInt32 {
    let bin = Self.bin(holding: size)
    let found = roots[bin] == 0 ? 0 : nearest(to: size, flipping: flip, in: bin, pool)
    if found != 0 { return found }
    guard let other = next(&self, bin) else { return 0 }
    return first(of: roots[other], flipping: flip, pool)
  }

  /// The nearest size in the bin that `size` belongs to; zero for none.
  private mutating func nearest(
    to size: UInt64, flipping flip: UInt64, in bin: Int, _ pool: DescriptorPool
  ) -> UInt32 {
    let key = size ^ flip
    var (best, bestKey): (UInt32, UInt64) = (0, .max)
    // All that is below this is beyond the size, and before all else that is.
    var beyond: UInt32 = 0
    var (hole, bit) = (roots[bin], Self.firstBit(size))
    while hole != 0 {
      let descriptor = visit(hole, pool)
      let itsKey = descriptor.value.span ^ flip
      if itsKey == key { return hole }
      if itsKey > key && itsKey < bestKey { (best, bestKey) = (hole, itsKey) }
      let side = size &>> UInt64(truncatingIfNeeded: bit) & 1
      let other = descriptor.value.child(side ^ 1)
      if side == flip & 1 && other != 0 { beyond = other }
      hole = descriptor.value.child(side)
      bit &-= 1
    }
    guard beyond != 0 else { return best }
    let candidate = first(of: beyond, flipping: flip, pool)
    return pool[candidate].value.span ^ flip < bestKey ? candidate : best
  }

  /// The smallest hole of a tree, or the largest one.
  private mutating func first(of root: UInt32, flipping flip: UInt64, _ pool: DescriptorPool) -> UInt32 {
    var (best, bestKey): (UInt32, UInt64) = (root, .max)
    var hole = root
    while hole != 0 {
      let descriptor = visit(hole, pool)
      let key = descriptor.value.span ^ flip
      if key < bestKey { (best, bestKey) = (hole, key) }
      let near = descriptor.value.child(flip & 1)
      hole = near != 0 ? near : descriptor.value.child(flip & 1 ^ 1)
    }
    return best
  }
}

// MARK: - Coming and going

extension HoleBins {
  /// O(bits of a size).
  mutating func insert(_ hole: UInt32, _ pool: DescriptorPool) {
    let descriptor = pool[hole]
    let size = descriptor.value.span
    let bin = Self.bin(holding: size)
    descriptor.value.startAsHole()
    guard roots[bin] != 0 else { return setRoot(of: bin, hole) }
    var (at, bit) = (roots[bin], Self.firstBit(size))
    while true {
      let other = visit(at, pool)
      if other.value.span == size { return link(hole, behind: at, pool) }
      let side = size &>> UInt64(truncatingIfNeeded: bit) & 1
      let child = other.value.child(side)
      guard child != 0 else { return other.value.setChild(side, hole) }
      at = child
      bit &-= 1
    }
  }

  private func link(_ hole: UInt32, behind first: UInt32, _ pool: DescriptorPool) {
    let next = pool[first].value.next
    pool[hole].value.next = next
    pool[hole].value.previous = first
    pool[first].value.next = hole
    if next != 0 { pool[next].value.previous = hole }
  }

  /// O(bits of a size).
  mutating func remove(_ hole: UInt32, _ pool: DescriptorPool) {
    let descriptor = pool[hole]
    let (next, previous) = (descriptor.value.next, descriptor.value.previous)
    if previous != 0 {
      pool[previous].value.next = next
      if next != 0 { pool[next].value.previous = previous }
    } else {
      let size = descriptor.value.span
      if next != 0 { pool[next].value.previous = 0 }
      let substitute = next != 0 ? next : takeLeaf(below: hole, pool)
      if substitute != 0 { pool[substitute].value.takeChildren(of: descriptor) }
      replace(hole, size, by: substitute, pool)
    }
  }

  /// Notes that a hole has another number of pages now.
  mutating func resize(_ hole: UInt32, to span: UInt64, _ pool: DescriptorPool) {
    let descriptor = pool[hole]
    let bin = Self.bin(holding: span)
    if roots[bin] == hole, descriptor.value.isAloneInBin, Self.bin(holding: descriptor.value.span) == bin {
      descriptor.value.span = span
    } else {
      remove(hole, pool)
      descriptor.value.span = span
      insert(hole, pool)
    }
  }

  /// Takes out a hole below another one that has none below itself; zero where there is none.
  private mutating func takeLeaf(below hole: UInt32, _ pool: DescriptorPool) -> UInt32 {
    var parent = pool[hole]
    var side = parent.value.lastSide
    var leaf = parent.value.child(side)
    guard leaf != 0 else { return 0 }
    while !visit(leaf, pool).value.isLeaf {
      parent = pool[leaf]
      side = parent.value.lastSide
      leaf = parent.value.child(side)
    }
    parent.value.setChild(side, 0)
    return leaf
  }

  /// Puts another hole, or none, into the place of one that is in a tree.
  private mutating func replace(
    _ hole: UInt32, _ size: UInt64, by substitute: UInt32, _ pool: DescriptorPool
  ) {
    let bin = Self.bin(holding: size)
    guard roots[bin] != hole else { return setRoot(of: bin, substitute) }
    var (at, bit) = (roots[bin], Self.firstBit(size))
    while true {
      let parent = visit(at, pool)
      let side = size &>> UInt64(truncatingIfNeeded: bit) & 1
      at = parent.value.child(side)
      if at == hole { return parent.value.setChild(side, substitute) }
      bit &-= 1
    }
  }

  private mutating func setRoot(of bin: Int, _ hole: UInt32) {
    roots[bin] = hole
    let mask = UInt64(1) &<< UInt64(truncatingIfNeeded: bin & 63)
    let word = bin &>> 6
    if hole != 0 { nonEmpty[word] |= mask } else { nonEmpty[word] &= ~mask }
    let wordMask = UInt64(1) &<< UInt64(truncatingIfNeeded: word)
    if nonEmpty[word] != 0 { nonEmptyWords |= wordMask } else { nonEmptyWords &= ~wordMask }
  }
}

// MARK: - Checking

extension HoleBins {
  /// How many holes there are; -1 where one is not where it belongs. O(holes).
  mutating func validate(_ pool: DescriptorPool) -> Int {
    var count = 0
    for bin in 0..<Self.count {
      let isMarked = nonEmpty[bin &>> 6] &>> UInt64(truncatingIfNeeded: bin & 63) & 1 != 0
      guard isMarked == (roots[bin] != 0), let holes = validate(roots[bin], bin, nil, pool) else { return -1 }
      count &+= holes
    }
    return count
  }

  /// - Parameter bits: what all sizes below a node have in common: how many low bits to shift out, and the
  ///   rest.
  private func validate(
    _ hole: UInt32, _ bin: Int, _ bits: (shift: Int, rest: UInt64)?, _ pool: DescriptorPool
  ) -> Int? {
    guard hole != 0 else { return 0 }
    let size = pool[hole].value.span
    guard Self.bin(holding: size) == bin, pool[hole].value.previous == 0 else { return nil }
    if let bits, size &>> UInt64(bits.shift) != bits.rest { return nil }
    var (count, before, next) = (0, hole, hole)
    while next != 0 {
      guard pool[next].value.state == .hole, pool[next].value.span == size,
        next == hole || pool[next].value.previous == before
      else { return nil }
      count &+= 1
      (before, next) = (next, pool[next].value.next)
    }
    if pool[hole].value.isLeaf { return count }
    let shift = bits.map { $0.shift &- 1 } ?? Self.firstBit(size)
    for side in 0..<UInt64(2) {
      let prefix = (size &>> UInt64(shift) & ~1) | side
      guard let below = validate(pool[hole].value.child(side), bin, (shift, prefix), pool) else { return nil }
      count &+= below
    }
    return count
  }
}

extension AreaDescriptor {
  // The roots of the two halves below a hole in a tree are in one word.

  fileprivate func child(_ side: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: links &>> (side &* 32)) }

  fileprivate mutating func setChild(_ side: UInt64, _ hole: UInt32) {
    links = links & ~(0xffff_ffff &<< (side &* 32)) | UInt64(hole) &<< (side &* 32)
  }

  fileprivate mutating func takeChildren(of other: Stable<AreaDescriptor>) { links = other.value.links }

  /// A side with something below it, where there is one.
  fileprivate var lastSide: UInt64 { links &>> 32 != 0 ? 1 : 0 }
  fileprivate var isLeaf: Bool { links == 0 }
  /// Of a root: no other hole is in its tree.
  fileprivate var isAloneInBin: Bool { isLeaf && next == 0 }

  fileprivate mutating func startAsHole() {
    links = 0
    next = 0
    previous = 0
  }
}
