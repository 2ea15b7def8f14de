import BareMetal
import CKernel
import KernelMemory

// The vectors behind the CPU's 32 exceptions. A higher one goes first (Intel SDM vol. 3A, 12.8.3.1): a
// flush request waits for nothing, because another CPU waits for it.

enum InterruptVector {
  static var timer: UInt8 { 0xe0 }
  static var wake: UInt8 { 0xf0 }
  static var flush: UInt8 { 0xf1 }
  static var spurious: UInt8 { 0xff }

  /// Where the two legacy controllers, which are masked, raise what went away before it was taken.
  static var legacySpurious: (UInt8, UInt8) { (39, 47) }
}

/// What the timer's interrupt does; set before the timer is started.
enum TimerInterrupt {
  nonisolated(unsafe) static var action: (@convention(c) () -> Void)?
}

/// Called by exceptions.S, with interrupts off.
@c(kernel_interrupt)
func handleInterrupt(_ frame: UnsafeMutablePointer<kernel_trap_frame>) {
  let vector = unsafe UInt8(truncatingIfNeeded: frame.pointee.vector)
  switch vector {
  case InterruptVector.flush:
    CPUBlock.current.countNotificationTaken()
    Memory.manager?.serveFlushes()
  case InterruptVector.wake: break
  case InterruptVector.timer: unsafe TimerInterrupt.action?()
  case InterruptVector.spurious, InterruptVector.legacySpurious.0, InterruptVector.legacySpurious.1: return
  default: return unsafe handleException(frame)
  }
  Processors.localAPIC.acknowledge()
}
