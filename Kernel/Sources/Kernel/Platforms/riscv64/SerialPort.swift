import CBareMetal
import KernelMemory

/// A 16550 UART, written to and nothing else: the firmware has set it up, and has written to it before.
struct SerialPort: TextSink {
  private let base: UInt

  /// What the kernel says goes to the one that the device tree has.
  static var console: SerialPort { SerialPort(base: unsafe Devices.console.start) }

  func configure() {}

  /// Sends one byte as soon as the port can take it.
  mutating func write(_ byte: UInt8) {
    while riscv_mmio_read8(base &+ Register.lineStatus) & LineStatus.transmitEmpty == 0 { riscv_pause() }
    riscv_mmio_write8(base, byte)
  }

  private enum Register {
    static var lineStatus: UInt { 5 }
  }

  private enum LineStatus {
    static var transmitEmpty: UInt8 { 1 << 5 }
  }
}
