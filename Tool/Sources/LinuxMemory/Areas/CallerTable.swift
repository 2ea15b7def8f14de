/// A caller in a `CallerTable`.
public struct CallerID: Hashable, Sendable {
  let index: Int32
  /// The line names nobody.
  public static let none = CallerID(index: 0)
}

/// Who asked for an area, taken apart.
public struct Caller: Equatable, Sendable {
  /// The function, or the raw address where no symbol was found; empty where the line names nobody.
  public var symbol = ""
  /// `+0x…/0x…`: where in the function, and its size.
  public var offset: String = ""
  /// The module in brackets, without them.
  public var module = ""

  /// Whether the symbol is an address: its module was gone when the list was read.
  public var isRawAddress: Bool { symbol.hasPrefix("0x") }

  /// The function without what the compiler appends to copies of it (`.constprop.0`, `.isra.1`).
  public var function: String {
    if isRawAddress { return symbol }
    for mark in [".constprop", ".isra", ".part", ".cold", ".llvm", ".lto_priv"] {
      if let place = symbol.range(of: mark), place > symbol.startIndex { return String(symbol[..<place]) }
    }
    return symbol
  }

  /// The line's own words.
  public var text: String {
    if symbol.isEmpty { return "(no caller)" }
    return symbol + offset + (module.isEmpty ? "" : " [\(module)]")
  }

  /// A function of a module, without a place in it.
  public init(function: String, module: String) {
    symbol = function
    self.module = module
  }

  init(symbol: String, module: String) {
    self.module = module
    if let plus = symbol.firstIndex(of: "+"), plus > symbol.startIndex {
      self.symbol = String(symbol[..<plus])
      offset = String(symbol[plus...])
    } else {
      self.symbol = symbol
    }
  }
}

extension String {
  /// Where `text` begins, without Foundation.
  func range(of text: String) -> String.Index? {
    var at = startIndex
    while at < endIndex {
      if self[at...].hasPrefix(text) { return at }
      at = index(after: at)
    }
    return nil
  }
}

/// The callers of a list, each stored once: a line costs a hash and a comparison, and no string.
///
/// The names lie one behind the other in one array of bytes, found by an open table of hashes that is never
/// more than half full.
public struct CallerTable: Sendable {
  private struct Entry {
    var hash: UInt64
    var begin: Int
    var symbolLength: Int32
    var moduleLength: Int32
  }

  private var bytes: [UInt8] = []
  private var entries: [Entry] = []
  private var slots: [Int32]
  private var mask: Int

  public init() {
    slots = [Int32](repeating: -1, count: 1024)
    mask = 1023
    entries.append(Entry(hash: 0, begin: 0, symbolLength: 0, moduleLength: 0))
  }

  /// The number of callers, "nobody" included.
  public var count: Int { entries.count }

  /// The caller of that symbol and module, which both are ranges of `line`.
  mutating func intern(_ line: Span<UInt8>, symbol: Range<Int>, module: Range<Int>) -> CallerID {
    if symbol.isEmpty && module.isEmpty { return .none }
    let hash = Self.hash(line, module, seed: Self.hash(line, symbol, seed: 0))
    var slot = Int(truncatingIfNeeded: hash) & mask
    while slots[slot] >= 0 {
      let index = slots[slot]
      let entry = entries[Int(index)]
      if entry.hash == hash, entry.symbolLength == symbol.count, entry.moduleLength == module.count,
        equals(line, symbol, at: entry.begin), equals(line, module, at: entry.begin + symbol.count)
      {
        return CallerID(index: index)
      }
      slot = (slot + 1) & mask
    }
    return insert(line, symbol, module, hash, slot)
  }

  /// The caller of that symbol and module.
  public mutating func intern(symbol: String, module: String = "") -> CallerID {
    let joined = Array(symbol.utf8) + Array(module.utf8)
    let split = symbol.utf8.count
    return intern(joined.span, symbol: 0..<split, module: split..<joined.count)
  }

  /// The caller, taken apart.
  public subscript(_ id: CallerID) -> Caller {
    let entry = entries[Int(id.index)]
    let middle = entry.begin + Int(entry.symbolLength)
    return Caller(
      symbol: String(decoding: bytes[entry.begin..<middle], as: UTF8.self),
      module: String(decoding: bytes[middle..<(middle + Int(entry.moduleLength))], as: UTF8.self))
  }

  /// Every caller's identifier, "nobody" first.
  public var ids: [CallerID] { entries.indices.map { CallerID(index: Int32($0)) } }

  private mutating func insert(
    _ line: Span<UInt8>, _ symbol: Range<Int>, _ module: Range<Int>, _ hash: UInt64, _ slot: Int
  ) -> CallerID {
    let id = CallerID(index: Int32(entries.count))
    entries.append(
      Entry(
        hash: hash, begin: bytes.count, symbolLength: Int32(symbol.count), moduleLength: Int32(module.count)))
    for index in symbol { bytes.append(line.byte(index)) }
    for index in module { bytes.append(line.byte(index)) }
    slots[slot] = id.index
    if entries.count * 2 > slots.count { grow() }
    return id
  }

  private mutating func grow() {
    slots = [Int32](repeating: -1, count: slots.count * 2)
    mask = slots.count - 1
    for (index, entry) in entries.enumerated().dropFirst() {
      var slot = Int(truncatingIfNeeded: entry.hash) & mask
      while slots[slot] >= 0 { slot = (slot + 1) & mask }
      slots[slot] = Int32(index)
    }
  }

  @inline(__always)
  private func equals(_ line: Span<UInt8>, _ range: Range<Int>, at begin: Int) -> Bool {
    unsafe bytes.withUnsafeBufferPointer { stored in
      var at = begin
      for index in range {
        if unsafe stored[at] != line.byte(index) { return false }
        at += 1
      }
      return true
    }
  }

  /// Four bytes a step, folded by a multiplication whose high bits come back down.
  @inline(__always)
  private static func hash(_ line: Span<UInt8>, _ range: Range<Int>, seed: UInt64) -> UInt64 {
    var value = seed ^ UInt64(truncatingIfNeeded: range.count)
    var at = range.lowerBound
    while range.upperBound - at >= 8 {
      let word = unsafe line.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: at, as: UInt64.self)
      value = (value ^ word) &* 0x9E37_79B9_7F4A_7C15
      value ^= value >> 32
      at += 8
    }
    while at < range.upperBound {
      value = (value ^ UInt64(line.byte(at))) &* 0x9E37_79B9_7F4A_7C15
      value ^= value >> 29
      at += 1
    }
    return value
  }
}
