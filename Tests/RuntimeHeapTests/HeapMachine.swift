import KernelMemory
import MachineSimulator

/// A simulated machine with a manager, whose RAM is mapped a second time at a window.
final class HeapMachine {
  /// Where the booted kernel has it, too.
  static let windowBase = VirtualAddress(0x4000_0000_0000)

  let simulated: SimulatedMachine
  let manager: MemoryManager
  let window: LinearMap

  /// - Parameter isMapped: whether the window is.
  init(
    bytes: UInt64 = 64 << 20, cpuCount: Int = 1, hardening: SlabHardening = .none,
    windowBase: VirtualAddress = windowBase, isMapped: Bool = true
  ) throws {
    simulated = try SimulatedMachine(
      ram: [RAMRegion(PhysicalAddress(0), byteCount: bytes)], cpuCount: cpuCount)
    let linearMap = simulated.linearMap
    window = LinearMap(base: windowBase, limit: linearMap.limit, pageSize: linearMap.pageSize)
    var bootstrap = try Bootstrap(
      memoryMap: simulated.memoryMap, window: linearMap, linearMap: linearMap,
      format: .x86_64(hasGigabyteLeaves: true))
    if isMapped { try bootstrap.mapMemory(in: window) }
    let root = bootstrap.root
    try simulated.loadRoot(root)
    manager = try bootstrap.start(on: simulated.machine, mode: .strict, hardening: hardening)
    for cpu in 1..<max(cpuCount, 1) {
      try simulated.onCPU(cpu) {
        try simulated.loadRoot(root)
        manager.joinCPU()
      }
    }
    simulated.onNotify = { [manager] _ in manager.serveFlushes() }
  }

  /// The physical address that the linear map has where the window has `pointer`.
  func physical(_ pointer: UnsafeMutableRawPointer) -> UInt64 {
    UInt64(UInt(bitPattern: pointer)) - window.base.rawValue
  }
}

/// Collects text.
struct Text: TextSink {
  private(set) var bytes: [UInt8] = []
  var string: String { String(decoding: bytes, as: UTF8.self) }
  mutating func write(_ byte: UInt8) { bytes.append(byte) }
}
