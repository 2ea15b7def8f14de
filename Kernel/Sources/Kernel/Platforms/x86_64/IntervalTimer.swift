import BareMetal
import CBareMetal

/// A PC's interval timer, an 8254, whose third counter is wired to the speaker and can be polled: it
/// runs at the same rate on every machine, and needs no interrupt (Intel 82C54 data sheet, 231244:
/// control word, mode 0; port 0x61: bit 0 the counter's gate, bit 1 the speaker, bit 5 the counter's
/// output).
enum IntervalTimer {
  private static var frequency: UInt64 { 1_193_182 }

  /// Waits for at least that long, in turns of at most 50 ms: the counter has 16 bits. A machine without this
  /// timer has no such port either, and its bits read as ones; there the wait is a longer one, by the
  /// time-stamp counter.
  static func wait(microseconds: UInt32) {
    guard isPresent else { return waitByTimeStamp(microseconds: microseconds) }
    var left = microseconds
    while left > 0 {
      let turn = min(left, 50_000)
      waitOnce(counts: UInt16(truncatingIfNeeded: UInt64(turn) * frequency / 1_000_000 + 1))
      left -= turn
    }
  }

  /// Whether a count that has just begun leaves the output low, as mode 0 has it.
  private static var isPresent: Bool {
    start(counts: .max)
    return x86_in8(0x61) & 0x20 == 0
  }

  /// On any CPU whose counter runs at 5 GHz or less; on most for longer.
  private static func waitByTimeStamp(microseconds: UInt32) {
    let start = TimeStamp.now
    while TimeStamp.now &- start < UInt64(microseconds) &* 5_000 { x86_pause() }
  }

  private static func waitOnce(counts: UInt16) {
    start(counts: counts)
    while x86_in8(0x61) & 0x20 == 0 { x86_pause() }
  }

  private static func start(counts: UInt16) {
    x86_out8(0x61, x86_in8(0x61) & ~0b11 | 1)
    x86_out8(0x43, 0b1011_0000)  // Counter 2, low byte then high byte, mode 0: the output rises at zero.
    x86_out8(0x42, UInt8(truncatingIfNeeded: counts))
    x86_out8(0x42, UInt8(truncatingIfNeeded: counts &>> 8))
  }
}
