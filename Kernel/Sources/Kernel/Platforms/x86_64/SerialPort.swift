import CBareMetal
import KernelMemory

// A 16550 UART, polled: no interrupt, no buffer, no state but the port number, so that it works before
// the first table is built and inside the handler of any fault. Registers and bits: PC16550D data
// sheet (Texas Instruments, SNLS378), section 8.

/// A serial port of a PC.
struct SerialPort: TextSink {
  let base: UInt16

  /// The port whose eight registers begin at `base`.
  init(at base: UInt16) { self.base = base }

  /// What the kernel says goes to COM1, where every PC has had it since the first one.
  static var console: SerialPort { SerialPort(at: 0x3f8) }

  /// Sets 115,200 baud, 8 data bits, no parity, one stop bit, no interrupts, and empties the FIFOs.
  func configure() {
    set(.interruptEnable, 0)
    set(.lineControl, LineControl.divisorLatch)
    set(.data, 1)  // The divisor's low byte: 1.8432 MHz / 16 / 1 is 115,200 baud.
    set(.interruptEnable, 0)  // The divisor's high byte.
    set(.lineControl, LineControl.eightBits)
    set(.fifoControl, 0b111)  // On, both emptied.
    set(.modemControl, 0b11)  // DTR and RTS: ready.
  }

  /// Sends one byte as soon as the port can take it. Where there is no port its status reads as all
  /// ones, which says ready: the byte is lost and nothing hangs.
  mutating func write(_ byte: UInt8) {
    while x86_in8(base &+ Register.lineStatus.rawValue) & LineStatus.transmitterEmpty == 0 {
      x86_pause()
    }
    set(.data, byte)
  }

  private enum Register: UInt16 {
    case data = 0
    case interruptEnable = 1
    case fifoControl = 2
    case lineControl = 3
    case modemControl = 4
    case lineStatus = 5
  }

  private enum LineControl {
    static var divisorLatch: UInt8 { 0x80 }
    static var eightBits: UInt8 { 0b11 }
  }

  private enum LineStatus {
    static var transmitterEmpty: UInt8 { 0x20 }
  }

  private func set(_ register: Register, _ value: UInt8) {
    x86_out8(base &+ register.rawValue, value)
  }
}
