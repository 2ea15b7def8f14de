/// What a line is that belongs to no list.
enum StrangeLine {
  /// "...", "[..]", "// ...": lines were left out here.
  case elision
  /// A line of another file, or a heading.
  case foreign
  /// An event of a trace.
  case trace
  /// An area without its beginning: where its caller starts, and its size if that is whole.
  case half(Range<Int>, size: UInt64?)
  case unknown

  static func classify(_ line: Span<UInt8>, from at: Int) -> StrangeLine {
    if line.find("_vmap_area") != nil, line.find(": ") != nil { return .trace }
    let words = line.words(in: at..<line.count)
    if let half = half(line, words) { return half }
    if isElision(line, from: at) { return .elision }
    return isForeign(line, words, at) ? .foreign : .unknown
  }

  /// Whether a word is `pages=…`, `phys=…`, `N0=…` or a flag.
  static func isAttribute(_ line: Span<UInt8>, _ word: Range<Int>) -> Bool {
    if FieldScanner.flag(line, word) != nil { return true }
    let at = word.lowerBound
    if line.has("pages=", at: at) || line.has("phys=", at: at) { return true }
    var digits = at + 1
    return line.byte(at) == 0x4E && line.decimal(&digits) != nil && line.has("=", at: digits)
  }

  /// Whether a line begins with a caller: `symbol+0x…`, an address, or a bare name with nothing but
  /// attributes and a module behind it.
  static func isCaller(_ line: Span<UInt8>, _ words: [Range<Int>]) -> Bool {
    guard let first = words.first, first.allSatisfy({ isCallerByte(line.byte($0)) }) else { return false }
    if hasOffset(line, first) || line.has("0x", at: first.lowerBound) { return true }
    return words.dropFirst().allSatisfy { isAttribute(line, $0) || line.byte($0.lowerBound) == 0x5B }
  }

  private static func isCallerByte(_ byte: UInt8) -> Bool {
    byte.isNameByte || byte == 0x2B || byte == 0x2F || byte == 0x28 || byte == 0x29
  }

  static func hasOffset(_ line: Span<UInt8>, _ word: Range<Int>) -> Bool {
    guard let plus = line.find("+0x", from: word.lowerBound) else { return false }
    return plus > word.lowerBound && plus < word.upperBound
  }

  private static func isElision(_ line: Span<UInt8>, from at: Int) -> Bool {
    var dots = 0
    var letters = 0
    for index in at..<line.count {
      let byte = line.byte(index)
      if byte == 0x2E { dots += 1 } else if byte.isNameByte { letters += 1 }
    }
    if letters == 0 { return dots > 0 }
    return line.has("...", at: at) && line.byte(line.count - 1) == 0x2E
      && line.find("...", from: at + 3) != nil
      && line.find("=") == nil
  }

  /// Two things that only an area has: a caller with offsets, pages or an address, a flag.
  private static func half(_ line: Span<UInt8>, _ words: [Range<Int>]) -> StrangeLine? {
    guard
      let begin = words.firstIndex(where: { hasOffset(line, $0) })
        ?? words.firstIndex(where: { isAttribute(line, $0) })
    else { return nil }
    let rest = words[begin...].dropFirst(hasOffset(line, words[begin]) ? 1 : 0)
    let hasPages = rest.contains {
      line.has("pages=", at: $0.lowerBound) || line.has("phys=", at: $0.lowerBound)
    }
    let hasFlag = rest.contains { FieldScanner.flag(line, $0) != nil }
    let hasCaller = hasOffset(line, words[begin])
    guard [hasPages, hasFlag, hasCaller].filter({ $0 }).count >= 2 else { return nil }
    var size: UInt64?
    if begin > 0 {
      var at = words[begin - 1].lowerBound
      // A number that lost its first digits is seldom a multiple of a page.
      if let value = line.decimal(&at), at == words[begin - 1].upperBound, value > 0, value & 0xFFF == 0 {
        size = value
      }
    }
    return .half(words[begin].lowerBound..<line.count, size: size)
  }

  /// Headings of diff and of `kmem -v`, the rest of /proc/meminfo and /proc/vmstat.
  private static func isForeign(_ line: Span<UInt8>, _ words: [Range<Int>], _ at: Int) -> Bool {
    for start: StaticString in ["--- ", "+++ ", "@@ ", "diff ", "index ", "VMAP_AREA", "VM_STRUCT"]
    where line.has(start, at: at) || line.find(start) == 0 { return true }
    if words.count == 1, isDiffCommand(line, words[0]) { return true }
    guard (2...3).contains(words.count) else { return false }
    var number = words[1].lowerBound
    guard line.decimal(&number) != nil, number == words[1].upperBound else { return false }
    let isMeminfo =
      line.byte(words[0].upperBound - 1) == 0x3A && (words.count == 2 || line.isWord("kB", words[2]))
    let isVmstat =
      words.count == 2 && words[0].allSatisfy { line.byte($0).isNameByte } && !line.byte(at).isDigit
    return isMeminfo || isVmstat
  }

  /// `68a69`, `1,2c3,4`.
  private static func isDiffCommand(_ line: Span<UInt8>, _ word: Range<Int>) -> Bool {
    var letters = 0
    for index in word {
      let byte = line.byte(index)
      if byte == 0x61 || byte == 0x63 || byte == 0x64 {
        letters += 1
      } else if !byte.isDigit && byte != 0x2C {
        return false
      }
    }
    return letters == 1 && line.byte(word.lowerBound).isDigit && line.byte(word.upperBound - 1).isDigit
  }

  /// Why a file that begins so is not read, in words for its owner.
  static func reasonToRefuse(_ line: Span<UInt8>) -> String? {
    if line.count >= 2, line.byte(0) == 0x1F, line.byte(1) == 0x8B {
      return "it is compressed: use zcat FILE | vmalloc"
    }
    if line.has("BZh", at: 0) { return "it is compressed: use bzcat FILE | vmalloc" }
    if line.count >= 4, line.byte(0) == 0xFD, line.has("7zXZ", at: 1) {
      return "it is compressed: use xzcat FILE | vmalloc"
    }
    if line.count >= 4, line.byte(0) == 0x28, line.byte(1) == 0xB5, line.byte(2) == 0x2F, line.byte(3) == 0xFD
    {
      return "it is compressed: use zstdcat FILE | vmalloc"
    }
    if isUTF16(line) { return "it is UTF-16: use iconv -f UTF-16 -t UTF-8 FILE | vmalloc" }
    return line.has("\u{7F}ELF", at: 0) ? "it is a program or a core file, not a list" : nil
  }

  /// Whether a text begins with the mark of UTF-16, or has a zero in every second byte, as PowerShell writes
  /// it.
  private static func isUTF16(_ line: Span<UInt8>) -> Bool {
    guard line.count >= 4 else { return false }
    let (first, second) = (line.byte(0), line.byte(1))
    if first == 0xFF && second == 0xFE || first == 0xFE && second == 0xFF { return true }
    return first == 0 && line.byte(2) == 0 && second != 0 || second == 0 && line.byte(3) == 0 && first != 0
  }
}
