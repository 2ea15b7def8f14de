import MachineSimulator
import Synchronization
import Testing

@testable import KernelMemory
@testable import TestSupport

/// What is short is tried again, once, after the open batch is completed and the CPU's lists are empty.
@Suite struct RetryTests {
  /// Single frames on a CPU's list are blocks again when a block is asked for.
  @Test func aBlockComesOutOfTheListsOfSingleFrames() throws {
    let test = try TestMachine(ram: [.small])
    var frames: [FrameNumber] = []
    try test.manager.allocateFrames(count: Int(test.framesLeft)) { frames.append($0) }
    #expect(throws: MemoryError.framesExhausted(got: .zero, of: PageCount(32))) {
      _ = try test.manager.allocateFrames(order: 5)
    }
    let run = frames.map(\.rawValue).filter { $0 >= 1024 && $0 < 1024 + 32 }
    #expect(run.count == 32)
    for frame in run { try test.manager.freeFrames(FrameNumber(frame)) }
    #expect(test.manager.usage(of: .dma).cached == PageCount(32))
    #expect(test.manager.usage(of: .dma).free == .zero)
    let block = try test.manager.allocateFrames(order: 5)
    #expect(block == FrameNumber(1024))
    test.expectValid()
  }

  /// Frames, tables and addresses of a batch that nobody has flushed yet serve an allocation that needs them.
  @Test func whatIsOnItsWayBackIsCompleted() throws {
    let test = try TestMachine(ram: [.small], vmallocPages: 20, mode: .lazy)
    let pointer = try test.manager.vmalloc(18 * 4096)
    try test.simulated.store(UInt64(1), at: VirtualAddress(pointer))
    try test.withFramesLeft(0) {
      try test.manager.vfree(pointer)
      // All but one of the range's pages, and all of the frames, are in the batch.
      #expect(test.framesLeft == 0)
      let again = try test.manager.vmalloc(18 * 4096)
      #expect(again == pointer)
      #expect(test.framesLeft == 0)
    }
    #expect(test.manager.counters[.flushesOfRanges] == 1)
  }

  /// What cannot be had, whatever others give back, asks nobody and costs no cache anything.
  @Test func theHopelessAsksNobody() throws {
    let test = try TestMachine(vmallocPages: 1 << 12, mode: .warm, cpuCount: 2)
    let manager = test.manager
    let held = try manager.vmalloc(4096)
    for cpu in 0..<2 {
      try test.simulated.onCPU(cpu) { try manager.vfree(try manager.vmalloc(8192)) }
    }
    let before = manager.counters
    func refused(_ body: () throws -> Void) {
      #expect(throws: MemoryError.self, performing: body)
    }
    refused { _ = try manager.allocateFrames(order: 11) }
    refused { _ = try manager.allocateFrames(order: 63) }
    refused { _ = try manager.allocateFrames(order: -1) }
    refused { _ = try manager.allocateFrames(order: .max) }
    refused { try manager.allocateFrames(count: .max) { _ in } }
    refused { try manager.allocateFrames(count: 16_385) { _ in } }
    refused { _ = try manager.vmalloc(.max) }
    refused { _ = try manager.vmalloc(1 << 40) }
    // As many pages as the range has, and no guard page left.
    refused { _ = try manager.vmalloc(4096 << 12) }
    var options = VmallocOptions()
    options.address = VirtualAddress(held)
    refused { _ = try manager.vmalloc(4096, options) }
    options.address = nil
    // The range does not begin at a multiple of that.
    options.alignment = 1 << 46
    refused { _ = try manager.vmalloc(4096, options) }
    let work = manager.counters.since(before)
    #expect(work[.notifications] == 0 && work[.warmEvicted] == 0 && work[.flushesServed] == 0)
    #expect(work[.allocationsFailed] == 11)
    try manager.vfree(held)
    test.expectValid()
  }

  /// Nor does what its zones do not have, however much the machine has.
  @Test func theHopelessOfAZoneAsksNobody() throws {
    let regions = [
      RAMRegion(PhysicalAddress(0), byteCount: 2 << 20),
      RAMRegion(PhysicalAddress(32 << 20), byteCount: 32 << 20),
    ]
    let test = try TestMachine(ram: regions, mode: .warm, cpuCount: 2)
    let manager = test.manager
    for cpu in 0..<2 {
      try test.simulated.onCPU(cpu) { try manager.vfree(try manager.vmalloc(8192)) }
    }
    let before = manager.counters
    func refused(_ body: () throws -> Void) {
      #expect(throws: MemoryError.self, performing: body)
    }
    refused { _ = try manager.allocateFrames(order: 10, zone: .dma) }
    refused { try manager.allocateFrames(count: 600, zone: .dma) { _ in } }
    var options = VmallocOptions()
    options.zone = .dma
    refused { _ = try manager.vmalloc(3 << 20, options) }
    var linear = KmallocOptions()
    linear.zone = .dma
    refused { _ = try manager.kmalloc(4 << 20, linear) }
    let work = manager.counters.since(before)
    #expect(work[.notifications] == 0 && work[.warmEvicted] == 0 && work[.flushesServed] == 0)
    #expect(work[.allocationsFailed] == 4)
    test.expectValid()
  }

  /// A place that waits for a flush, or is in a cache, is had after all.
  @Test(arguments: [FreeMode.lazy, .warm]) func aPlaceThatIsOnItsWayBackIsHad(mode: FreeMode) throws {
    let test = try TestMachine(mode: mode, cpuCount: 2)
    var options = VmallocOptions()
    options.address = VirtualAddress(try test.manager.vmalloc(3 * 4096))
    try test.manager.vfree(options.address?.pointer)
    #expect(VirtualAddress(try test.manager.vmalloc(5 * 4096, options)) == options.address)
    test.expectValid()
  }

  /// Who may not wait gives back what this CPU has, and leaves the others alone.
  @Test func whoMayNotWaitLeavesOthersAlone() throws {
    let test = try TestMachine(ram: [.small], mode: .warm, cpuCount: 2)
    let manager = test.manager
    try test.simulated.onCPU(1) { try manager.vfree(try manager.vmalloc(4096)) }
    var options = VmallocOptions()
    options.mayWait = false
    let all = Int(manager.frames.managed.rawValue) * 4096
    #expect(throws: MemoryError.wouldWait) { try manager.vmalloc(all, options) }
    test.simulated.onCPU(1) { manager.serveFlushes() }
    #expect(manager.counters[.warmEvicted] == 0)
    #expect(manager.counters[.notifications] == 0)
  }

  /// An allocation pays for what others have freed in proportion to what it asks, and a step at the most.
  @Test func onePagePaysForOnePage() throws {
    let test = try TestMachine(ram: [RAMRegion(PhysicalAddress(0), byteCount: 256 << 20)], mode: .lazy)
    var options = VmallocOptions()
    options.leaves = .base
    try test.manager.vfree(try test.manager.vmalloc(160 << 20, options))
    var cleared = test.manager.counters[.entriesCleared]
    for _ in 0..<10 {
      let page = try test.manager.vmalloc(4096)
      let now = test.manager.counters[.entriesCleared]
      // Two blocks of 1,024 frames, which are cleared whole.
      #expect(now - cleared <= 3 * 1024)
      cleared = now
      try test.manager.vfree(page)
      cleared += 1
    }
    try test.manager.flushRetired()
    test.expectValid()
  }

  /// With many CPUs each has little of the bound to itself; a large area does not wait for all of them.
  @Test func aLargeAreaOfManyCPUsWaitsForNobody() throws {
    let test = try TestMachine(
      ram: [RAMRegion(PhysicalAddress(0), byteCount: 256 << 20)], mode: .lazy, cpuCount: 200)
    let pages = 1000
    var options = VmallocOptions()
    options.leaves = .base
    let notifications = test.manager.counters[.notifications]
    for _ in 0..<3 { try test.manager.vfree(try test.manager.vmalloc(pages * 4096, options)) }
    #expect(test.manager.counters[.notifications] == notifications)
    #expect(test.manager.retained.unflushed.rawValue >= UInt64(pages))
    try test.manager.flushRetired()
    #expect(test.manager.retained.unflushed == .zero)
    let spare = test.manager.quarantine.state.value.spare.load(ordering: .relaxed)
    #expect(spare == 8_192 * 8 - 200 * (8_192 * 8 / 400))
    test.expectValid()
  }
}
