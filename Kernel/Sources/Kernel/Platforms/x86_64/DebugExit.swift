import CBareMetal

/// QEMU's `isa-debug-exit` device: a guest's way to end the emulator with a status.
///
/// The emulator is started with `-device isa-debug-exit,iobase=0xf4,iosize=4`; a byte written to the
/// port ends the process with status `(byte << 1) | 1`, so that no guest can make it end with zero.
struct DebugExit {
  let port: UInt16

  init(at port: UInt16) { self.port = port }

  /// At the port that QEMU's own test guests use.
  static var standard: DebugExit { DebugExit(at: 0xf4) }

  /// Ends the emulator. On a machine without the device, halts this CPU for good.
  func exit(_ value: UInt8) -> Never {
    x86_out8(port, value)
    haltForever()
  }
}

/// Ends the emulator; on a machine that is none, halts.
func exit(_ status: ExitStatus) -> Never { DebugExit.standard.exit(status.rawValue) }

/// Stops this CPU: nothing but a reset, or an interrupt that cannot be masked, wakes it.
func haltForever() -> Never {
  x86_disable_interrupts()
  while true { x86_halt() }
}
