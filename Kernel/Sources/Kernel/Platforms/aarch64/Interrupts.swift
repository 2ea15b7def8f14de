import BareMetal
import CBareMetal
import CKernel
import KernelMemory

extension TimerInterrupt {
  nonisolated(unsafe) private static var counts: UInt = 0

  /// Raises the interrupt on this CPU again and again: the virtual timer, which counts down once each time.
  static func start(microseconds: UInt32, on _: MemoryManager) {
    unsafe counts = max(1, UInt(UInt64(microseconds) * Devices.countsPerSecond / 1_000_000))
    arm()
  }

  static func stop() { arm64_write_cntv_ctl_el0(0) }

  /// Begins to count down anew; what the timer raised is over then.
  fileprivate static func arm() {
    arm64_write_cntv_tval_el0(unsafe counts)
    arm64_write_cntv_ctl_el0(1)
    arm64_isb()
  }
}

/// Called by vectors.S, with interrupts off, on the stack that was interrupted.
@c(kernel_interrupt)
func handleInterrupt(_: UnsafeMutablePointer<kernel_trap_frame>) {
  let interrupt = InterruptController.acknowledge()
  let id = interrupt & 0x3ff
  guard id < InterruptController.firstSpecialID else { return }
  switch id {
  case InterruptController.flushID:
    CPUBlock.current.countNotificationTaken()
    Memory.manager?.serveFlushes()
  case InterruptController.wakeID: break
  case InterruptController.stopID: LastWords.stopIfBegun()
  case InterruptController.timerID:
    TimerInterrupt.arm()
    unsafe TimerInterrupt.action?()
  default:
    panic { console in
      console.write("an interrupt that nobody asked for: ")
      console.write(decimal: UInt64(id))
    }
  }
  InterruptController.end(interrupt)
}
