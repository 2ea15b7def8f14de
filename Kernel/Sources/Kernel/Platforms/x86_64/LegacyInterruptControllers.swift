import CBareMetal

/// The two 8259A controllers of a PC, which after a reset deliver the timer as a double fault.
enum LegacyInterruptControllers {
  /// Moves their interrupts behind the CPU's 32 exceptions and masks them all, so that interrupts may be
  /// switched on before the first driver exists (Intel 8259A data sheet, 231468: ICW1 to ICW4, OCW1).
  static func silence() {
    set(command: 0x20, data: 0x21, vector: 32, cascade: 1 << 2)
    set(command: 0xa0, data: 0xa1, vector: 40, cascade: 2)
  }

  /// The vectors that a controller raises when an interrupt went away before it was taken: its last input's.
  /// Such an interrupt is not acknowledged to the controller that raised it; but the second one's came
  /// through an input of the first, which does wait for an answer (8259A data sheet, "Cascade mode").
  /// - Returns: whether `vector` was one of the two.
  static func endSpurious(_ vector: UInt8) -> Bool {
    if vector == 47 { x86_out8(0x20, 0x20) }  // OCW2: end of interrupt.
    return vector == 39 || vector == 47
  }

  private static func set(command: UInt16, data: UInt16, vector: UInt8, cascade: UInt8) {
    x86_out8(command, 0x11)  // ICW1: begin; ICW4 will follow.
    x86_out8(data, vector)  // ICW2: the vector of the first input.
    x86_out8(data, cascade)  // ICW3: which input the second controller is wired to; its own number.
    x86_out8(data, 0x01)  // ICW4: 8086 mode.
    x86_out8(data, 0xff)  // OCW1: all masked.
  }
}
