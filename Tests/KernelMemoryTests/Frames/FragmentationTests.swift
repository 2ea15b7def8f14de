import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct FragmentationTests {
  /// Both allocators and named caches, on two CPUs that free each other's memory, for long; then everything
  /// is freed: every frame is back, and so is every address.
  @Test(arguments: [FreeMode.lazy, .warm]) func everythingIsBack(mode: FreeMode) throws {
    let test = try TestMachine(mode: mode, cpuCount: 2)
    let manager = test.manager
    let caches = [
      try manager.makeCache(named: "odd", objectSize: 200),
      try manager.makeCache(named: "large", objectSize: 3_000, alignment: 64),
    ]
    // The tables and the index of the first area stay.
    try manager.vfree(try manager.vmalloc(1))
    try manager.flushRetired()
    let framesAtFirst = test.framesInUse
    var random = Randomness(seed: 21)
    var live: [UnsafeMutableRawPointer] = []
    for step in 0..<12_000 * RandomTests.factor {
      try test.onCPU(Int(random.below(2))) {
        if live.count < 500 || random.oneIn(2) {
          switch random.below(4) {
          case 0: live.append(try manager.vmalloc(Int(1 + random.below(random.oneIn(9) ? 400_000 : 20_000))))
          case 1: live.append(try manager.allocate(from: random.element(of: caches)))
          case 2: live.append(try manager.kvmalloc(Int(1 + random.below(120_000))))
          default: live.append(try manager.kmalloc(Int(1 + random.below(3_000))))
          }
        }
        if live.count > 400 {
          live.swapAt(Int(random.below(UInt64(live.count))), live.count - 1)
          try manager.kvfree(live.removeLast())
        }
      }
      if step % 1_000 == 0 { test.expectValid() }
    }
    for pointer in live { try manager.kvfree(pointer) }
    test.drainSlabs()
    for cache in caches { try manager.destroy(cache) }
    try manager.flushRetired()
    test.drainSlabs()
    test.expectValid()
    #expect(test.framesInUse == framesAtFirst)
    let counters = manager.counters
    #expect(counters[.areasAllocated] == counters[.areasFreed])
    #expect(counters[.objectsAllocated] == counters[.objectsFreed])
    let usage = manager.usage(of: .untagged)
    #expect(usage.liveBytes == 0 && usage.liveObjects == 0 && usage.liveAreas == 0)
    #expect(Snapshot(of: manager).holes.count == 1)
  }
}
