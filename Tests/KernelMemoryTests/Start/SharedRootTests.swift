import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// Address spaces of processes, each with a root of its own that has the kernel's entries
/// (AddressSpacesOfProcesses.md). AArch64 has a register for each half, so that there is nothing to copy.
@Suite struct SharedRootTests {
  /// One CPU is in a process, whose root was copied at the beginning; the other one in the kernel's.
  @Test(
    arguments: [TestFormat.fourLevels, .fiveLevels, .sv39, .sv48, .sv57], [FreeMode.strict, .lazy, .warm])
  func aProcessHasWhatTheKernelMapsLater(format: TestFormat, mode: FreeMode) throws {
    let test = try TestMachine(format: format, mode: mode, cpuCount: 2)
    let (manager, simulated) = (test.manager, test.simulated)
    let process = try manager.allocateFrames()
    let entries = { (root: FrameNumber) in
      manager.linearAddress(of: root).pointer!.assumingMemoryBound(to: UInt64.self)
    }
    let count = Int(format.pageSize.bytes) / 8
    entries(process).update(from: entries(manager.tables.root), count: count)
    try simulated.loadRoot(process.address(format.pageSize), cpu: 1)

    for round in 0..<3 as Range<UInt64> {
      for pages in [1, 3, 600, 1, 17] as [UInt64] {
        let pointer = try manager.vmalloc(Int(pages * format.pageSize.bytes))
        let last = VirtualAddress(VirtualAddress(pointer).rawValue + (pages - 1) * format.pageSize.bytes)
        for address in [VirtualAddress(pointer), last] {
          try simulated.onCPU(0) { try simulated.store(round << 32 | pages, at: address) }
          let found: UInt64 = try simulated.onCPU(1) { try simulated.load(at: address) }
          #expect(found == round << 32 | pages)
        }
        try simulated.onCPU(1) { try manager.vfree(pointer) }
        if mode == .strict {
          for cpu in 0...1 {
            #expect(simulated.onCPU(cpu) { test.fault(.read, at: last) } != nil, "CPU \(cpu)")
          }
        }
      }
      try manager.flushRetired()
    }
    #expect(manager.counters[.tablesReturned] > 0)
    #expect((0..<count).allSatisfy { entries(process)[$0] == entries(manager.tables.root)[$0] })
    test.expectValid()
    try simulated.loadRoot(manager.tables.root.address(format.pageSize), cpu: 1)
    try manager.freeFrames(process)
  }
}
