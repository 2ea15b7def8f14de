import MachineSimulator
import Synchronization
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct QuotaThreadTests {
  /// CPUs that allocate, free each other's memory, and are refused: use never passes the quota, and at the
  /// end all of it can be had.
  @Test(arguments: [2, 4]) func isNeverPassedUnderContention(cpuCount: Int) throws {
    let test = try TestMachine(mode: .warm, cpuCount: cpuCount)
    let manager = test.manager
    let tag = try manager.makeTag(named: "driver")
    // About half of what the boxes would hold.
    let quota: UInt64 = 48_000
    try manager.setQuota(quota, for: tag)
    let boxes = (0..<32).map { _ in Box() }
    let figures = Figures()
    let bodies = (0..<cpuCount).map { cpu -> () throws -> Void in
      {
        var random = Randomness(seed: UInt64(cpu) + 9)
        for _ in 0..<3_000 * RandomTests.factor {
          var made: UInt = 0
          do throws(MemoryError) {
            let size = Int(1 + random.below(random.oneIn(10) ? 12_000 : 2_000))
            let pointer =
              random.oneIn(3)
              ? try manager.vmalloc(size, areas(tag)) : try manager.kmalloc(size, objects(tag))
            made = UInt(bitPattern: pointer)
            figures.hold(bytes(made, manager))
          } catch {
            guard case .overQuota(tag, quota, _) = error else { throw error }
            figures.refused.add(1, ordering: .relaxed)
          }
          let box = boxes[Int(random.below(32))]
          let old = box.address.exchange(made, ordering: .acquiringAndReleasing)
          figures.held.subtract(bytes(old, manager), ordering: .acquiringAndReleasing)
          try manager.kvfree(UnsafeMutableRawPointer(bitPattern: old))
          // Never too high: what is allocated is read before what is freed. What is refused just now counts.
          figures.worst.max(manager.usage(of: tag).liveBytes, ordering: .relaxed)
        }
      }
    }
    try test.simulated.runFreely(bodies, seed: 7)
    #expect(figures.refused.load(ordering: .relaxed) > 0)
    #expect(figures.worst.load(ordering: .relaxed) <= quota + UInt64(cpuCount) * 16_384)
    #expect(figures.mostHeld.load(ordering: .relaxed) <= quota)
    #expect(figures.mostHeld.load(ordering: .relaxed) > quota / 2)
    #expect(manager.usage(of: tag).liveBytes <= quota)
    for box in boxes {
      try manager.kvfree(UnsafeMutableRawPointer(bitPattern: box.address.load(ordering: .relaxed)))
    }
    #expect(manager.usage(of: tag).liveBytes == 0)
    let all = try manager.vmalloc(Int(quota) & ~4095, areas(tag))
    #expect(throws: MemoryError.self) { try manager.kmalloc(4096, objects(tag)) }
    try manager.vfree(all)
    test.expectValid()
  }

  /// What is charged for memory that is held; zero for none.
  private func bytes(_ address: UInt, _ manager: MemoryManager) -> UInt64 {
    guard let pointer = UnsafeMutableRawPointer(bitPattern: address) else { return 0 }
    if let size = manager.ksize(of: pointer) { return UInt64(size) }
    return (manager.area(containing: VirtualAddress(pointer))?.pages.count.rawValue ?? 0) * 4096
  }

  private final class Figures: Sendable {
    let refused = Synchronization.Atomic(0)
    let worst = Synchronization.Atomic<UInt64>(0)
    /// Bytes whose allocation has succeeded and whose free has not begun: never more than are live.
    let held = Synchronization.Atomic<UInt64>(0)
    let mostHeld = Synchronization.Atomic<UInt64>(0)

    func hold(_ bytes: UInt64) {
      mostHeld.max(held.add(bytes, ordering: .acquiringAndReleasing).newValue, ordering: .relaxed)
    }
  }

  private final class Box: Sendable {
    let address = Synchronization.Atomic<UInt>(0)
  }
}
