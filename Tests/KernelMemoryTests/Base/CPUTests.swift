import CMachine
import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// CPUs that have not joined, leave, or are silent.
@Suite struct CPUTests {
  @Test func whoHasNotJoinedIsRefused() throws {
    let test = try TestMachine(mode: .warm, cpuCount: 2, joined: 1)
    let manager = test.manager
    let held = try manager.vmalloc(4096)
    let object = try manager.kmalloc(64)
    let frame = try manager.allocateFrames()
    let before = (manager.counters, manager.usedFrames)
    test.simulated.onCPU(1) {
      #expect(throws: MemoryError.wrongContext) { try manager.vmalloc(4096) }
      #expect(throws: MemoryError.wrongContext) { try manager.vmalloc(1 << 20) }
      #expect(throws: MemoryError.wrongContext) { try manager.vfree(held) }
      #expect(throws: MemoryError.wrongContext) { try manager.kmalloc(64) }
      #expect(throws: MemoryError.wrongContext) { try manager.kfree(object) }
      #expect(throws: MemoryError.wrongContext) { try manager.allocateFrames() }
      #expect(throws: MemoryError.wrongContext) { try manager.freeFrames(frame) }
      #expect(throws: MemoryError.wrongContext) { try manager.flushRetired() }
      #expect(throws: MemoryError.wrongContext) { try manager.leaveCPU() }
      #expect(throws: MemoryError.wrongContext) {
        try manager.unmap(PageRange(TestMachine.vmallocStart.rawValue - 100, 1))
      }
      #expect(throws: MemoryError.wrongContext) { try manager.makeCache(named: "mine", objectSize: 8) }
      #expect(throws: MemoryError.wrongContext) { try manager.makeTag(named: "mine") }
      #expect(throws: MemoryError.wrongContext) {
        try manager.makeAreas(PageRange(TestMachine.vmallocStart.rawValue - 1000, 100))
      }
      #expect(throws: MemoryError.wrongContext) { try manager.forEachArea { _ in } }
      manager.serveFlushes()
      // An idle loop ends.
      #expect(!manager.purge())
    }
    let work = manager.counters.since(before.0)
    #expect(work[.areasAllocated] == 0 && work[.areasFreed] == 0 && work[.flushesServed] == 0)
    #expect(manager.usedFrames == before.1)
    test.expectValid()
    // Nobody waits for it either.
    try manager.vfree(held)
    try manager.flushRetired()
    test.simulated.onCPU(1) { manager.joinCPU() }
    try test.simulated.onCPU(1) { try manager.kfree(object) }
    try test.simulated.onCPU(1) { try manager.freeFrames(frame) }
    test.expectValid()
  }

  /// Nobody waits for it, so a table that it walks through may be freed under it.
  @Test func whoHasNotJoinedWalksThroughNoTables() throws {
    let test = try TestMachine(mode: .warm, cpuCount: 2, joined: 1)
    let manager = test.manager
    let address = VirtualAddress(try manager.vmalloc(4096))
    test.simulated.onCPU(1) {
      #expect(manager.frame(at: address) == nil)
      #expect(manager.mapping(at: address) == nil)
      manager.forEachMapping { leaf in Issue.record("\(leaf) was found") }
    }
    #expect(manager.frame(at: address) != nil)
  }

  @Test func aNumberThatIsNoCPUsIsRefused() throws {
    let test = try TestMachine(mode: .warm, cpuCount: 2)
    for number in [2, 3, 200, 255] as [UInt32] {
      cmachine_set_cpu_number(number)
      defer { cmachine_set_cpu_number(0) }
      #expect(throws: MemoryError.wrongContext) { try test.manager.vmalloc(4096) }
      #expect(throws: MemoryError.wrongContext) { try test.manager.kmalloc(64) }
      #expect(test.manager.frame(at: VirtualAddress(0xffff_c900_0000_0000)) == nil)
    }
    try test.manager.vfree(try test.manager.vmalloc(4096))
    test.expectValid()
  }

  #if DEBUG
  /// It would be taken for the CPU that has the lower eight bits as its number.
  @Test(arguments: [256, 257, 1 << 31] as [UInt32])
  func aNumberAboveEveryOneEndsADebugBuild(number: UInt32) async {
    await #expect(processExitsWith: .failure) { [number] in
      let test = try TestMachine(ram: [.small], mode: .warm, cpuCount: 2)
      cmachine_set_cpu_number(number)
      _ = try? test.manager.vmalloc(4096)
    }
  }
  #endif

  @Test func whoLeavesGivesEverythingBack() throws {
    let test = try TestMachine(mode: .warm, cpuCount: 2)
    let manager = test.manager
    try manager.flushRetired()
    let used = test.framesInUse
    let (area, held) = try test.simulated.onCPU(1) {
      let area = try manager.vmalloc(4096)
      try test.simulated.store(UInt64(1), at: VirtualAddress(area))
      for pages in 1...20 { try manager.vfree(try manager.vmalloc(pages * 4096)) }
      for size in [8, 64, 700, 4096] { try manager.kfree(try manager.kmalloc(size)) }
      try manager.vfree(try manager.vmalloc(3 << 20))
      let held = try manager.vmalloc(8192)
      try manager.leaveCPU()
      #expect(throws: MemoryError.wrongContext) { try manager.vfree(held) }
      return (area, held)
    }
    // Its areas are others' to free, and no flush waits for it.
    test.simulated.onNotify = { cpu in if cpu == 1 { Issue.record("CPU 1 was notified") } }
    try manager.vfree(area)
    try manager.vfree(held)
    try manager.flushRetired()
    #expect(test.framesInUse == used)
    test.expectValid()
    test.simulated.onNotify = { _ in manager.serveFlushes() }
    try test.simulated.onCPU(1) {
      manager.joinCPU()
      #expect(test.fault(.read, at: VirtualAddress(area))?.cause == .notPresent)
      try manager.vfree(try manager.vmalloc(4096))
    }
    test.expectValid()
  }

  @Test func theLastCPUStays() throws {
    let test = try TestMachine(mode: .lazy, cpuCount: 2, joined: 1)
    #expect(throws: MemoryError.wrongContext) { try test.manager.leaveCPU() }
    try test.manager.vfree(try test.manager.vmalloc(4096))
  }

  @Test func aLostNotificationIsSentAgain() throws {
    let test = try TestMachine(mode: .strict, cpuCount: 2)
    var notifications = 0
    test.simulated.onNotify = { [manager = test.manager] _ in
      notifications += 1
      if notifications > 1 { manager.serveFlushes() }
    }
    try test.manager.vfree(try test.manager.vmalloc(4096))
    #expect(notifications == 2)
    notifications = 0
    try test.manager.flushRetired()
    #expect(notifications >= 2)
    test.expectValid()
  }

  private final class Report {
    var silent: [UInt32] = []
    nonisolated(unsafe) static var current: Report?
  }

  @Test func aSilentCPUIsNamed() throws {
    let test = try TestMachine(mode: .strict, cpuCount: 3)
    let report = Report()
    let machine = test.manager.machine
    test.simulated.onNotify = { [manager = test.manager] cpu in
      if cpu != 2 || report.silent.count == 2 { manager.serveFlushes() }
    }
    machine.value.silenceLimit = 64
    // The machine's own context is the simulated machine, which other actions need.
    machine.value.silent = { _, cpu in Report.current?.silent.append(cpu) }
    Report.current = report
    defer { Report.current = nil }
    try test.manager.vfree(try test.manager.vmalloc(4096))
    #expect(report.silent == [2, 2])
    #expect(test.manager.counters[.silences] == 2)
  }

  /// However much another CPU has to give back, it does so in steps.
  @Test func aDrainInAHandlerGoesInSteps() throws {
    let test = try TestMachine(
      ram: [RAMRegion(PhysicalAddress(0), byteCount: 256 << 20)], mode: .lazy, cpuCount: 2)
    let manager = test.manager
    var options = VmallocOptions()
    options.leaves = .base
    try test.simulated.onCPU(1) { try manager.vfree(try manager.vmalloc(64 << 20, options)) }
    var most: UInt64 = 0
    test.simulated.onNotify = { _ in
      let before = manager.counters[.entriesCleared]
      manager.serveFlushes()
      most = max(most, manager.counters[.entriesCleared] - before)
    }
    let cleared = manager.counters[.entriesCleared]
    try manager.flushRetired()
    #expect(manager.counters[.entriesCleared] - cleared == 16_384)
    // A step ends after the block that takes it past its budget: 1,024 frames at the most.
    #expect(most <= 4096)
    test.expectValid()
  }

  @Test func aDrainReturnsObjectsInSteps() throws {
    let test = try TestMachine(
      ram: [RAMRegion(PhysicalAddress(0), byteCount: 64 << 20)], mode: .lazy, cpuCount: 2)
    let manager = test.manager
    try test.simulated.onCPU(1) {
      for byteCount in [8, 16, 24, 32, 48, 64, 80, 96, 112, 128] {
        let objects = try (0..<128).map { _ in try manager.kmalloc(byteCount) }
        for object in objects { try manager.kfree(object) }
      }
    }
    var kept: Int { (0..<Slab.capacity).reduce(0) { $0 + manager.slab.magazine(1, $1).value.count } }
    let before = kept
    #expect(before > 1000)
    var most = 0
    var steps = 0
    test.simulated.onNotify = { _ in
      let before = kept
      manager.serveFlushes()
      most = max(most, before - kept)
      steps += 1
    }
    try manager.flushRetired()
    #expect(kept == 0 && steps > 3)
    // A budget of 96 pages at three objects, and the magazine that takes it past that.
    #expect(most <= 96 * 3 + 128)
    test.expectValid()
  }
}
