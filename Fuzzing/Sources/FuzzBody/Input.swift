/// The bytes of one input, taken from the front; behind the end they are zero.
struct Input {
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { position >= bytes.count }

  mutating func byte() -> UInt8 {
    guard !isAtEnd else { return 0 }
    position += 1
    return bytes[position - 1]
  }

  /// A number below `bound`.
  mutating func below(_ bound: Int) -> Int { bound > 0 ? word() % bound : 0 }

  mutating func word() -> Int { Int(byte()) | Int(byte()) << 8 }

  /// A size: small ones mostly, and each width up to 24 bits; now and then none that can be had.
  mutating func size() -> Int {
    let kind = byte()
    switch kind {
    case 0: return 0
    case 1: return -1 - word()
    case 2: return .max - word()
    case 3: return 1 << (24 + Int(byte()) % 39)
    case 4...15: return 1 + (word() << 8 | Int(byte()))
    case 16...63: return 1 + word()
    default: return 1 + word() & (1 << (3 + Int(kind) % 10)) - 1
    }
  }
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
public struct SeededBytes {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  private mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
    return mixed ^ mixed >> 31
  }

  /// An input of up to `count` bytes.
  public mutating func input(upTo count: Int) -> [UInt8] {
    (0..<Int(next() % UInt64(count + 1))).map { _ in UInt8(truncatingIfNeeded: next() >> 11) }
  }
}
