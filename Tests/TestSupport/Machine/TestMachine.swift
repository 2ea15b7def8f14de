import MachineSimulator
import Testing

@testable import KernelMemory

/// A simulated machine with a started manager, in which all CPUs, or the first `joined`, take part.
final class TestMachine {
  /// Where booted kernels put it, too; with five levels this is in the upper half as well.
  static let vmallocStart = PageNumber(0xffff_c900_0000_0000 >> 12)

  let simulated: SimulatedMachine
  let manager: MemoryManager
  let format: TestFormat
  private let joining = Joining()

  /// The CPUs that are in the middle of joining: they may still hold anything.
  private final class Joining { var cpus: Set<Int> = [] }

  init(
    ram: [RAMRegion] = [RAMRegion(PhysicalAddress(0), byteCount: 64 << 20)],
    map: MemoryMap? = nil, vmallocPages: UInt64? = nil, format: TestFormat = .fourLevels,
    limit: PhysicalAddress? = nil, memoryLimit: PhysicalAddress = PhysicalAddress(0),
    mode: FreeMode = .strict,
    cpuCount: Int = 1, joined: Int? = nil, hardening: SlabHardening = .none,
    hasIncoherentCache: Bool = false, hardware: Hardware = Hardware(), hidesFreeFrames: Bool = true
  ) throws {
    let format = format.on(hardware)
    self.format = format
    simulated = try SimulatedMachine(ram: ram, cpuCount: cpuCount, hardware: hardware.reading(format))
    // Firmware leaves RAM as it likes; in large machines it stays as it costs nothing.
    if ram.reduce(0, { $0 + $1.byteCount }) <= 8 << 20 { simulated.fillRAM(with: 0xa5) }
    simulated.hasIncoherentCache = hasIncoherentCache
    simulated.typeConflictsAreFaults = true
    let all = simulated.linearMap
    let window = LinearMap(base: all.base, limit: all.limit, pageSize: format.pageSize)
    let bootstrap = try Bootstrap(
      memoryMap: map ?? simulated.memoryMap, window: window,
      linearMap: LinearMap(base: window.base, limit: limit ?? window.limit, pageSize: window.pageSize),
      format: format.choice, memoryLimit: memoryLimit)
    let root = bootstrap.root
    var machine = simulated.machine
    if format.hasCPU { try simulated.loadRoot(root) } else { machine.check = nil }
    let range = format.vmallocRange
    manager = try bootstrap.start(
      on: machine,
      vmallocRange: PageRange(
        unchecked: range.first, count: vmallocPages.map { PageCount($0) } ?? range.count), mode: mode,
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
    simulated.takesPart = { [manager, joining] cpu in
      manager.quarantine.shootdown.isOnline(cpu) && !joining.cpus.contains(cpu)
    }
    if hidesFreeFrames { self.hidesFreeFrames = true }
  }

  /// Has the CPU that the calling thread plays join: it then holds no translation to what was freed before.
  func joinCPU() {
    let cpu = SimulatedMachine.currentCPU
    joining.cpus.insert(cpu)
    manager.joinCPU()
    joining.cpus.remove(cpu)
    simulated.checkCaches()
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
    #expect(simulated.takeViolation() == nil, sourceLocation: location)
    if format.hasCPU { #expect(linearMapProblem == nil, sourceLocation: location) }
    #expect(problem == nil, "\(problem.map(String.init(describing:)) ?? "")", sourceLocation: location)
  }
}
