public import KernelMemory

/// The command line that the loader passed, word by word. The bytes stay where the loader put them, and
/// are to be read before that memory is used for something else.
public struct CommandLine {
  private let text: Word
  private var position = 0

  public init(_ text: Word) { self.text = text }

  /// Bytes between spaces.
  @safe
  public struct Word: @unchecked Sendable {
    private let start: UnsafeRawPointer
    public let count: Int

    /// The bytes from `start` on, which have to stay readable for as long as the word is read.
    @unsafe
    public init(at start: UnsafeRawPointer, count: Int) {
      unsafe self.start = start
      self.count = count
    }

    public subscript(index: Int) -> UInt8 {
      precondition(index >= 0 && index < count, "outside the word")
      return unsafe start.load(fromByteOffset: index, as: UInt8.self)
    }

    func part(from first: Int, upTo end: Int) -> Word {
      precondition(first >= 0 && first <= end && end <= count, "outside the word")
      return unsafe Word(at: start + first, count: end - first)
    }
  }

  /// The next word, or nil at the end.
  public mutating func next() -> Word? {
    while position < text.count, text[position] == UInt8(ascii: " ") { position += 1 }
    let start = position
    while position < text.count, text[position] != UInt8(ascii: " ") { position += 1 }
    return position > start ? text.part(from: start, upTo: position) : nil
  }
}

extension CommandLine.Word {
  public func equals(_ other: StaticString) -> Bool {
    count == other.utf8CodeUnitCount && starts(with: other)
  }

  /// What follows `prefix`, or nil where the word does not begin with it.
  public func dropping(_ prefix: StaticString) -> Self? {
    starts(with: prefix) ? part(from: prefix.utf8CodeUnitCount, upTo: count) : nil
  }

  /// The value of decimal digits; nil where there are none, too many, or something else.
  public var decimal: UInt64? {
    var value: UInt64 = 0
    for index in 0..<count {
      let digit = self[index] &- UInt8(ascii: "0")
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
      guard digit < 10, !overflow, !carry else { return nil }
      value = sum
    }
    return count > 0 ? value : nil
  }

  public func write(to sink: inout some TextSink) {
    for index in 0..<count { sink.write(self[index]) }
  }

  private func starts(with prefix: StaticString) -> Bool {
    guard count >= prefix.utf8CodeUnitCount else { return false }
    for index in 0..<prefix.utf8CodeUnitCount where unsafe self[index] != prefix.utf8Start[index] {
      return false
    }
    return true
  }
}
