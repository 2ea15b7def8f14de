import CBareMetal

/// What the firmware does for supervisor mode (RISC-V SBI 2.0).
enum Firmware {
  private enum Extension {
    static var timer: UInt { 0x5449_4d45 }
    static var interrupts: UInt { 0x73_5049 }
    static var harts: UInt { 0x48_534d }
  }

  /// Raises the software interrupt of a hart.
  static func interrupt(_ hart: UInt64) {
    _ = riscv_call_sbi(Extension.interrupts, 0, 1, UInt(hart), 0)
  }

  /// Raises this hart's timer interrupt when the real-time counter is there.
  static func setTimer(_ count: UInt64) { _ = riscv_call_sbi(Extension.timer, 0, UInt(count), 0, 0) }

  /// Starts a hart at a physical address, with translation off and `argument` in A1.
  /// - Returns: zero, or a negative error.
  static func start(_ hart: UInt64, at entry: UInt, _ argument: UInt) -> Int {
    riscv_call_sbi(Extension.harts, 0, UInt(hart), entry, argument).error
  }
}
