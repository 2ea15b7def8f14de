import Foundation
import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// Values that hold frames or addresses cannot be dropped: where no type error and no linker says so,
/// the process stops. And what is retired is freed by no flush that began too early.
@Suite struct RetiredMemoryTests {
  private static let dropped = "swift-vmalloc: retired memory was dropped without a completed flush\n"

  @Test func aDroppedListOfFramesStopsTheProcess() async throws {
    let result = try await #require(
      processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]
    ) {
      let test = try TestMachine(ram: [.small])
      try test.manager.cpus.with { (cpu) throws(MemoryError) in
        _ = try test.manager.frames.allocate(count: 3, .normal, cpu)
      }
    }
    #expect(String(decoding: result.standardErrorContent, as: UTF8.self).contains(Self.dropped))
  }

  @Test func droppedReservedTablesStopTheProcess() async throws {
    let result = try await #require(
      processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]
    ) {
      let test = try TestMachine(ram: [.small])
      try test.manager.cpus.with { (cpu) throws(MemoryError) in
        let frames = test.manager.frames
        _ = ReservedTables(try frames.allocateTables(1, cpu), frames.table)
      }
    }
    #expect(String(decoding: result.standardErrorContent, as: UTF8.self).contains(Self.dropped))
  }

  @Test func droppedDetachedPagesStopTheProcess() async throws {
    let result = try await #require(
      processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]
    ) {
      let test = try TestMachine(ram: [.small])
      let page = VirtualAddress(try test.manager.vmalloc(1)).number(.size4K)
      let pages = PageRange(unchecked: page, count: PageCount(1))
      _ = test.manager.tables.detach(pages)
    }
    #expect(String(decoding: result.standardErrorContent, as: UTF8.self).contains(Self.dropped))
  }

  @Test func aDroppedListOfAreasStopsTheProcess() async throws {
    let result = try await #require(
      processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]
    ) { _ = AreaList() }
    #expect(String(decoding: result.standardErrorContent, as: UTF8.self).contains(Self.dropped))
  }

  @Test func aDroppedBatchStopsTheProcess() async throws {
    let result = try await #require(
      processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]
    ) { _ = RetiredBatch() }
    #expect(String(decoding: result.standardErrorContent, as: UTF8.self).contains(Self.dropped))
  }

  /// A token is made by the shootdown alone, in its own file. So the batch is made to look younger here:
  /// as if it had been added to after the next flush had been requested.
  @Test func aFlushThatBeganTooEarlyStopsTheMachine() async throws {
    await #expect(processExitsWith: .success) { try Self.close(batchAhead: 0) }
    let result = try await #require(
      processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]
    ) { try Self.close(batchAhead: 2) }
    let message = "a batch was completed by a flush that was requested before it was sealed"
    #expect(String(decoding: result.standardErrorContent, as: UTF8.self).contains(message))
  }

  private static func close(batchAhead ahead: UInt64) throws {
    let test = try TestMachine(ram: [.small])
    let quarantine = test.manager.quarantine
    let pages = PageRange(unchecked: PageNumber(1), count: PageCount(1))
    test.manager.cpus.with { cpu in
      quarantine.add(Detached(), pages, cpu)
      quarantine.openBatch(cpu).value.generation &+= ahead
      quarantine.seal(cpu)
      quarantine.complete(limit: .max, cpu)
    }
  }
}
