// The two addresses that begin a line, in every spelling: `0x…-0x…`, bare hexadecimal, `(ptrval)` with and
// without `0x`, underscores or blanks, words of hidden digits, blanks around the dash, a left half that was
// cut off.

/// Two addresses in a line.
struct AddressRange {
  var start: UInt64
  var end: UInt64
  /// `hashed` stands for "not yet judged".
  var state: AddressState
  /// Where they stand, blanks inside included.
  var place: Range<Int>
}

enum AddressScanner {
  /// The addresses at the very beginning of a line, as kernels print them.
  @inline(__always)
  static func plain(_ line: Span<UInt8>) -> AddressRange? {
    guard line.has("0x", at: 0) else { return nil }
    var at = 2
    guard let start = line.hexadecimal(&at), line.has("-0x", at: at) else { return nil }
    at += 3
    guard let end = line.hexadecimal(&at), at < line.count, line.byte(at).isSpace else { return nil }
    return AddressRange(start: start, end: end, state: .hashed, place: 0..<at)
  }

  /// Every pair of addresses in a line, from left to right.
  static func all(_ line: Span<UInt8>) -> [AddressRange] {
    var found: [AddressRange] = []
    var at = 0
    while at < line.count {
      if line.byte(at) == 0x2D, let range = around(dash: at, line, from: found.last?.place.upperBound ?? 0) {
        found.append(range)
        at = range.place.upperBound
      } else {
        at += 1
      }
    }
    return found
  }

  /// One of the two addresses.
  private struct Side {
    var value: UInt64 = 0
    var digits = 0
    var isHidden = false
    var hasPrefix = false
    var place: Range<Int>
  }

  private static func around(dash: Int, _ line: Span<UInt8>, from floor: Int) -> AddressRange? {
    guard let right = right(of: dash, line), let left = left(of: dash, line, from: floor) else { return nil }
    let place = left.place.lowerBound..<right.place.upperBound
    if left.isHidden || right.isHidden {
      guard left.isHidden && right.isHidden else { return nil }
      return AddressRange(start: 0, end: 0, state: .hidden, place: place)
    }
    if !right.hasPrefix {
      guard !left.hasPrefix, right.digits >= 8, left.digits == right.digits, isBefore(number: place, line)
      else { return nil }
    }
    let isWhole = left.hasPrefix == right.hasPrefix && right.digits >= left.digits
    return AddressRange(
      start: isWhole ? left.value : 0, end: isWhole ? right.value : 0, state: isWhole ? .hashed : .absent,
      place: place)
  }

  /// Whether a decimal number follows, as a size does.
  private static func isBefore(number place: Range<Int>, _ line: Span<UInt8>) -> Bool {
    var at = place.upperBound
    line.skipSpaces(&at)
    return at < line.count && line.byte(at).isDigit
  }

  private static func right(of dash: Int, _ line: Span<UInt8>) -> Side? {
    var at = dash + 1
    line.skipSpaces(&at)
    let begin = at
    let hasPrefix = line.has("0x", at: at)
    if hasPrefix { at += 2 }
    if let end = hiddenWord(line, from: at, hasPrefix: hasPrefix) {
      return Side(isHidden: true, hasPrefix: hasPrefix, place: begin..<end)
    }
    let digits = at
    guard let value = line.hexadecimal(&at), at == line.count || line.byte(at).isSpace else { return nil }
    return Side(value: value, digits: at - digits, hasPrefix: hasPrefix, place: begin..<at)
  }

  private static func left(of dash: Int, _ line: Span<UInt8>, from floor: Int) -> Side? {
    var end = dash
    while end > floor, line.byte(end - 1).isSpace { end -= 1 }
    if end == floor { return nil }
    if let begin = hiddenWord(line, endingAt: end, from: floor) {
      return Side(isHidden: true, place: begin..<end)
    }
    var begin = end
    while begin > floor, line.byte(begin - 1).isHex, end - begin < 16 { begin -= 1 }
    if begin == end { return nil }
    var at = begin
    // The zero of `0x` is a hexadecimal digit, and `x` is none: so `begin` stands behind the `x`.
    if begin - floor >= 2, line.has("0x", at: begin - 2) {
      guard let value = line.hexadecimal(&at) else { return nil }
      return Side(value: value, digits: end - begin, hasPrefix: true, place: (begin - 2)..<end)
    }
    if begin > floor, !line.byte(begin - 1).isSpace { return nil }
    guard let value = line.hexadecimal(&at) else { return nil }
    return Side(value: value, digits: end - begin, place: begin..<end)
  }

  /// The end of a word that stands for a hidden address: in brackets, or of masking letters behind `0x`.
  private static func hiddenWord(_ line: Span<UInt8>, from start: Int, hasPrefix: Bool) -> Int? {
    var at = start
    line.skipSpaces(&at)
    if line.has("(", at: at) {
      while at < line.count, line.byte(at) != 0x29 { at += 1 }
      return at < line.count && isMark(line, at) ? at + 1 : nil
    }
    if !hasPrefix || at != start { return nil }
    while at < line.count, isMask(line.byte(at)) { at += 1 }
    return at > start && (at == line.count || line.byte(at).isSpace) ? at : nil
  }

  /// The beginning of such a word that ends at `end`, its `0x` included.
  private static func hiddenWord(_ line: Span<UInt8>, endingAt end: Int, from floor: Int) -> Int? {
    var begin = end
    if line.byte(end - 1) == 0x29 {
      if !isMark(line, end - 1) { return nil }
      while begin > floor, line.byte(begin - 1) != 0x28 { begin -= 1 }
      if begin == floor { return nil }
      begin -= 1
      var before = begin
      while before > floor, line.byte(before - 1) == 0x20 { before -= 1 }
      return before - floor >= 2 && line.has("0x", at: before - 2) ? before - 2 : begin
    }
    while begin > floor, isMask(line.byte(begin - 1)) { begin -= 1 }
    guard begin < end else { return nil }
    if line.byte(begin) == 0x78, begin > floor, line.byte(begin - 1) == 0x30 { return begin - 1 }
    return begin - floor >= 2 && line.has("0x", at: begin - 2) ? begin - 2 : nil
  }

  /// Whether the bracket that closes at `at` holds one of the words that `%p` prints.
  private static func isMark(_ line: Span<UInt8>, _ at: Int) -> Bool {
    for word: StaticString in ["ptrval", "null", "efault", "einval", "hidden"] {
      var end = at
      while end > 0, line.byte(end - 1) == 0x5F { end -= 1 }
      if line.has(word, at: end - word.utf8CodeUnitCount) { return true }
    }
    return false
  }

  private static func isMask(_ byte: UInt8) -> Bool {
    byte == 0x58 || byte == 0x78 || byte == 0x2A || byte == 0x3F || byte == 0x23
  }
}
