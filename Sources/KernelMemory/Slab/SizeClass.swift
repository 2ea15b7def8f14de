// Size classes
//
// Small sizes are rounded up to one of 36: multiples of 8 up to 64, then four to each power of two, up to
// 8 KiB. So an object wastes at most 7 bytes up to 64, and less than a fifth of itself above. The number of
// a size's class takes no table: it is the position of the size's highest bit, and the two bits below it.
//
// Multiples of a class from the start of a block have the alignment of the class, since a block is aligned
// to its own size. So powers of two are naturally aligned, and an alignment that is asked for is had by
// rounding the size up to a multiple of it: a class's steps are powers of two, so the class of such a
// multiple is either that multiple itself, or a step that the alignment divides.

enum SizeClass {
  static let count = 36
  static let largest: UInt = 8_192
  /// Above this, powers of two are classes of whole frames where frames are that small.
  static let largestSmall: UInt = 3_584

  /// The class of a size from 1 to `largest`.
  @inline(__always)
  static func index(of byteCount: UInt) -> Int {
    let last = byteCount &- 1
    guard last >= 64 else { return Int(bitPattern: last &>> 3) }
    let top = UInt(bitPattern: UInt.bitWidth &- 1 &- last.leadingZeroBitCount)
    return Int(bitPattern: (top &<< 2) &- 20 &+ last &>> (top &- 2))
  }

  /// Whether the bytes of a class above 64 are a power of two.
  @inline(__always)
  static func isPowerOfTwo(_ index: Int) -> Bool { index & 3 == 3 }

  /// The bytes of a class.
  static func size(_ index: Int) -> UInt {
    guard index >= 8 else { return UInt(index &+ 1) &* 8 }
    let top = UInt(index / 4 &+ 4)
    return UInt(index % 4 &+ 5) &<< (top &- 2)
  }
}
