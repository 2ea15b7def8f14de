/// One row of /proc/allocinfo: what one place in the kernel's source has allocated and not yet freed.
public struct AllocationSite: Equatable, Sendable {
  /// Bytes; the kernel's counters are signed, and a race can show a negative one.
  public var bytes: Int64
  /// Allocations; for vmalloc each page is one.
  public var calls: UInt64
  /// The source file.
  public var file: String
  /// The line in it.
  public var line: UInt64
  /// The module, or nothing.
  public var module: String
  /// The function that allocates.
  public var function: String
  /// False where the kernel says that the row lost allocations (`accurate:no`).
  public var isAccurate = true
}

/// /proc/allocinfo, or the ten largest sites that an out-of-memory report prints.
public struct Allocinfo: Equatable, Sendable {
  /// Where the rows come from.
  public enum Form: Equatable, Sendable {
    /// The file, with the version of its header if it has one.
    case file(version: String?)
    /// An out-of-memory report: ten rows, sizes rounded to three digits.
    case outOfMemory
  }

  public var form = Form.file(version: nil)
  public var sites: [AllocationSite] = []
  /// False where an out-of-memory report says that profiling was off by then: the rows are old.
  public var isProfilingOn: Bool?

  public init() {}

  public var isEmpty: Bool { sites.isEmpty && form == .file(version: nil) && isProfilingOn == nil }

  /// The sum of all rows in bytes.
  public var totalBytes: Int64 {
    sites.reduce(0) { sum, site in
      let (total, over) = sum.addingReportingOverflow(site.bytes)
      return over ? (site.bytes < 0 ? .min : .max) : total
    }
  }
}

extension Allocinfo {
  /// Reads a line if it is a header or a row of one of the two forms; nil where it looks like a row and is
  /// broken.
  mutating func take(_ line: Span<UInt8>) -> Bool? {
    if let function = line.find("func:"), function > 0, line.byte(function - 1).isSpace {
      guard let site = Self.site(line, function: function) else { return nil }
      sites.append(site)
      return true
    }
    if let place = line.find("allocinfo - version: ") {
      form = .file(version: line.text((place + 21)..<end(of: line, from: place + 21)))
      return true
    }
    if line.find("<size>  <calls> <tag info>") != nil { return true }
    guard let place = line.find("Memory allocations") else { return false }
    form = .outOfMemory
    if line.find("profiling is currently turned off", from: place) != nil { isProfilingOn = false }
    if line.find("profiling is currently turned on", from: place) != nil { isProfilingOn = true }
    return true
  }

  private func end(of line: Span<UInt8>, from start: Int) -> Int {
    var at = start
    line.skipWord(&at)
    return at
  }

  /// `<size> <calls> <file>:<line> [<module>] func:<function> [accurate:no]`, whatever stands before it.
  private static func site(_ line: Span<UInt8>, function: Int) -> AllocationSite? {
    var words = line.words(in: 0..<function)
    var module = ""
    if let last = words.last, line.byte(last.lowerBound) == 0x5B, line.byte(last.upperBound - 1) == 0x5D {
      module = line.text((last.lowerBound + 1)..<(last.upperBound - 1))
      words.removeLast()
    }
    guard let place = words.popLast(), let colon = place.last(where: { line.byte($0) == 0x3A }) else {
      return nil
    }
    var at = colon + 1
    guard let number = line.decimal(&at), at == place.upperBound, place.lowerBound < colon,
      let callsWord = words.popLast(), let calls = whole(line, callsWord),
      let bytes = size(line, &words)
    else { return nil }
    let tail = line.words(in: (function + 5)..<line.count)
    guard let name = tail.first else { return nil }
    return AllocationSite(
      bytes: bytes, calls: calls, file: line.text(place.lowerBound..<colon), line: number, module: module,
      function: line.text(name),
      isAccurate: !tail.contains { line.isWord("accurate:no", $0) })
  }

  private static func whole(_ line: Span<UInt8>, _ word: Range<Int>) -> UInt64? {
    var at = word.lowerBound
    guard let value = line.decimal(&at), at == word.upperBound else { return nil }
    return value
  }

  /// A number of bytes with a sign, or `38.4 MiB`, at the end of the words.
  private static func size(_ line: Span<UInt8>, _ words: inout [Range<Int>]) -> Int64? {
    guard let last = words.popLast() else { return nil }
    if let scale = unit(line, last) {
      guard let number = words.popLast() else { return nil }
      return rounded(line, number, scale)
    }
    let isNegative = line.byte(last.lowerBound) == 0x2D
    guard let value = whole(line, isNegative ? (last.lowerBound + 1)..<last.upperBound : last) else {
      return nil
    }
    if isNegative { return value <= 1 << 63 ? Int64(truncatingIfNeeded: 0 &- value) : nil }
    return Int64(exactly: value)
  }

  private static func unit(_ line: Span<UInt8>, _ word: Range<Int>) -> UInt64? {
    let units: [(StaticString, UInt64)] = [
      ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("PiB", 1 << 50),
    ]
    return units.first { line.isWord($0.0, word) }?.1
  }

  /// `38.4` times a unit, in whole numbers.
  private static func rounded(_ line: Span<UInt8>, _ word: Range<Int>, _ scale: UInt64) -> Int64? {
    var at = word.lowerBound
    guard let whole = line.decimal(&at) else { return nil }
    var result = whole.clampedMultiply(scale)
    if at < word.upperBound {
      guard line.byte(at) == 0x2E else { return nil }
      at += 1
      let begin = at
      guard let fraction = line.decimal(&at), at == word.upperBound, at - begin <= 6 else { return nil }
      let power = (0..<(at - begin)).reduce(UInt64(1)) { power, _ in power * 10 }
      result = result.clampedAdd(fraction.clampedMultiply(scale) / power)
    }
    return Int64(exactly: result)
  }
}
