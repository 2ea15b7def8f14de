import Foundation
import MachineSimulator
import Testing

@testable import KernelMemory

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
        _ = try test.manager.frames.allocate(count: 3, zone: .normal, cpu)
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
        _ = try test.manager.reserveTables(1, cpu)
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
      _ = test.manager.tables.clear(pages, owned: true, prune: true)
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

  /// A token is made by a flush alone, in `Reclaim`'s own file. So the batch is made to look younger
  /// here: as if it had been added to after flush number one had begun.
  @Test func aFlushThatBeganTooEarlyStopsTheMachine() async throws {
    await #expect(processExitsWith: .success) { try Self.drain(batchOfGeneration: 0) }
    let result = try await #require(
      processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]
    ) { try Self.drain(batchOfGeneration: 1) }
    let message = "a batch was completed by a flush that began before it was closed"
    #expect(String(decoding: result.standardErrorContent, as: UTF8.self).contains(message))
  }

  /// Drains the first batch of a `Reclaim` of its own, whose first flush has the number one.
  private static func drain(batchOfGeneration generation: UInt64) throws {
    let test = try TestMachine(ram: [.small])
    let state = UnsafeMutablePointer<Reclaim.State>.allocate(capacity: 1)
    let open = UnsafeMutablePointer<RetiredBatch>.allocate(capacity: 1)
    defer {
      state.deallocate()
      open.deallocate()
    }
    let reclaim = Reclaim(
      machine: test.manager.control.value.machine, frames: test.manager.frames, areas: test.manager.areas,
      cpuCount: 1, state: Stable(at: VirtualAddress(state)), open: Stable(at: VirtualAddress(open)))
    let pages = PageRange(unchecked: PageNumber(1), count: PageCount(1))
    test.manager.cpus.with { cpu in
      reclaim.retire(Detached(), pages, area: nil, cpu)
      open.pointee.generation = generation
      reclaim.drain(cpu)
    }
  }
}
