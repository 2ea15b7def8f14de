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
}

extension TimerInterrupt {
  /// Raises the interrupt on this CPU again and again.
  static func start(microseconds: UInt32, on manager: MemoryManager) {
    if Processors.count == 1 { mapLocalAPIC(on: manager) }
    let counts = InterruptController.localAPIC.timerCounts(in: 20 * microseconds) / 20
    InterruptController.localAPIC.startTimer(counts: counts, vector: InterruptVector.timer)
  }

  static func stop() { InterruptController.localAPIC.stopTimer() }

  private static func mapLocalAPIC(on manager: MemoryManager) {
    guard LocalAPIC.isPresent, let address = LocalAPIC.physicalAddress else {
      panic("this CPU has no local APIC, and so no timer")
    }
    do throws(MemoryError) {
      try InterruptController.map(at: address, on: manager)
    } catch {
      panic { console in console.write(error) }
    }
  }
}

/// Called by exceptions.S, with interrupts off.
@c(kernel_interrupt)
func handleInterrupt(_ frame: UnsafeMutablePointer<kernel_trap_frame>, _ address: UInt) {
  let vector = unsafe UInt8(truncatingIfNeeded: frame.pointee.vector)
  switch vector {
  case InterruptVector.flush:
    CPUBlock.current.countNotificationTaken()
    Memory.manager?.serveFlushes()
  case InterruptVector.wake: break
  case InterruptVector.timer: unsafe TimerInterrupt.action?()
  case InterruptVector.spurious: return
  default:
    if LegacyInterruptControllers.endSpurious(vector) { return }
    return unsafe handleException(frame, address)
  }
  InterruptController.localAPIC.acknowledge()
}
