import MachineSimulator
import Synchronization
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct QuotaTests {
  private func refusal(_ body: () throws(MemoryError) -> Void) -> MemoryError? {
    do throws(MemoryError) { try body() } catch { return error }
    return nil
  }

  @Test(arguments: [FreeMode.strict, .lazy, .warm]) func boundsAreas(mode: FreeMode) throws {
    let test = try TestMachine(mode: mode)
    let tag = try test.manager.makeTag(named: "driver")
    #expect(test.manager.quota(of: tag) == nil)
    try test.manager.setQuota(10 * 4096, for: tag)
    #expect(test.manager.quota(of: tag) == 10 * 4096)
    let first = try test.manager.vmalloc(6 * 4096, areas(tag))
    let error = MemoryError.overQuota(tag: tag, limit: 40_960, used: 24_576)
    test.expectRefused(error) { _ = try test.manager.vmalloc(5 * 4096, areas(tag)) }
    test.expectRefused(error) { _ = try test.manager.vmalloc(20 << 20, areas(tag)) }
    let second = try test.manager.vmalloc(4 * 4096, areas(tag))
    test.expectRefused(.overQuota(tag: tag, limit: 40_960, used: 40_960)) {
      _ = try test.manager.vmalloc(1, areas(tag))
    }
    // Nobody else is bound by it.
    try test.manager.vfree(try test.manager.vmalloc(100 * 4096))
    try test.manager.vfree(first)
    let third = try test.manager.vmalloc(6 * 4096, areas(tag))
    try test.manager.vfree(second)
    try test.manager.vfree(third)
    #expect(test.manager.usage(of: tag).liveBytes == 0)
    test.expectValid()
  }

  @Test(arguments: [SlabHardening.none, .hardened(secret: 77), .checked(secret: 78)])
  func boundsObjects(hardening: SlabHardening) throws {
    let test = try TestMachine(hardening: hardening)
    let tag = try test.manager.makeTag(named: "driver")
    try test.manager.setQuota(1 << 20, for: tag)
    var live: [UnsafeMutableRawPointer] = []
    var sizes = Randomness(seed: 4)
    while true {
      let size = Int(1 + sizes.below(sizes.oneIn(5) ? 60_000 : 2_000))
      let used = test.manager.usage(of: tag).liveBytes
      do throws(MemoryError) {
        live.append(try test.manager.kmalloc(size, objects(tag)))
        #expect(test.manager.usage(of: tag).liveBytes <= 1 << 20)
      } catch {
        #expect(error == .overQuota(tag: tag, limit: 1 << 20, used: used))
        #expect(used + 2 * UInt64(size) + 64 > 1 << 20, "\(size) bytes refused at \(used)")
        break
      }
    }
    let left = (1 << 20) - test.manager.usage(of: tag).liveBytes
    let used = test.manager.usage(of: tag).liveBytes
    test.expectRefused(.overQuota(tag: tag, limit: 1 << 20, used: used)) {
      _ = try test.manager.kmalloc(Int(left) + 1, objects(tag))
    }
    for pointer in live { try test.manager.kfree(pointer) }
    #expect(test.manager.usage(of: tag).liveBytes == 0)
    // What was freed may be had again, to the last byte.
    let whole = try test.manager.kmalloc(1 << 20, objects(tag))
    test.expectRefused(.overQuota(tag: tag, limit: 1 << 20, used: 1 << 20)) {
      _ = try test.manager.kmalloc(1, objects(tag))
    }
    try test.manager.kfree(whole)
    test.expectValid()
  }

  @Test func boundsBothAllocatorsTogetherAndNamedCaches() throws {
    let test = try TestMachine()
    let tag = try test.manager.makeTag(named: "driver")
    let cache = try test.manager.makeCache(named: "things", objectSize: 1024, tag: tag)
    try test.manager.setQuota(16_384, for: tag)
    let area = try test.manager.vmalloc(8192, areas(tag))
    let object = try test.manager.kmalloc(4096, objects(tag))
    let things = try (0..<4).map { _ in try test.manager.allocate(from: cache) }
    let error = MemoryError.overQuota(tag: tag, limit: 16_384, used: 16_384)
    test.expectRefused(error) { _ = try test.manager.allocate(from: cache) }
    test.expectRefused(error) { _ = try test.manager.vmalloc(1, areas(tag)) }
    test.expectRefused(error) { _ = try test.manager.kmalloc(8, objects(tag)) }
    var policy = KvmallocPolicy()
    policy.tag = tag
    test.expectRefused(error) { _ = try test.manager.kvmalloc(50_000, policy) }
    for thing in things { try test.manager.kfree(thing) }
    try test.manager.kfree(object)
    try test.manager.vfree(area)
    try test.manager.destroy(cache)
    #expect(test.manager.usage(of: tag).liveBytes == 0)
  }

  @Test func whatIsCachedIsNotChargedAndAHitIs() throws {
    let test = try TestMachine(mode: .warm)
    let tag = try test.manager.makeTag(named: "driver")
    try test.manager.setQuota(4 * 4096, for: tag)
    let cached = try test.manager.vmalloc(3 * 4096, areas(tag))
    try test.manager.vfree(cached)
    #expect(test.manager.usage(of: tag).liveBytes == 0)
    let other = try test.manager.vmalloc(2 * 4096, areas(tag))
    test.expectRefused(.overQuota(tag: tag, limit: 16_384, used: 8192)) {
      _ = try test.manager.vmalloc(3 * 4096, areas(tag))
    }
    #expect(test.manager.retained.cached == PageCount(3))
    // It is still there for whoever may have it.
    #expect(try test.manager.vmalloc(3 * 4096) == cached)
    try test.manager.vfree(other)
    #expect(test.manager.usage(of: tag).liveBytes == 0)
  }

  @Test func aQuotaBelowUseRefusesUntilUseFalls() throws {
    let test = try TestMachine()
    let tag = try test.manager.makeTag(named: "driver")
    let live = try (0..<10).map { _ in try test.manager.kmalloc(4096, objects(tag)) }
    try test.manager.setQuota(5 * 4096, for: tag)
    for count in 0..<5 {
      test.expectRefused(.overQuota(tag: tag, limit: 20_480, used: UInt64(10 - count) * 4096)) {
        _ = try test.manager.kmalloc(8, objects(tag))
      }
      try test.manager.kfree(live[count])
    }
    test.expectRefused(.overQuota(tag: tag, limit: 20_480, used: 20_480)) {
      _ = try test.manager.kmalloc(8, objects(tag))
    }
    try test.manager.kfree(live[5])
    let last = try test.manager.kmalloc(4096, objects(tag))
    try test.manager.setQuota(0, for: tag)
    try test.manager.kfree(last)
    test.expectRefused(.overQuota(tag: tag, limit: 0, used: 16_384)) {
      _ = try test.manager.kmalloc(8, objects(tag))
    }
    try test.manager.setQuota(nil, for: tag)
    #expect(test.manager.quota(of: tag) == nil)
    try test.manager.kfree(try test.manager.kmalloc(1 << 20, objects(tag)))
    for pointer in live[6...] { try test.manager.kfree(pointer) }
    #expect(test.manager.usage(of: tag).liveBytes == 0)
    #expect(throws: MemoryError.tagUnavailable) {
      try test.manager.setQuota(1, for: KernelMemory.Tag(index: 9))
    }
  }

  @Test func aReallocationIsChargedForTheDifference() throws {
    let test = try TestMachine()
    let (one, two) = (try test.manager.makeTag(named: "one"), try test.manager.makeTag(named: "two"))
    try test.manager.setQuota(40_960, for: one)
    var pointer = try test.manager.krealloc(nil, 4096, objects(one))
    pointer = try test.manager.krealloc(pointer, 8192, objects(one))
    #expect(test.manager.usage(of: one).liveBytes == 8192)
    pointer = try test.manager.krealloc(pointer, 8100, objects(one))
    #expect(test.manager.usage(of: one).liveBytes == 8192)
    pointer = try test.manager.krealloc(pointer, 32_768, objects(one))
    #expect(test.manager.usage(of: one).liveBytes == 32_768)
    pointer.storeBytes(of: 0x1234_5678, toByteOffset: 32_760, as: UInt32.self)
    test.expectRefused(.overQuota(tag: one, limit: 40_960, used: 32_768)) {
      _ = try test.manager.krealloc(pointer, 65_536, objects(one))
    }
    #expect(pointer.load(fromByteOffset: 32_760, as: UInt32.self) == 0x1234_5678)
    pointer = try test.manager.krealloc(pointer, 65_536, objects(two))
    #expect(test.manager.usage(of: one).liveBytes == 0)
    #expect(test.manager.usage(of: two).liveBytes == 65_536)
    var policy = KvmallocPolicy()
    policy.tag = one
    test.expectRefused(.overQuota(tag: one, limit: 40_960, used: 0)) {
      _ = try test.manager.kvrealloc(pointer, 100_000, policy)
    }
    try test.manager.setQuota(102_400, for: one)
    pointer = try test.manager.kvrealloc(pointer, 100_000, policy)
    #expect(test.manager.side(of: pointer) == .virtual)
    #expect(test.manager.usage(of: one).liveBytes == 102_400)
    #expect(test.manager.usage(of: two).liveBytes == 0)
    try test.manager.kvfree(pointer)
    #expect(test.manager.usage(of: one).liveBytes == 0)
  }

  @Test func anAllocationThatFailsIsNotCharged() throws {
    let test = try TestMachine(ram: [.small])
    let tag = try test.manager.makeTag(named: "driver")
    try test.manager.setQuota(1 << 30, for: tag)
    #expect(refusal { () throws(MemoryError) in _ = try test.manager.vmalloc(1 << 29, areas(tag)) } != nil)
    _ = try test.withFramesLeft(0) {
      test.expectRefused(.framesExhausted(got: .zero, of: PageCount(4))) {
        _ = try test.manager.kmalloc(16_384, objects(tag))
      }
    }
    #expect(test.manager.usage(of: tag) == TagUsage())
  }

  /// Areas take descriptors and places in the index, however few their bytes.
  @Test(arguments: FreeMode.all) func boundsTheNumberOfAreas(mode: FreeMode) throws {
    let test = try TestMachine(mode: mode, cpuCount: 2)
    let manager = test.manager
    let tag = try manager.makeTag(named: "driver")
    try manager.setQuota(areas: 10, for: tag)
    #expect(manager.areaQuota(of: tag) == 10 && manager.quota(of: tag) == nil)
    let frame = try manager.allocateFrames()
    let vmap = { () throws(MemoryError) in
      try [frame].withUnsafeBufferPointer { (frames) throws(MemoryError) in try manager.vmap(frames, tag: tag)
      }
    }
    var mapped = try (0..<6).map { _ in try vmap() }
    var live = try (0..<4).map { try manager.vmalloc(($0 + 1) * 4096, areas(tag)) }
    let error = MemoryError.overAreaQuota(tag: tag, limit: 10, used: 10)
    test.expectRefused(error) { _ = try vmap() }
    test.expectRefused(error) { _ = try manager.vmalloc(1, areas(tag)) }
    try test.onCPU(1) { test.expectRefused(error) { _ = try vmap() } }
    // Objects are not areas, and bytes are not bounded.
    try manager.kfree(try manager.kmalloc(1 << 20, objects(tag)))
    try test.onCPU(1) { try manager.vunmap(mapped.removeLast()) }
    try manager.vfree(live.removeLast())
    live.append(try manager.vmalloc(1 << 20, areas(tag)))
    mapped.append(try vmap())
    test.expectRefused(error) { _ = try vmap() }
    // Both quotas bound an area of `vmalloc`, and what one of them refuses is given back to the other.
    try manager.setQuota(areas: 12, for: tag)
    let bytes = manager.usage(of: tag).liveBytes
    try manager.setQuota(bytes + 4096, for: tag)
    test.expectRefused(.overQuota(tag: tag, limit: bytes + 4096, used: bytes)) {
      _ = try manager.vmalloc(8192, areas(tag))
    }
    live.append(try manager.vmalloc(4096, areas(tag)))
    mapped.append(try vmap())
    test.expectRefused(.overAreaQuota(tag: tag, limit: 12, used: 12)) { _ = try vmap() }
    try manager.setQuota(areas: nil, for: tag)
    try manager.setQuota(nil, for: tag)
    for _ in 0..<50 { mapped.append(try vmap()) }
    for pointer in mapped { try manager.vunmap(pointer) }
    for pointer in live { try manager.vfree(pointer) }
    try manager.freeFrames(frame)
    #expect(manager.usage(of: tag).liveAreas == 0 && manager.usage(of: tag).liveBytes == 0)
    #expect(throws: MemoryError.tagUnavailable) {
      try manager.setQuota(areas: 1, for: KernelMemory.Tag(index: 9))
    }
  }

  /// The usual pair of a tag with a quota of areas, at its limit, too, takes no lock.
  @Test(arguments: [UInt64(3), 1000]) func theUsualPairOfAreasSharesNothing(quota: UInt64) throws {
    let test = try TestMachine(mode: .warm, cpuCount: 2)
    let manager = test.manager
    let tag = try manager.makeTag(named: "driver")
    try manager.setQuota(areas: quota, for: tag)
    let live = try (0..<2).map { _ in try manager.vmalloc(4096, areas(tag)) }
    for pages in [1, 64] { try manager.vfree(try manager.vmalloc(pages * 4096, areas(tag))) }
    let locks = manager.locks
    for _ in 0..<500 {
      for pages in [1, 64] { try manager.vfree(try manager.vmalloc(pages * 4096, areas(tag))) }
    }
    #expect(manager.locks == locks)
    for pointer in live { try manager.vfree(pointer) }
  }

  /// The usual pair of a tag with a quota, at its limit, too, takes no lock.
  @Test(arguments: [UInt64(8 << 20), 1 << 20]) func theUsualPairSharesNothing(quota: UInt64) throws {
    let test = try TestMachine(mode: .warm, cpuCount: 2)
    let manager = test.manager
    let tag = try manager.makeTag(named: "driver")
    try manager.setQuota(quota, for: tag)
    var live = try (0..<64).map { _ in try manager.kmalloc(64, objects(tag)) }
    let rest = quota - manager.usage(of: tag).liveBytes
    if quota == 1 << 20 { live.append(try manager.vmalloc(Int(rest) - 64 * 4096 - 4096, areas(tag))) }
    for size in [64, 1024] { try manager.kfree(try manager.kmalloc(size, objects(tag))) }
    for pages in [1, 64] { try manager.vfree(try manager.vmalloc(pages * 4096, areas(tag))) }
    let locks = manager.locks
    for _ in 0..<500 {
      let object = try manager.kmalloc(64, objects(tag))
      let area = try manager.vmalloc(64 * 4096, areas(tag))
      try manager.vfree(area)
      try manager.kfree(object)
    }
    #expect(manager.locks == locks)
    for pointer in live { try manager.kvfree(pointer) }
  }

  /// One CPU has credit that the other needs.
  @Test func creditOfOtherCPUsIsTakenBackBeforeARefusal() throws {
    let test = try TestMachine(cpuCount: 4)
    let manager = test.manager
    let tag = try manager.makeTag(named: "driver")
    try manager.setQuota(1 << 20, for: tag)
    for cpu in 1..<4 {
      try test.onCPU(cpu) {
        try manager.kfree(try manager.kmalloc(100_000, objects(tag)))
      }
    }
    let credit = (1..<4).map { manager.tags.charges(of: tag, $0).value.byteCredit.load(ordering: .relaxed) }
    #expect(credit.allSatisfy { $0 & 0xff_ffff > 100_000 })
    let whole = try manager.kmalloc(1 << 20, objects(tag))
    try test.onCPU(1) {
      test.expectRefused(.overQuota(tag: tag, limit: 1 << 20, used: 1 << 20)) {
        _ = try manager.kmalloc(8, objects(tag))
      }
    }
    // Freed elsewhere, it is this CPU's credit; the first one takes that back again.
    try test.onCPU(2) { try manager.kfree(whole) }
    try manager.kfree(try manager.kmalloc(1 << 20, objects(tag)))
  }
}
