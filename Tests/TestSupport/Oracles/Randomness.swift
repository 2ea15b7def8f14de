import Foundation
import Testing

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): the same numbers from the same seed, everywhere.
struct Randomness: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
    return mixed ^ mixed >> 31
  }

  mutating func below(_ bound: UInt64) -> UInt64 { UInt64.random(in: 0..<bound, using: &self) }

  /// True once in `count` times.
  mutating func oneIn(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }

  mutating func element<Element>(of elements: [Element]) -> Element {
    elements[Int.random(in: elements.indices, using: &self)]
  }
}

/// What the environment says of random tests. A test with a seed takes it as an argument, so that a failure
/// names it; `VMALLOC_SEED=n` runs that one alone, and `VMALLOC_SOAK=1` makes the tests long.
enum RandomTests {
  static func seeds(_ count: UInt64) -> [UInt64] {
    if let text = ProcessInfo.processInfo.environment["VMALLOC_SEED"], let seed = UInt64(text) {
      return [seed]
    }
    return Array(1...count)
  }

  /// How many times as many operations as usual.
  static var factor: Int { ProcessInfo.processInfo.environment["VMALLOC_SOAK"] == "1" ? 20 : 1 }
}
