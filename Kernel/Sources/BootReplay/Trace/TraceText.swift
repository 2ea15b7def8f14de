internal import KernelMemory

/// A run of bytes of a recording. A recording is read where it lies and never copied, so a task's name
/// in a table is two words that point into it: whoever makes the first `TraceText` keeps that memory
/// readable, and unchanged, for as long as any text cut from it is in use. Indices are checked.
@safe
public struct TraceText: BitwiseCopyable {
  private let bytes: UnsafeRawBufferPointer

  @unsafe
  public init(_ bytes: UnsafeRawBufferPointer) {
    unsafe self.bytes = bytes
  }

  /// A name that the recording does not have. A literal's bytes stay where they are.
  init(_ literal: StaticString) {
    unsafe bytes = UnsafeRawBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount)
  }

  static var empty: TraceText { unsafe TraceText(UnsafeRawBufferPointer(start: nil, count: 0)) }

  public var count: Int { unsafe bytes.count }
  public var isEmpty: Bool { count == 0 }

  subscript(index: Int) -> UInt8 {
    precondition(index >= 0 && index < count)
    return unsafe bytes[index]
  }

  /// The text from `start` up to, and without, `end`.
  @inline(__always)
  func cut(from start: Int, upTo end: Int) -> TraceText {
    precondition(start >= 0 && start <= end && end <= count)
    guard start < end, let base = unsafe bytes.baseAddress else { return .empty }
    return unsafe TraceText(UnsafeRawBufferPointer(start: base + start, count: end - start))
  }

  func cut(from start: Int) -> TraceText { cut(from: start, upTo: count) }

  /// The first place at or after `start` that holds `byte`.
  func index(of byte: UInt8, from start: Int = 0) -> Int? {
    let pattern = UInt64.everyByte(byte)
    var index = start
    while count - index >= 8 {
      let found = (eightBytes(at: index) ^ pattern).bytes(below: 1)
      if found != 0 { return index + found.trailingZeroBitCount / 8 }
      index += 8
    }
    while index < count {
      if self[index] == byte { return index }
      index += 1
    }
    return nil
  }

  /// The first place at or after `start` with a byte below the blank.
  func indexOfControl(from start: Int) -> Int? {
    var index = start
    while count - index >= 8 {
      let found = eightBytes(at: index).bytes(below: 0x20)
      if found != 0 { return index + found.trailingZeroBitCount / 8 }
      index += 8
    }
    while index < count {
      if self[index] < 0x20 { return index }
      index += 1
    }
    return nil
  }

  /// Eight bytes at once, the first one lowest.
  @inline(__always)
  private func eightBytes(at index: Int) -> UInt64 {
    precondition(index >= 0 && count - index >= 8)
    return unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
  }

  func hasPrefix(_ prefix: StaticString) -> Bool { has(prefix, at: 0) }

  func isEqual(to literal: StaticString) -> Bool {
    literal.utf8CodeUnitCount == count && has(literal, at: 0)
  }

  /// Whether a literal stands at `start`, eight bytes compared at once.
  func has(_ literal: StaticString, at start: Int) -> Bool {
    literal.withUTF8Buffer { utf8 in
      guard start >= 0, utf8.count <= count - start else { return false }
      let wanted = UnsafeRawBufferPointer(utf8)
      var index = 0
      while utf8.count - index >= 8 {
        let word = unsafe UInt64(littleEndian: wanted.loadUnaligned(fromByteOffset: index, as: UInt64.self))
        if word != eightBytes(at: start + index) { return false }
        index += 8
      }
      while index < utf8.count {
        if unsafe utf8[index] != self[start + index] { return false }
        index += 1
      }
      return true
    }
  }

  public func isEqual(to other: TraceText) -> Bool {
    guard count == other.count else { return false }
    var index = 0
    while index < count {
      guard self[index] == other[index] else { return false }
      index += 1
    }
    return true
  }

  /// FNV-1a, 64 bits (draft-eastlake-fnv): short names, no key to keep secret.
  public var hash: UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    var index = 0
    while index < count {
      hash = (hash ^ UInt64(self[index])) &* 0x100_0000_01b3
      index += 1
    }
    return hash
  }

  /// Calls `body` with the bytes, for a function that copies them.
  public func withUTF8<Result: ~Copyable, Failure>(
    _ body: (UnsafeBufferPointer<UInt8>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe body(bytes.assumingMemoryBound(to: UInt8.self))
  }
}

extension TextSink {
  /// Writes a text of the recording. A task may name itself with any bytes: what a terminal would act
  /// on is shown as a question mark.
  mutating func write(_ text: TraceText) {
    var index = 0
    while index < text.count {
      let byte = text[index]
      write(byte < 0x20 || byte == 0x7f ? UInt8(ascii: "?") : byte)
      index += 1
    }
  }
}

extension UInt64 {
  @inline(__always)
  fileprivate static func everyByte(_ byte: UInt8) -> UInt64 { UInt64(byte) &* 0x0101_0101_0101_0101 }

  /// The highest bit of every byte that is below `limit`, which is at most 128, is set. A borrow may set bits
  /// above the first such byte, and none below it (Bit Twiddling Hacks, "Determine if a word has a byte less
  /// than n").
  @inline(__always)
  fileprivate func bytes(below limit: UInt8) -> UInt64 {
    (self &- UInt64.everyByte(limit)) & ~self & UInt64.everyByte(0x80)
  }
}
