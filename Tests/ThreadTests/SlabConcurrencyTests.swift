import MachineSimulator
import Synchronization
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct SlabConcurrencyTests {
  /// Objects that one CPU makes and the next one frees.
  private final class Mailbox: Sendable {
    let address = Synchronization.Atomic<UInt>(0)
  }

  @Test(arguments: [2, 4]) func cpusHandObjectsOver(cpuCount: Int) throws {
    let test = try TestMachine(mode: .warm, cpuCount: cpuCount)
    let used = test.framesInUse
    let boxes = (0..<cpuCount).map { _ in (0..<64).map { _ in Mailbox() } }
    let manager = test.manager
    let bodies = (0..<cpuCount).map { cpu -> () throws -> Void in
      {
        var random = Randomness(seed: UInt64(cpu) + 5)
        for _ in 0..<4_000 * RandomTests.factor {
          let size = Int(1 + random.below(random.oneIn(20) ? 20_000 : 600))
          let made = try manager.kmalloc(size)
          made.initializeMemory(as: UInt8.self, repeating: UInt8(cpu), count: size)
          let slot = Int(random.below(64))
          let mine = boxes[(cpu + 1) % cpuCount]
          let old = mine[slot].address.exchange(UInt(bitPattern: made), ordering: .acquiringAndReleasing)
          try manager.kfree(UnsafeMutableRawPointer(bitPattern: old))
          let theirs = boxes[cpu][Int(random.below(64))].address.exchange(0, ordering: .acquiringAndReleasing)
          try manager.kfree(UnsafeMutableRawPointer(bitPattern: theirs))
        }
      }
    }
    try test.simulated.runFreely(bodies, seed: 3)
    for box in boxes.joined() {
      try manager.kfree(UnsafeMutableRawPointer(bitPattern: box.address.load(ordering: .relaxed)))
    }
    test.expectValid()
    #expect(manager.counters[.objectsAllocated] == manager.counters[.objectsFreed])
    #expect(manager.counters[.objectsAllocated] == UInt64(4_000 * RandomTests.factor * cpuCount))
    #expect(manager.usage(of: .untagged).liveBytes == 0)
    test.drainSlabs()
    #expect(test.framesInUse == used)
    test.expectValid()
  }

  /// Both CPUs free the same object: one succeeds.
  @Test(arguments: [64, 16_384]) func oneOfTwoFreesSucceeds(size: Int) throws {
    let test = try TestMachine(cpuCount: 2)
    let manager = test.manager
    let count = 300
    let pointers = try (0..<count).map { _ in UInt(bitPattern: try manager.kmalloc(size)) }
    let (freed, refused) = (Counts(), Counts())
    let body = { () throws -> Void in
      for address in pointers {
        do throws(MemoryError) {
          try manager.kfree(UnsafeMutableRawPointer(bitPattern: address))
          freed.count.add(1, ordering: .relaxed)
        } catch {
          refused.count.add(1, ordering: .relaxed)
        }
      }
    }
    try test.simulated.runFreely([body, body], seed: 1)
    #expect(freed.count.load(ordering: .relaxed) == count)
    #expect(refused.count.load(ordering: .relaxed) == count)
    test.expectValid()
  }

  private final class Counts: Sendable {
    let count = Synchronization.Atomic(0)
  }
}
