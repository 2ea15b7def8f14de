/// Numbers that look random and are the same in every run: xorshift64 (G. Marsaglia, 2003, shifts 13,
/// 7, 17).
struct RandomNumbers {
  private var state: UInt64

  init(seed: Int) { state = 0x9e37_79b9_7f4a_7c15 &* UInt64(seed &+ 1) | 1 }

  /// A number from zero up to, and without, `limit`.
  mutating func next(below limit: Int) -> Int {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Int(state >> 33) % limit
  }
}
