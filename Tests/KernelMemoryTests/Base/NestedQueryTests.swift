@preconcurrency import CMachine
import Foundation
import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// What an NMI asks that has interrupted the package, maybe while it holds a lock: everything is answered or
/// refused, and nothing waits for a lock that cannot be released before the NMI has returned.
@Suite struct NestedQueryTests {
  private struct Asker {
    let manager: MemoryManager
    let cache: SlabCache
    let object: UnsafeMutableRawPointer

    init(_ test: TestMachine) throws {
      manager = test.manager
      cache = try manager.makeCache(named: "things", objectSize: 1_000)
      object = try manager.allocate(from: cache)
    }

    /// Everything that reads more than one word. A lock that it waits for is never released.
    func ask() {
      refused { try manager.forEachArea { _ in } }
      refused { try manager.forEachSlabReport { _ in } }
      refused { _ = try manager.usage(of: cache) }
      refused { try manager.destroy(cache) }
      refused { _ = try manager.krealloc(object + 1, 10) }
      refused { _ = try manager.kvrealloc(object + 1, 10) }
      refused { try manager.kfree(object + 1) }
      var sink = Discarded()
      refused { try manager.writeVmallocInfo(to: &sink) }
      refused { try manager.writeSlabReports(to: &sink) }
      precondition(manager.retained == RetainedMemory())
      precondition(manager.usedFrames.rawValue > 0)
      precondition(manager.usage(of: .dma).managed.rawValue > 0)
      _ = manager.usage(of: .untagged)
      _ = manager.counters
      _ = manager.locks
      _ = manager.area(containing: VirtualAddress(object))
      _ = manager.frame(at: VirtualAddress(object))
      manager.forEachMapping { _ in }
      manager.serveFlushes()
      precondition(!manager.purge())
    }

    private func refused(_ body: () throws -> Void) {
      do { try body() } catch {
        precondition(error as? MemoryError == .wrongContext, "\(error)")
        return
      }
      preconditionFailure("answered in the middle of the package")
    }

    /// Asks while a lock is held.
    func ask(holding rank: LockRank) throws {
      try manager.cpus.enter { cpu in
        switch rank {
        case .areas: manager.arenas.locked(cpu) { ask() }
        case .tables: manager.tables.locked(cpu) { ask() }
        case .slab: manager.slab.withLock(Int(cache.number), cpu) { _ in ask() }
        case .zone: manager.frames.withZone(0, cpu) { _ in ask() }
        case .tags: manager.tags.state.value.lock.value.with(.tags, cpu) { ask() }
        case .reports: manager.slab.withReports(cpu) { _ in ask() }
        case .requests: ask()
        }
      }
    }
  }

  private struct Discarded: TextSink {
    mutating func write(_ byte: UInt8) {}
  }

  @Test(arguments: [LockRank.areas, .tables, .slab, .zone, .tags, .reports].map(\.rawValue))
  func nothingWaitsForALockThatIsHeld(rank: Int) async {
    await #expect(processExitsWith: .success) { [rank] in
      // A wait would have no end.
      alarm(600)
      let test = try TestMachine(ram: [.small])
      let asker = try Asker(test)
      try asker.ask(holding: LockRank(rawValue: rank)!)
      try test.manager.kfree(asker.object)
      try test.manager.destroy(asker.cache)
      test.expectValid()
    }
  }

  /// At every step of a round through all rooms at which the package is at work.
  @Test func everyStepMayBeInterrupted() async {
    await #expect(processExitsWith: .success) {
      alarm(600)
      let test = try TestMachine(ram: [.small], mode: .warm)
      let asker = try Asker(test)
      Interruption.asker = asker
      cmachine_step_hook = { _, _ in Interruption.ask() }
      for pages in [1, 3, 70] { try test.manager.vfree(try test.manager.vmalloc(pages * 4096)) }
      let objects = try (0..<20).map { _ in try test.manager.allocate(from: asker.cache) }
      for object in objects { try test.manager.kfree(object) }
      _ = try test.manager.makeTag(named: "new")
      try test.manager.flushRetired()
      cmachine_step_hook = nil
      precondition(Interruption.count > 50, "\(Interruption.count) steps")
      try test.manager.kfree(asker.object)
      try test.manager.destroy(asker.cache)
      test.expectValid()
    }
  }

  private enum Interruption {
    nonisolated(unsafe) static var asker: Asker?
    nonisolated(unsafe) static var count = 0

    /// Steps between two sections of the package are no interruption of it.
    static func ask() {
      guard let asker, !cmachine_interrupts_are_enabled() else { return }
      self.asker = nil
      count += 1
      asker.ask()
      self.asker = asker
    }
  }
}
