import CMachine
import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct TagRemovalTests {
  private typealias Tag = KernelMemory.Tag

  /// Removed while nothing is charged to it, whatever was before.
  @Test(arguments: FreeMode.all) func aTagGoesWhenItHoldsNothing(mode: FreeMode) throws {
    let test = try TestMachine(ram: [.small], mode: mode)
    let manager = test.manager
    let tag = try manager.makeTag(named: "driver")
    let object = try manager.kmalloc(100, objects(tag))
    let bytes = UInt64(SizeClass.size(SizeClass.index(of: 100)))
    test.expectRefused(.tagInUse(bytes: bytes, objects: 1, areas: 0)) { try manager.removeTag(tag) }
    let area = try manager.vmalloc(5_000, areas(tag))
    try manager.kfree(object)
    test.expectRefused(.tagInUse(bytes: 8_192, objects: 0, areas: 1)) { try manager.removeTag(tag) }
    try manager.vfree(area)
    let frame = try manager.allocateFrames()
    let borrowed = try [frame].withUnsafeBufferPointer { try manager.vmap($0, tag: tag) }
    test.expectRefused(.tagInUse(bytes: 0, objects: 0, areas: 1)) { try manager.removeTag(tag) }
    try manager.vunmap(borrowed)
    let cache = try manager.makeCache(named: "things", objectSize: 40, tag: tag)
    test.expectRefused(.tagInUse(bytes: 0, objects: 0, areas: 0)) { try manager.removeTag(tag) }
    try manager.destroy(cache)
    let before = manager.counters
    try manager.removeTag(tag)
    // What was counted for it stays counted.
    #expect(manager.counters[.areasFreed] == before[.areasFreed])
    #expect(manager.counters[.objectsAllocated] == before[.objectsAllocated])
    expectUnavailable(tag, test)
    test.expectValid()
  }

  private func expectUnavailable(_ tag: Tag, _ test: TestMachine) {
    let manager = test.manager
    #expect(manager.usage(of: tag) == TagUsage())
    #expect(manager.quota(of: tag) == nil)
    for attempt in [
      { _ = try manager.kmalloc(64, objects(tag)) }, { _ = try manager.kmalloc(20_000, objects(tag)) },
      { _ = try manager.vmalloc(4_096, areas(tag)) }, { _ = try manager.vmalloc(1 << 20, areas(tag)) },
      { try manager.setQuota(1, for: tag) }, { try manager.removeTag(tag) },
      { _ = try manager.makeCache(named: "things", objectSize: 40, tag: tag) },
    ] as [() throws -> Void] {
      #expect(throws: MemoryError.tagUnavailable) { try attempt() }
    }
  }

  /// The number is another's: nothing that is asked with the old handle is charged to it, on the shortest
  /// ways as on the longer ones.
  @Test(arguments: FreeMode.all) func aStaleHandleDoesNotChargeTheSuccessor(mode: FreeMode) throws {
    let test = try TestMachine(ram: [.small], mode: mode)
    let manager = test.manager
    let all = try (0..<254).map { _ in try manager.makeTag(named: "driver") }
    #expect(throws: MemoryError.tagsExhausted(limit: 255)) { _ = try manager.makeTag(named: "more") }
    let old = all[100]
    try manager.setQuota(1 << 20, for: old)
    try manager.setQuota(areas: 10, for: old)
    for _ in 0..<3 { try manager.vfree(try manager.vmalloc(4_096, areas(old))) }
    for _ in 0..<3 { try manager.kfree(try manager.kmalloc(64, objects(old))) }
    let snapshot = manager.tagSnapshot
    try manager.removeTag(old)
    let new = try manager.makeTag(named: "successor")
    #expect(new.index == old.index && new != old)
    #expect(manager.quota(of: new) == nil && manager.areaQuota(of: new) == nil)
    #expect(manager.usage(of: new) == TagUsage())
    // What it takes is near: an object in the magazine, an area that is mapped, an allowance.
    for _ in 0..<3 { try manager.kfree(try manager.kmalloc(64, objects(new))) }
    for _ in 0..<3 { try manager.vfree(try manager.vmalloc(4_096, areas(new))) }
    let object = try manager.kmalloc(64, objects(new))
    let block = try manager.kmalloc(20_000, objects(new))
    let usage = manager.usage(of: new)
    #expect(usage.liveObjects == 2 && usage.areasAllocated == 3)
    expectUnavailable(old, test)
    for pointer in [object, block] {
      #expect(throws: MemoryError.badFree(.foreign)) { try manager.kfree(pointer, chargedTo: old) }
    }
    #expect(manager.usage(of: new) == usage)
    // Nor does it count as growth of the old one's.
    var growth: [TagGrowth] = []
    manager.forEachGrowth(since: snapshot) { growth.append($0) }
    #expect(growth.map(\.tag) == [new] && growth.map(\.objects) == [2])
    for pointer in [object, block] { try manager.kfree(pointer, chargedTo: new) }
    try manager.removeTag(new)
    test.expectValid()
  }

  /// Any number of tags, one after another.
  @Test func tagsComeAndGo() throws {
    let test = try TestMachine(ram: [.small], mode: .warm)
    let used = test.manager.usedFrames
    var seen: Set<Tag> = []
    for _ in 0..<2_000 {
      let tag = try test.manager.makeTag(named: "short")
      #expect(seen.insert(tag).inserted)
      try test.manager.vfree(try test.manager.vmalloc(4_096, areas(tag)))
      #expect(test.manager.usage(of: tag).areasAllocated == 1)
      #expect(test.manager.usage(of: tag).peakBytes <= 4_096)
      try test.manager.removeTag(tag)
    }
    try test.manager.flushRetired()
    #expect(test.manager.usedFrames.rawValue < used.rawValue + 20)
    #expect(test.manager.counters[.areasAllocated] == 2_000)
  }

  @Test func whatIsNoTagOrStaysIsRefused() throws {
    let test = try TestMachine(ram: [.small], cpuCount: 2)
    for tag in [Tag.untagged, Tag(index: 1), Tag(index: 255), Tag(index: 256)] {
      test.expectRefused(.tagUnavailable) { try test.manager.removeTag(tag) }
    }
    let tag = try test.manager.makeTag(named: "driver")
    let interrupts = cmachine_interrupts_disable()
    test.expectRefused(.wrongContext) { try test.manager.removeTag(tag) }
    cmachine_interrupts_restore(interrupts)
    try test.manager.removeTag(tag)
  }

  /// A tag that has the number of another does not read what that one has written.
  @Test func theSuccessorReadsZerosInHardenedMode() throws {
    let test = try TestMachine(
      ram: [.small], mode: .warm, hardening: .hardened(secret: 0x1234_5678_9abc_def1))
    let manager = test.manager
    let all = try (0..<254).map { _ in try manager.makeTag(named: "driver") }
    let secret = try manager.vmalloc(4_096, areas(all[9]))
    try test.simulated.store(UInt64(0x5ec2e7), at: VirtualAddress(secret))
    try manager.vfree(secret)
    try manager.removeTag(all[9])
    let successor = try manager.makeTag(named: "successor")
    #expect(successor.index == all[9].index)
    let area = try manager.vmalloc(4_096, areas(successor))
    #expect(area == secret)
    #expect(try test.simulated.load(at: VirtualAddress(area)) == UInt64(0))
  }

  /// Memory of which an NMI has left the free is given back before.
  @Test func framesThatAreLeftToAPurgeAreFreedBefore() throws {
    let test = try TestMachine(ram: [.small], mode: .lazy)
    let manager = test.manager
    let tag = try manager.makeTag(named: "driver")
    let area = try manager.vmalloc(4_096, areas(tag))
    let address = VirtualAddress(area)
    manager.freeLater(address, in: manager.generation(of: address))
    #expect(manager.usage(of: tag).liveAreas == 1)
    try manager.removeTag(tag)
    test.expectValid()
  }
}
