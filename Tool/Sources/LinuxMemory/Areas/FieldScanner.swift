// The words of a line behind its addresses: size, caller, attributes, flags. One scanner serves the clean
// line of a kernel and what is left of a pasted one; the second may break off anywhere and go on in a later
// line.

/// How far a line has been read, so that the next one can go on there.
enum AreaStage: Comparable {
  case empty, addressed, sized, called, attributed
}

/// An area while its words come in.
struct PartialArea {
  var area = Area()
  var stage = AreaStage.empty
  /// The caller was broken off by " ...": what follows may belong to it.
  var callerIsCut = false
}

enum FieldScanner {
  /// Reads the words from `at` on. False: a word is none that a kernel prints, and `lenient` was not set.
  @inline(__always)
  static func scan(
    _ line: Span<UInt8>, from start: Int, into partial: inout PartialArea, _ callers: inout CallerTable,
    lenient: Bool
  ) -> Bool {
    var at = start
    var firstFlag: (flag: AreaFlags, word: Range<Int>)?
    while true {
      line.skipSpaces(&at)
      if at >= line.count { break }
      let begin = at
      if partial.stage == .addressed, line.byte(at).isDigit {
        guard let size = line.decimal(&at), at == line.count || line.byte(at).isSpace else { return false }
        partial.area.size = size
        partial.stage = .sized
        continue
      }
      if attribute(line, &at, &partial.area) {
        partial.stage = .attributed
        continue
      }
      at = begin
      line.skipWord(&at)
      let word = begin..<at
      if let flag = flag(line, word) {
        if partial.stage <= .sized {
          firstFlag = (flag, word)
        } else if let first = firstFlag, isCaller(first.flag, before: flag, in: partial.area.flags) {
          partial.area.caller = callers.intern(line, symbol: first.word, module: 0..<0)
          partial.area.flags.remove(first.flag)
          firstFlag = nil
        }
        partial.area.flags.insert(flag)
        partial.stage = .attributed
      } else if partial.stage <= .sized, isCaller(line, word) {
        takeCaller(line, &at, word, &partial, &callers)
      } else if !lenient {
        return false
      } else if line.byte(begin) == 0x23 {
        return false
      } else {
        takeRest(line, word, &partial, &callers)
      }
    }
    return true
  }

  /// `pages=`, `phys=`, `N<node>=`.
  @inline(__always)
  private static func attribute(_ line: Span<UInt8>, _ at: inout Int, _ area: inout Area) -> Bool {
    let first = line.byte(at)
    if first == 0x4E {  // N
      at += 1
      guard let node = line.decimal(&at), node <= UInt64(UInt32.max), line.has("=", at: at) else {
        return false
      }
      at += 1
      guard let pages = line.decimal(&at), isWordEnd(line, at) else { return false }
      area.nodes.append(UInt32(node), pages)
      return true
    }
    if first != 0x70 { return false }  // p
    if line.has("pages=", at: at) {
      at += 6
      guard let pages = line.decimal(&at), isWordEnd(line, at) else { return false }
      area.pages = pages
      return true
    }
    guard line.has("phys=", at: at) else { return false }
    at += 5
    if line.has("0x", at: at) { at += 2 }
    guard let physical = line.hexadecimal(&at), isWordEnd(line, at) else { return false }
    area.physical = physical
    return true
  }

  @inline(__always)
  private static func isWordEnd(_ line: Span<UInt8>, _ at: Int) -> Bool {
    at == line.count || line.byte(at).isSpace
  }

  /// The flag that a word stands for; `vm_area` is the second word of two.
  @inline(__always)
  static func flag(_ line: Span<UInt8>, _ word: Range<Int>) -> AreaFlags? {
    switch line.byte(word.lowerBound) {
    case 0x76:  // v
      if line.isWord("vmalloc", word) { return .vmalloc }
      if line.isWord("vpages", word) { return .vpages }
      if line.isWord("vmap", word) { return .vmap }
      if line.isWord("vm_map_ram", word) { return .mapRAM }
      return line.isWord("vm_area", word) ? [] : nil
    case 0x69: return line.isWord("ioremap", word) ? .ioremap : nil
    case 0x75:  // u
      if line.isWord("user", word) { return .user }
      return line.isWord("unpurged", word) ? .unpurged : nil
    case 0x64: return line.isWord("dma-coherent", word) ? .dmaCoherent : nil
    case 0x66: return line.isWord("freeing", word) ? [.freeing, .unpurged] : nil
    default: return nil
    }
  }

  /// Whether a flag's word was a function of that name: it comes twice, or beside another kind of area.
  private static func isCaller(_ first: AreaFlags, before flag: AreaFlags, in flags: AreaFlags) -> Bool {
    let kinds: AreaFlags = [.ioremap, .vmalloc, .vmap, .dmaCoherent]
    return first == flag || (kinds.contains(first) && kinds.contains(flag))
  }

  /// Whether a word can name a caller: not an elision, not a comment, and no half of an attribute.
  private static func isCaller(_ line: Span<UInt8>, _ word: Range<Int>) -> Bool {
    let first = line.byte(word.lowerBound)
    if first == 0x23 || first == 0x2E && line.has("...", at: word.lowerBound) { return false }
    return first != 0x2F && first != 0x5B && !word.contains { line.byte($0) == 0x3D }
  }

  /// `symbol+offset/size`, and the module behind it.
  @inline(__always)
  private static func takeCaller(
    _ line: Span<UInt8>, _ at: inout Int, _ word: Range<Int>, _ partial: inout PartialArea,
    _ callers: inout CallerTable
  ) {
    var symbol = word
    if line.byte(at - 1) == 0x2E, symbol.count > 3, line.has("...", at: symbol.upperBound - 3) {
      symbol = symbol.lowerBound..<(symbol.upperBound - 3)
      partial.callerIsCut = true
    }
    var next = at
    line.skipSpaces(&next)
    var module = 0..<0
    if next < line.count, line.byte(next) == 0x5B {
      let begin = next + 1
      line.skipWord(&next)
      if line.byte(next - 1) == 0x5D, next - 1 > begin {
        module = begin..<(next - 1)
        at = next
      }
    }
    partial.stage = .called
    if line.isWord("(null)", symbol) { symbol = 0..<0 }
    partial.area.caller = callers.intern(line, symbol: symbol, module: module)
  }

  /// A word that is no attribute: the rest of a caller, its module, an elision, or unknown.
  private static func takeRest(
    _ line: Span<UInt8>, _ word: Range<Int>, _ partial: inout PartialArea, _ callers: inout CallerTable
  ) {
    let first = line.byte(word.lowerBound)
    if line.isWord("...", word) {
      if partial.stage == .called { partial.callerIsCut = true }
    } else if partial.callerIsCut, first == 0x2F {
      var caller = callers[partial.area.caller]
      caller.offset += line.text(word)
      partial.area.caller = callers.intern(symbol: caller.symbol + caller.offset, module: caller.module)
      partial.stage = .called
    } else if first == 0x5B, line.byte(word.upperBound - 1) == 0x5D, partial.stage <= .called {
      let caller = callers[partial.area.caller]
      partial.area.caller = callers.intern(
        symbol: caller.symbol + caller.offset,
        module: line.text((word.lowerBound + 1)..<(word.upperBound - 1)))
    } else {
      partial.area.unknownWords.append(line.text(word))
    }
  }
}
