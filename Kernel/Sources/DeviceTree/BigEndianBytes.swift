internal import KernelMemory
internal import LoaderText

/// Bytes of physical memory that a window is known to reach. Numbers are big-endian and need no alignment.
@safe
struct BigEndianBytes {
  let count: UInt32
  private let base: UnsafeRawPointer

  /// Nil where the window does not reach all of them.
  init?(at start: PhysicalAddress, count: UInt32, in window: LinearMap) {
    guard let end = start.advanced(by: UInt64(count)), end <= window.limit,
      let pointer = unsafe window.virtualAddress(of: start).pointer
    else { return nil }
    self.count = count
    unsafe base = UnsafeRawPointer(pointer)
  }

  private init(_ base: UnsafeRawPointer, count: UInt32) {
    unsafe self.base = base
    self.count = count
  }

  func u8(_ offset: UInt32) -> UInt8 {
    check(offset, 1)
    return unsafe base.load(fromByteOffset: Int(offset), as: UInt8.self)
  }

  func u32(_ offset: UInt32) -> UInt32 {
    check(offset, 4)
    return UInt32(bigEndian: unsafe base.loadUnaligned(fromByteOffset: Int(offset), as: UInt32.self))
  }

  func u64(_ offset: UInt32) -> UInt64 { UInt64(u32(offset)) << 32 | UInt64(u32(offset + 4)) }

  func part(from first: UInt32, count: UInt32) -> BigEndianBytes {
    check(first, count)
    return unsafe BigEndianBytes(base + Int(first), count: count)
  }

  /// The same as a word of the loader's.
  var word: CommandLine.Word { unsafe CommandLine.Word(at: base, count: Int(count)) }

  private func check(_ offset: UInt32, _ width: UInt32) {
    precondition(offset <= count && width <= count - offset, "outside the bytes")
  }
}

/// A name, or the text of a property, without the zero behind it.
struct Text {
  private let bytes: BigEndianBytes

  init(_ bytes: BigEndianBytes) { self.bytes = bytes }

  static func == (left: Text, right: StaticString) -> Bool { left.bytes.word.equals(right) }

  /// Whether it is a node's name of this kind: alone, or with an address behind it.
  func isNode(_ name: StaticString) -> Bool {
    guard let rest = bytes.word.dropping(name) else { return false }
    return rest.count == 0 || rest[0] == UInt8(ascii: "@")
  }
}

extension BigEndianBytes {
  /// Whether one of the strings of a property, each with a zero behind it, is `text`; or one of their parts,
  /// where something separates those.
  func lists(_ text: StaticString, separator: UInt8 = 0) -> Bool {
    var start: UInt32 = 0
    while start < count {
      var end = start
      while end < count, u8(end) != 0, u8(end) != separator { end += 1 }
      if Text(part(from: start, count: end - start)) == text { return true }
      start = end + 1
    }
    return false
  }

  /// A number of one or two cells of 4 bytes; nil where they are not all there.
  func number(cell: UInt32, cells: UInt32) -> UInt64? {
    guard cell + cells <= count / 4 else { return nil }
    switch cells {
    case 0: return 0
    case 1: return UInt64(u32(cell * 4))
    default: return u64(cell * 4)
    }
  }

  /// The number that is the whole property, of one cell or two.
  var number: UInt64? { count == 4 || count == 8 ? number(cell: 0, cells: count / 4) : nil }
}
