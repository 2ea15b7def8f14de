import BareMetal
import CKernel
import KernelMemory

/// Where the stacks and blocks of the other CPUs come from.
struct ProcessorMemory {
  private let manager: MemoryManager
  private var options = VmallocOptions()

  /// As large as the first CPU's (the linker script).
  private static var stackBytes: Int { 64 * 1024 }
  private static var faultStackBytes: Int { 16 * 1024 }
  /// As below the first CPU's: no frame of a function reaches over them (the linker script). They are
  /// addresses, no memory.
  private static var guardPages: UInt16 { UInt16(PageCount(bytes: 32 << 10, Platform.pageSize).rawValue) }

  init(in areas: ArenaID, of manager: MemoryManager) throws(MemoryError) {
    self.manager = manager
    options.areas = areas
    options.guardPages = Self.guardPages
    options.tag = try manager.makeTag(named: "CPU")
  }

  /// A block for a CPU.
  func block(
    number: Int, hardwareID: UInt64, _ stacks: kernel_fault_stacks
  ) throws(MemoryError) -> CPUBlock {
    let memory = unsafe try manager.vzalloc(MemoryLayout<kernel_cpu>.size, options)
    return unsafe CPUBlock.prepare(at: memory, number: number, hardwareID: hardwareID, stacks)
  }

  /// The end of a new stack, and of one for faults.
  func stack() throws(MemoryError) -> UInt { try stack(Self.stackBytes) }
  func faultStack() throws(MemoryError) -> UInt { try stack(Self.faultStackBytes) }

  private func stack(_ byteCount: Int) throws(MemoryError) -> UInt {
    let memory = unsafe try manager.vmalloc(byteCount, options)
    return unsafe UInt(bitPattern: memory + byteCount)
  }
}
