import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// Where a cache's slabs are, and when they go.
@Suite struct SlabListTests {
  /// Objects of 1,000 bytes: four to a slab.
  private struct Slabs {
    let test: TestMachine
    let objects: [UnsafeMutableRawPointer]

    init(count: Int) throws {
      test = try TestMachine(
        ram: [RAMRegion(PhysicalAddress(0), byteCount: UInt64(count) * 4_096 + 16 << 20)])
      let cache = try test.manager.makeCache(named: "things", objectSize: 1_000)
      let manager = test.manager
      objects = try (0..<4 * count).map { _ in try manager.allocate(from: cache) }
      // All slabs have one object left, the first that was freed from at the end of the list.
      for (number, object) in objects.enumerated() where number % 4 != 0 { try test.manager.kfree(object) }
    }

    /// The least time of 64 frees, each of which empties a slab.
    func emptying() throws -> Duration {
      var best = Duration.seconds(60)
      for start in 0..<8 {
        let time = try ContinuousClock().measure {
          for number in 0..<64 { try test.manager.kfree(objects[(start * 64 + number) * 4]) }
        }
        best = min(best, time)
      }
      return best
    }
  }

  /// A search would take some six times as long.
  @Test func aSlabThatEmptiesIsNotSearchedFor() throws {
    let few = try Slabs(count: 1_000).emptying()
    let many = try Slabs(count: 32_000).emptying()
    #expect(many < few * 5 / 2, "64 frees: \(few) with 1,000 slabs, \(many) with 32,000")
  }

  /// What was found damaged is nobody's, and keeps no cache.
  @Test(arguments: [SlabHardening.hardened(secret: 0xabcd_1234_5678_9), .checked(secret: 0xabcd_1234_5678_9)])
  func aCacheThatLostObjectsCanBeDestroyed(hardening: SlabHardening) throws {
    let test = try TestMachine(cpuCount: 2, hardening: hardening)
    let used = test.framesInUse
    let cache = try test.manager.makeCache(named: "things", objectSize: 40)
    let objects = try (0..<500).map { _ in try test.manager.allocate(from: cache) }
    for (number, object) in objects.enumerated() {
      if number == 300 { object.storeBytes(of: 1, toByteOffset: 40, as: UInt8.self) }
      try test.manager.kfree(object)
      guard number == 400 else { continue }
      // A link, and whoever follows it.
      test.drainSlabs()
      object.storeBytes(of: 1, as: UInt64.self)
      for object in try (0..<200).map({ _ in try test.manager.allocate(from: cache) }) {
        try test.manager.kfree(object)
      }
    }
    test.expectValid()
    try test.manager.destroy(cache)
    #expect(test.manager.counters[.slabViolations] > 0)
    try test.manager.flushRetired()
    test.expectValid()
    #expect(test.framesInUse == used)
    test.expectRefused(.cacheUnavailable) { try test.manager.destroy(cache) }
  }
}
