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

  init(in areas: AreasID, of manager: MemoryManager) throws(MemoryError) {
    self.manager = manager
    options.areas = areas
    options.tag = try manager.makeTag(named: "CPU")
  }

  /// Gives a CPU its memory, and start_cpu.S what it needs of it.
  func prepare(number: Int, apicID: UInt8) throws(MemoryError) -> CPUBlock {
    let stack = unsafe try manager.vmalloc(Self.stackBytes, options)
    let faultStack = unsafe try manager.vmalloc(Self.faultStackBytes, options)
    let memory = unsafe try manager.vzalloc(MemoryLayout<kernel_cpu>.size, options)
    let block = unsafe CPUBlock.prepare(
      at: memory, number: number, apicID: apicID,
      faultStackEnd: UInt(bitPattern: faultStack + Self.faultStackBytes))
    block.setStarting(
      root: UInt(PagingControls.root.rawValue),
      stackEnd: unsafe UInt(bitPattern: stack + Self.stackBytes))
    return block
  }
}
