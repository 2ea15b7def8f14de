import MachineSimulator
import Testing

@testable import KernelMemory

/// A simulated machine with a started manager, in which all CPUs, or the first `joined`, take part.
final class TestMachine {
  /// Where booted kernels put it, too.
  static let vmallocStart = PageNumber(0xffff_c900_0000_0000 >> 12)

  let simulated: SimulatedMachine
  let manager: MemoryManager

  init(
    ram: [RAMRegion] = [RAMRegion(PhysicalAddress(0), byteCount: 64 << 20)],
    map: MemoryMap? = nil, vmallocPages: UInt64 = 1 << 33, largeLeaves: Bool = true,
    limit: PhysicalAddress? = nil, mode: FreeMode = .strict,
    cpuCount: Int = 1, joined: Int? = nil, hardening: SlabHardening = .none,
    hasIncoherentCache: Bool = false
  ) throws {
    simulated = try SimulatedMachine(ram: ram, cpuCount: cpuCount)
    simulated.hasIncoherentCache = hasIncoherentCache
    let window = simulated.linearMap
    let bootstrap = try Bootstrap(
      memoryMap: map ?? simulated.memoryMap, window: window,
      linearMap: LinearMap(base: window.base, limit: limit ?? window.limit, pageSize: window.pageSize),
      format: .x86_64FourLevel(hasGigabyteLeaves: largeLeaves))
    let root = bootstrap.root
    try simulated.loadRoot(root)
    manager = try bootstrap.start(
      on: simulated.machine,
      vmallocRange: PageRange(unchecked: Self.vmallocStart, count: PageCount(vmallocPages)), mode: mode,
      hardening: hardening)
    let table = manager.frames.table
    for cpu in 1..<max(cpuCount, 1) {
      try simulated.onCPU(cpu) {
        try simulated.loadRoot(root)
        if cpu < joined ?? cpuCount { manager.joinCPU() }
      }
    }
    simulated.onNotify = { [manager] _ in manager.serveFlushes() }
    simulated.isFrameFree = { frame in Self.isFree(frame, table) }
  }

  /// Whether nobody has a frame: a block's first frame says it for all of them.
  private static func isFree(_ frame: FrameNumber, _ table: FrameTable) -> Bool {
    for order in 0...UInt64(Zone.maxOrder) {
      let first = FrameNumber(frame.rawValue & ~((1 << order) - 1))
      switch table.metadata(of: first)?.value.state.kind {
      case .tail: continue
      case .free, .idle: return true
      default: return false
      }
    }
    return true
  }

  func expectValid(_ location: SourceLocation = #_sourceLocation) {
    let problem = manager.validate()
    #expect(problem == nil, "\(problem.map(String.init(describing:)) ?? "")", sourceLocation: location)
  }
}
