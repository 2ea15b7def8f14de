// Strict verification
//
// Every page of every area, each of the recording's size, is written through the MMU when the area is made,
// and read back before it is freed, or at the end. Four words a page: the first and the last one, where an
// off-by-one shows, and two whose places differ from page to page. What a word holds depends on its area (no
// two areas of the run are the same, over all laps), its page and its place, so a frame that is mapped twice,
// a page that is mapped to another's frame and a table that was taken away too early all come back as a wrong
// value.
//
// What must fault is touched too, by a load and by a store: the first and the last word of the guard when
// an area is made, the first word of the first page and the last word of the last page when it is
// freed. A translation that was not invalidated answers instead of faulting.

internal import KernelMemory

/// Writes, reads and touches areas, and counts what it did and what was wrong.
struct Verifier {
  private(set) var wordsWritten: UInt64 = 0
  private(set) var wordsRead: UInt64 = 0
  /// Accesses that had to fault, of guards and of freed areas.
  private(set) var guardTouches: UInt64 = 0
  private(set) var freedTouches: UInt64 = 0
  var violations = Violations()

  private static var pageBytes: UInt64 { TraceRange.pageBytes }
  private static var wordsOfPage: UInt64 { 4 }
  private static var lastWord: UInt64 { pageBytes - 8 }

  /// Writes the pattern of `area` into all its pages.
  mutating func fill(_ area: LiveArea, line: UInt64, on machine: inout some JobMachine) {
    for index in 0..<area.recordedPages * Self.wordsOfPage {
      let word = Self.word(index, of: area)
      wordsWritten += 1
      if !machine.store(word.value, at: word.address) {
        violations.add(.storeFaulted, at: word.address.rawValue, line: line)
      }
    }
  }

  /// Reads the pattern of `area` back.
  mutating func check(_ area: LiveArea, line: UInt64, on machine: inout some JobMachine) {
    for index in 0..<area.recordedPages * Self.wordsOfPage {
      let word = Self.word(index, of: area)
      wordsRead += 1
      guard let found = machine.load(word.address) else {
        violations.add(.loadFaulted, at: word.address.rawValue, line: line)
        continue
      }
      if found != word.value {
        violations.add(
          .wrongValue, at: word.address.rawValue, line: line, expected: word.value, found: found)
      }
    }
  }

  /// Touches the guard behind `area`.
  mutating func touchGuard(_ area: LiveArea, line: UInt64, on machine: inout some JobMachine) {
    let start = area.address + area.mappedBytes
    let last = area.address + area.spanBytes - 8
    guard area.guardPages > 0 else { return }
    guardTouches += 4
    mustFault(at: start, .guardReadable, .guardWritable, line: line, on: &machine)
    mustFault(at: last, .guardReadable, .guardWritable, line: line, on: &machine)
  }

  /// Touches every page of `area`, which was freed.
  mutating func touchFreed(_ area: LiveArea, line: UInt64, on machine: inout some JobMachine) {
    for page in 0..<area.recordedPages {
      freedTouches += 2
      let address = area.address + page * Self.pageBytes
      mustFault(at: address, .freedReadable, .freedWritable, line: line, on: &machine)
    }
  }

  private mutating func mustFault(
    at address: UInt64, _ readable: Violation.Kind, _ writable: Violation.Kind, line: UInt64,
    on machine: inout some JobMachine
  ) {
    if let found = machine.load(VirtualAddress(address)) {
      violations.add(readable, at: address, line: line, found: found)
    }
    if machine.store(~0, at: VirtualAddress(address)) {
      violations.add(writable, at: address, line: line)
    }
  }

  /// The place and the value of one of the words of `area`.
  private static func word(_ index: UInt64, of area: LiveArea) -> (address: VirtualAddress, value: UInt64) {
    let page = index / wordsOfPage
    let seed = scramble(area.ordinal << 32 ^ page)
    let offset =
      switch index % wordsOfPage {
      case 0: 0 as UInt64
      case 1: (seed & 0x1ff) * 8
      case 2: (seed >> 9 & 0x1ff) * 8
      default: lastWord
      }
    return (VirtualAddress(area.address + page * pageBytes + offset), scramble(seed ^ offset))
  }

  /// The finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
  private static func scramble(_ value: UInt64) -> UInt64 {
    var value = value &+ 0x9e37_79b9_7f4a_7c15
    value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
    return value ^ value >> 31
  }
}
