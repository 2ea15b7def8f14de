import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct NthFailureTests {
  /// Every number of frames; for `manyPages` those around which the outcome changes (`HeavyTests` takes
  /// all).
  @Test(arguments: NthFailure.allCases)
  func everyShortageLeavesAllAsItWas(operation: NthFailure) throws { try run(operation, .fourLevels) }

  /// Those whose tables are others with five levels.
  @Test(arguments: [NthFailure.firstPage, .areas, .map, .unmapSplitting])
  func everyShortageOfFiveLevelsLeavesAllAsItWas(operation: NthFailure) throws {
    try run(operation, .fiveLevels)
  }

  private func run(_ operation: NthFailure, _ format: TestFormat) throws {
    let total = operation.needs(format).total
    for left in 0...total + 2 where left < 9 || left + 4 > total { try operation.run(left: left, format) }
  }

  /// RAM of every size from one page up: too little is refused, and what suffices stays sufficient.
  @Test func everyRAMThatIsTooSmallToStartIsRefused() throws {
    var smallest: UInt64?
    var pages: UInt64 = 1
    while pages < (smallest ?? 1000) + 30 {
      do {
        let test = try TestMachine(ram: [RAMRegion(PhysicalAddress(0), byteCount: pages * 4096)])
        smallest = smallest ?? pages
        test.expectValid()
        try exercise(test)
      } catch let error as MemoryError {
        #expect(smallest == nil, "\(pages) pages: \(error)")
        expectIsShortage(error)
      }
      pages += 1
    }
    // Metadata of one section, 64 tables for the vmalloc range, and less than 100 pages for the rest.
    let found = try #require(smallest)
    #expect((128 + 64..<128 + 64 + 104).contains(found))
  }

  private func exercise(_ test: TestMachine) throws {
    do throws(MemoryError) {
      try test.manager.vfree(try test.manager.vmalloc(1))
    } catch {
      expectIsShortage(error)
    }
    test.expectValid()
  }

  private func expectIsShortage(_ error: MemoryError) {
    switch error {
    case .earlyMemoryExhausted, .metadataExhausted, .tablesExhausted, .framesExhausted: break
    default: Issue.record("not a shortage: \(error)")
    }
  }
}
