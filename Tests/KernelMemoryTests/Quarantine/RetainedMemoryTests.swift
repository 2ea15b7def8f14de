import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct RetainedMemoryTests {
  @Test func countsWhatWaitsForAFlush() throws {
    let test = try TestMachine(mode: .lazy)
    #expect(test.manager.retained == RetainedMemory())
    let small = try test.manager.vmalloc(3 * 4096)
    let large = try test.manager.vmalloc(100 * 4096)
    try test.manager.vfree(small)
    #expect(test.manager.retained.unflushed == PageCount(4))
    #expect(test.manager.retained.frames == PageCount(3))
    // Only queued: its entries are still there.
    try test.manager.vfree(large)
    #expect(test.manager.retained.unflushed == PageCount(105))
    #expect(test.manager.retained.frames == PageCount(103))
    #expect(test.manager.retained.cached == .zero)
    try test.manager.flushRetired()
    #expect(test.manager.retained == RetainedMemory())
  }

  @Test func countsWhatIsCached() throws {
    let test = try TestMachine(mode: .warm)
    try test.manager.vfree(try test.manager.vmalloc(5 * 4096))
    #expect(test.manager.retained.cached == PageCount(5))
    #expect(test.manager.retained.unflushed == .zero)
    try test.manager.flushRetired()
    #expect(test.manager.retained == RetainedMemory())
  }

  @Test func whatIsFlushedIsKeptUntilAStepFreesIt() throws {
    let test = try TestMachine(mode: .lazy)
    for _ in 0..<10 { try test.manager.vfree(try test.manager.vmalloc(4096)) }
    test.manager.purge()
    #expect(test.manager.retained.unflushed == .zero)
    #expect(test.manager.retained.frames.rawValue >= 10)
    try test.manager.flushRetired()
    #expect(test.manager.retained == RetainedMemory())
  }

  /// Frees wait for nobody, so many of them may pass the bound; the allocation behind them is what waits, for
  /// what was closed and for what was open.
  @Test func theFirstAllocationBehindManyFreesIsWithinTheBound() throws {
    let test = try TestMachine(mode: .lazy, cpuCount: 2)
    let bound = test.manager.quarantine.state.value.bound
    let areas = try (0..<14_800).map { _ in try test.manager.vmalloc(4096) }
    let serve = test.simulated.onNotify
    // The other CPU serves when it is reminded, that is, when somebody waits for it.
    var heard = 0
    test.simulated.onNotify = { cpu in
      heard += 1
      if heard % 2 == 0 { serve?(cpu) }
    }
    for area in areas { try test.manager.vfree(area) }
    #expect(test.manager.retained.unflushed.rawValue > bound)
    try test.manager.vfree(try test.manager.vmalloc(4096))
    #expect(test.manager.retained.unflushed.rawValue <= bound)
    test.expectValid()
  }
}
