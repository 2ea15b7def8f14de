import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// Machines whose CPUs keep what they remember of tables in a flush of ranges.
@Suite struct SparedTablesTests {
  static let harts = [3, 4, 5].map { Hardware.riscv64(levels: $0) }

  /// An area is far from all others, so that its table goes with it: that one flush is of everything, all
  /// others are of the pages alone.
  @Test(arguments: harts, [1, 2]) func aFlushOfTablesIsOneOfEverything(
    hardware: Hardware, cpuCount: Int
  ) throws {
    let test = try TestMachine(
      format: TestFormat(on: hardware), cpuCount: cpuCount, hardware: hardware)
    #expect(test.manager.machine.value.rangesSpareTables)
    let first = try test.manager.vmalloc(4096)
    let before = test.manager.counters
    for _ in 0..<20 { try test.manager.vfree(test.manager.vmalloc(3 * 4096)) }
    let between = test.manager.counters
    #expect(between[.flushesOfRanges] - before[.flushesOfRanges] == 20)
    #expect(between[.flushesOfAll] == before[.flushesOfAll])
    var options = VmallocOptions()
    options.address = VirtualAddress(VirtualAddress(first).rawValue + 10 << 21)
    let far = try test.manager.vmalloc(4096, options)
    try test.simulated.store(1, at: VirtualAddress(far))
    try test.manager.vfree(far)
    let after = test.manager.counters
    #expect(after[.tablesReturned] - between[.tablesReturned] >= 1)
    #expect(after[.flushesOfAll] - between[.flushesOfAll] == 1)
    #expect(after[.flushesOfPage] == between[.flushesOfPage])
    try test.manager.vfree(first)
    test.expectValid()
  }

  /// An entry that named memory names a table then, of which a flush of the page says nothing.
  @Test(arguments: harts.dropFirst()) func aFlushBehindASplitIsOneOfEverything(hardware: Hardware) throws {
    let test = try TestMachine.forMappings(format: TestFormat(on: hardware))
    #expect(test.manager.machine.value.rangesSpareTables)
    try test.map(Pages.free, Pages.twoMiB, to: Pages.twoMiB)
    for (page, everything) in [(Pages.free + 5, 1), (Pages.free + 6, 0)] as [(UInt64, UInt64)] {
      let before = test.manager.counters[.flushesOfAll]
      try test.unmap(page, 1)
      #expect(test.manager.counters[.flushesOfAll] - before == everything)
    }
    test.expectValid()
  }
}
