/// Finds room in a range of addresses by a bit a page: a set bit is taken. A search begins where the last one
/// found room, and once more at the bottom. What is freed has to be told its size, and is checked to be
/// taken. The published shape of Zircon's VirtualAlloc.
struct BitmapAllocator: RangeAllocator {
  private var words: [UInt64]
  private var hint = 0

  init(pages: Int) { words = [UInt64](repeating: 0, count: (pages + 63) / 64) }

  mutating func allocate(_ count: Int) -> Int? {
    guard let start = room(for: count, from: hint) ?? room(for: count, from: 0) else { return nil }
    mark(start, count)
    hint = start
    return start
  }

  mutating func free(_ start: Int, _ count: Int) -> Bool {
    guard isTaken(start, count) else { return false }
    mark(start, count)
    return true
  }

  /// The first run of `count` clear bits at or above `start`.
  private func room(for count: Int, from start: Int) -> Int? {
    let end = words.count * 64
    var first = start
    var at = start
    while at - first < count {
      if at >= end { return nil }
      // Bits from here on: how many are clear, and how many are set behind them.
      let word = words[at / 64] >> UInt64(at % 64)
      let left = 64 - at % 64
      let clear = min(word.trailingZeroBitCount, left)
      at += clear
      if clear == left || at - first >= count { continue }
      at += min((~(word >> UInt64(clear))).trailingZeroBitCount, left - clear)
      first = at
    }
    return first
  }

  private func isTaken(_ start: Int, _ count: Int) -> Bool {
    (start..<start + count).allSatisfy { words[$0 / 64] >> UInt64($0 % 64) & 1 == 1 }
  }

  /// Turns the bits over.
  private mutating func mark(_ start: Int, _ count: Int) {
    var at = start
    while at < start + count {
      let bits = min(64 - at % 64, start + count - at)
      let mask = bits == 64 ? UInt64.max : (1 << UInt64(bits)) &- 1
      words[at / 64] ^= mask << UInt64(at % 64)
      at += bits
    }
  }
}
