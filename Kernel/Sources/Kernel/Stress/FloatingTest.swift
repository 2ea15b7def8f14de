import BareMetal
import BootReplay
import CKernel
import KernelMemory

/// Computes in the floating-point unit while the handler of a timer's interrupt uses all of its registers:
/// what was interrupted must find its own there.
struct FloatingTest {
  nonisolated(unsafe) private static var ticks: UInt = 0
  nonisolated(unsafe) private static var isOver: UInt = 0

  private static var ticksWanted: UInt { 200 }

  static func run(on manager: MemoryManager) -> ExitStatus {
    unsafe TimerInterrupt.action = {
      kernel_floating_disturb()
      unsafe kernel_add_word(&FloatingTest.ticks, 1)
      if unsafe kernel_load_word(&FloatingTest.ticks) == FloatingTest.ticksWanted {
        unsafe kernel_store_word(&FloatingTest.isOver, 1)
      }
    }
    TimerInterrupt.start(microseconds: 200, on: manager)
    let isRight = unsafe kernel_floating_loop(&isOver)
    TimerInterrupt.stop()
    var console = SerialPort.console
    console.write("floating.ticks", equals: UInt64(unsafe kernel_load_word(&ticks)))
    console.write("floating.right", equals: isRight ? 1 : 0)
    return isRight ? .success : .jobFailed
  }
}
