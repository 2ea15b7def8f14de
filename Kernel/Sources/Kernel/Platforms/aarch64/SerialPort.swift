import CBareMetal
import KernelMemory

/// A PL011 UART, written to and nothing else: the loader has set it up, or the emulator needs no setting up
/// (Arm DDI 0183, 3.3: UARTDR, UARTFR).
struct SerialPort: TextSink {
  private let base: UInt

  /// What the kernel says goes to the one that the device tree has.
  static var console: SerialPort { SerialPort(base: unsafe Devices.console.start) }

  func configure() {}

  /// Sends one byte as soon as the port can take it.
  mutating func write(_ byte: UInt8) {
    while arm64_mmio_read32(base &+ Register.flags) & Flag.transmitFull != 0 { arm64_yield() }
    arm64_mmio_write8(base, byte)
  }

  private enum Register {
    static var flags: UInt { 0x18 }
  }

  private enum Flag {
    static var transmitFull: UInt32 { 1 << 5 }
  }
}
