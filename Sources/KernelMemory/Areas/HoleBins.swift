// Finding a hole of the right size in constant time
//
// Holes are kept in bins by size. A bin's lower bound is a number with three bits of mantissa below its
// leading one (sizes below eight have a bin each), as in two-level segregated fit (Masmano et al.,
// ECRTS 2004):
//
//     size    1 2 … 7 | 8 9 … 15 | 16 18 20 … 30 | 32 36 … 60 | 64 …       lower bounds, in pages
//     bin     1 2 … 7 | 8 9 … 15 | 16 17 18 … 23 | 24 25 … 31 | 32 …
//
// A request is rounded up to a bin's lower bound, so every hole of that bin and of all above it fits:
// the first non-empty one is found by two bit scans. Rounding passes over holes that would fit, less
// than 12.5 % larger than they need be; when the bins above are empty, those are searched one by one.

/// The holes of one range, by size. It cannot be copied, so that none is.
struct HoleBins: ~Copyable {
  /// Eight bins to each power of two, for holes below 2⁵² pages: more than 64 address bits hold.
  static let count = 400

  private var heads = InlineArray<400, UInt32>(repeating: 0)
  /// Bit n of word w: bin 64w + n is not empty.
  private var nonEmpty = InlineArray<7, UInt64>(repeating: 0)
  /// Bit w: word w is not zero.
  private var nonEmptyWords: UInt64 = 0

  /// The bin whose lower bound is the largest one not above `size`.
  static func bin(holding size: UInt64) -> Int {
    guard size >= 8 else { return Int(truncatingIfNeeded: size) }
    let exponent = 63 &- size.leadingZeroBitCount
    let mantissa = Int(truncatingIfNeeded: size &>> UInt64(truncatingIfNeeded: exponent &- 3)) & 7
    return (exponent &- 2) &* 8 &+ mantissa
  }

  /// The lowest bin all of whose holes have at least `size` pages.
  static func bin(fitting size: UInt64) -> Int {
    guard size >= 8 else { return Int(truncatingIfNeeded: size) }
    let exponent = 63 &- size.leadingZeroBitCount
    let rest = (UInt64(1) &<< UInt64(truncatingIfNeeded: exponent &- 3)) &- 1
    return bin(holding: size &+ rest)
  }

  // Mutating in name, what follows: borrowed arrays are copied before they are read.

  /// The first hole of the lowest non-empty bin from `bin` on. O(1).
  mutating func firstHole(from bin: Int) -> UInt32? {
    guard bin < Self.count else { return nil }
    var word = bin &>> 6
    var bits = nonEmpty[word] & (UInt64.max &<< UInt64(truncatingIfNeeded: bin & 63))
    if bits == 0 {
      let words = nonEmptyWords & ~((2 &<< UInt64(truncatingIfNeeded: word)) &- 1)
      guard words != 0 else { return nil }
      word = words.trailingZeroBitCount
      bits = nonEmpty[word]
    }
    return heads[word &<< 6 | bits.trailingZeroBitCount]
  }

  /// The first hole of one bin; zero for none.
  mutating func head(of bin: Int) -> UInt32 { heads[bin] }

  /// The highest bin that is not empty.
  var highestBin: Int? {
    mutating get {
      guard nonEmptyWords != 0 else { return nil }
      let word = 63 &- nonEmptyWords.leadingZeroBitCount
      return word &<< 6 | (63 &- nonEmpty[word].leadingZeroBitCount)
    }
  }

  mutating func insert(_ hole: UInt32, _ pool: DescriptorPool) {
    let bin = Self.bin(holding: pool[hole].value.span)
    let head = heads[bin]
    pool[hole].value.previous = 0
    pool[hole].value.next = head
    if head != 0 { pool[head].value.previous = hole }
    heads[bin] = hole
    nonEmpty[bin &>> 6] |= 1 &<< UInt64(truncatingIfNeeded: bin & 63)
    nonEmptyWords |= 1 &<< UInt64(truncatingIfNeeded: bin &>> 6)
  }

  mutating func remove(_ hole: UInt32, _ pool: DescriptorPool) {
    let descriptor = pool[hole]
    let next = descriptor.value.next
    let previous = descriptor.value.previous
    if next != 0 { pool[next].value.previous = previous }
    if previous != 0 {
      pool[previous].value.next = next
      return
    }
    let bin = Self.bin(holding: descriptor.value.span)
    heads[bin] = next
    guard next == 0 else { return }
    nonEmpty[bin &>> 6] &= ~(1 &<< UInt64(truncatingIfNeeded: bin & 63))
    if nonEmpty[bin &>> 6] == 0 { nonEmptyWords &= ~(1 &<< UInt64(truncatingIfNeeded: bin &>> 6)) }
  }
}
