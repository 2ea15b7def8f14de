import MachineSimulator
import Testing

@testable import KernelMemory

/// A simulated machine with a started manager.
final class TestMachine {
  /// Where booted kernels put it, too.
  static let vmallocStart = PageNumber(0xffff_c900_0000_0000 >> 12)

  let simulated: SimulatedMachine
  let manager: MemoryManager

  init(
    ram: [RAMRegion] = [RAMRegion(PhysicalAddress(0), byteCount: 64 << 20)],
    map: MemoryMap? = nil, vmallocPages: UInt64 = 1 << 33, largeLeaves: Bool = true,
    mode: FreeMode = .strict
  ) throws {
    simulated = try SimulatedMachine(ram: ram)
    let bootstrap = try Bootstrap(
      memoryMap: map ?? simulated.memoryMap, window: simulated.linearMap, linearMap: simulated.linearMap,
      format: .x86_64FourLevel(hasGigabyteLeaves: largeLeaves))
    try simulated.loadRoot(bootstrap.root)
    manager = try bootstrap.start(
      on: simulated.machine,
      vmallocRange: PageRange(unchecked: Self.vmallocStart, count: PageCount(vmallocPages)), mode: mode)
    let table = manager.frames.table
    simulated.isFrameFree = { frame in
      switch table.metadata(of: frame)?.value.state.kind {
      case .free, .tail, .idle: true
      default: false
      }
    }
  }

  func expectValid(_ location: SourceLocation = #_sourceLocation) {
    let problem = manager.validate()
    #expect(problem == nil, "\(problem.map(String.init(describing:)) ?? "")", sourceLocation: location)
  }
}
