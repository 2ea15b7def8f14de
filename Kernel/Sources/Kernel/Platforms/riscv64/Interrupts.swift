import BareMetal
import CBareMetal
import CKernel
import KernelMemory

extension TimerInterrupt {
  nonisolated(unsafe) private static var counts: UInt64 = 0

  /// Raises the interrupt on this hart again and again: a timer of the firmware's, which is set anew each
  /// time.
  static func start(microseconds: UInt32, on _: MemoryManager) {
    unsafe counts = max(1, UInt64(microseconds) * Devices.countsPerSecond / 1_000_000)
    arm()
    riscv_set_sie(InterruptController.timerBit)
  }

  static func stop() { riscv_clear_sie(InterruptController.timerBit) }

  /// Begins to count anew; what the timer raised is over then.
  fileprivate static func arm() { Firmware.setTimer(TimeStamp.now &+ (unsafe counts)) }
}

/// Causes of interrupts: scause without its highest bit (Privileged Architecture, 12.1.8).
private enum Cause {
  static var software: UInt { 1 }
  static var timer: UInt { 5 }
}

/// Called by trap.S, with interrupts off, on the stack that was interrupted.
@c(kernel_interrupt)
func handleInterrupt(_ frame: UnsafeMutablePointer<kernel_trap_frame>) {
  let cause = unsafe frame.pointee.cause & (.max >> 1)
  switch cause {
  case Cause.software:
    let reasons = InterruptController.acknowledge()
    if reasons & InterruptController.Reason.stop != 0 { LastWords.stopIfBegun() }
    if reasons & InterruptController.Reason.flush != 0 {
      CPUBlock.current.countNotificationTaken()
      Memory.manager?.serveFlushes()
    }
  case Cause.timer:
    TimerInterrupt.arm()
    unsafe TimerInterrupt.action?()
  default:
    panic { console in
      console.write("an interrupt that nobody asked for: ")
      console.write(decimal: UInt64(cause))
    }
  }
}
