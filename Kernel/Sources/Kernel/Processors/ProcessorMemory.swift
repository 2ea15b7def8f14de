import BareMetal
import CKernel
import KernelMemory

/// Where the stacks and blocks of the other CPUs come from.
struct ProcessorMemory {
  private let manager: MemoryManager
  private var options = VmallocOptions()

  /// As large as the first CPU's (x86_64.ld).
  private static var stackBytes: Int { 64 * 1024 }
  private static var faultStackBytes: Int { 16 * 1024 }
  /// As below the first CPU's: no frame of a function reaches over them (x86_64.ld). They are addresses, no
  /// memory.
  private static var guardPages: UInt16 { 8 }

  init(in areas: ArenaID, of manager: MemoryManager) throws(MemoryError) {
    self.manager = manager
    options.areas = areas
    options.guardPages = Self.guardPages
    options.tag = try manager.makeTag(named: "CPU")
  }

  /// Gives a CPU its memory, and start_cpu.S what it needs of it.
  func prepare(number: Int, apicID: UInt8) throws(MemoryError) -> CPUBlock {
    let stackEnd = try stack(Self.stackBytes)
    let stacks = kernel_fault_stacks(
      double_fault_end: try stack(Self.faultStackBytes), nmi_end: try stack(Self.faultStackBytes),
      machine_check_end: try stack(Self.faultStackBytes))
    let memory = unsafe try manager.vzalloc(MemoryLayout<kernel_cpu>.size, options)
    let block = unsafe CPUBlock.prepare(at: memory, number: number, apicID: apicID, stacks)
    block.setStarting(root: UInt(PagingControls.root.rawValue), stackEnd: stackEnd)
    return block
  }

  /// The end of a new stack.
  private func stack(_ byteCount: Int) throws(MemoryError) -> UInt {
    let memory = unsafe try manager.vmalloc(byteCount, options)
    return unsafe UInt(bitPattern: memory + byteCount)
  }
}
