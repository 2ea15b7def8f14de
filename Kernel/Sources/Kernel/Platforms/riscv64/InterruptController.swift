import CBareMetal
import CKernel
import KernelMemory

/// How harts interrupt each other: firmware raises a hart's software interrupt, of which there is one, and
/// the hart's block says why.
enum InterruptController {
  enum Reason {
    static var flush: UInt { 1 << 0 }
    static var wake: UInt { 1 << 1 }
    static var stop: UInt { 1 << 2 }
  }

  /// Bits of `sie` and `sip`.
  static var softwareBit: UInt { 1 << 1 }
  static var timerBit: UInt { 1 << 5 }

  static func map(for _: ProcessorPlan, on _: MemoryManager) throws(MemoryError) { enable() }

  /// Has this hart take interrupts of others.
  static func enable() { riscv_set_sie(softwareBit) }

  /// Makes another hart call `serveFlushes`. Call with interrupts off.
  static func notify(_ block: CPUBlock) { send(Reason.flush, to: block) }

  /// Ends another hart's sleep. Call with interrupts off.
  static func wake(_ block: CPUBlock) { send(Reason.wake, to: block) }

  /// Stops all others, as soon as they have interrupts on.
  static func stopOthers() {
    let own = Platform.hardwareID
    for number in 0..<Processors.count {
      if let block = CPUBlock(number: number), block.hardwareID != own { send(Reason.stop, to: block) }
    }
  }

  /// What was stored is visible to the other hart before the interrupt is.
  private static func send(_ reason: UInt, to block: CPUBlock) {
    unsafe block.give { unsafe kernel_add_pending($0, reason) }
    riscv_fence()
    Firmware.interrupt(block.hardwareID)
  }

  /// Why this hart was interrupted: all reasons since it last asked.
  static func acknowledge() -> UInt {
    riscv_clear_sip(softwareBit)
    riscv_fence()
    var reasons: UInt = 0
    unsafe CPUBlock.current.give { reasons = unsafe kernel_take_pending($0) }
    return reasons
  }
}
