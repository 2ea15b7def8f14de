import BareMetal
import CKernel
import KernelMemory

// A CPU is reset by an INIT, and begins at the trampoline after a start-up interrupt (start_cpu.S; Intel SDM
// vol. 3A, 9.4.4 for the order and the times).

extension Processors {
  static func start(
    _ id: UInt64, number: Int, _ memory: ProcessorMemory, _ plan: ProcessorPlan
  ) throws(MemoryError) {
    guard let others = plan.others else { return }
    let (apicID, localAPIC) = (UInt8(truncatingIfNeeded: id), InterruptController.localAPIC)
    let block = try prepare(number: number, hardwareID: id, memory)
    withoutInterrupts { localAPIC.initialize(apicID) }
    IntervalTimer.wait(microseconds: 10_000)
    withoutInterrupts { localAPIC.startUp(apicID, at: others.trampoline) }
    wait(for: block, microseconds: 200)
    // For a CPU that missed the first.
    if !block.isOnline { withoutInterrupts { localAPIC.startUp(apicID, at: others.trampoline) } }
    wait(for: block, microseconds: 1_000_000)
    guard block.isOnline else { panicForSilent(id) }
  }

  /// Gives a CPU its memory, and start_cpu.S what it needs of it.
  private static func prepare(
    number: Int, hardwareID: UInt64, _ memory: ProcessorMemory
  ) throws(MemoryError) -> CPUBlock {
    let stackEnd = try memory.stack()
    let stacks = kernel_fault_stacks(
      double_fault_end: try memory.faultStack(), nmi_end: try memory.faultStack(),
      machine_check_end: try memory.faultStack())
    let block = try memory.block(number: number, hardwareID: hardwareID, stacks)
    unsafe block.give { unsafe kernel_set_starting_cpu(UInt(PagingControls.root.rawValue), stackEnd, $0) }
    return block
  }
}
