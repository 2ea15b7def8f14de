import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct VmapTests {
  private func frames(_ count: Int, _ test: TestMachine) throws -> [FrameNumber] {
    try (0..<count).map { _ in try test.manager.allocateFrames() }
  }

  private func vmap(
    _ frames: [FrameNumber], _ test: TestMachine, _ protection: Protection = .readWrite,
    tag: KernelMemory.Tag = .untagged
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    try frames.withUnsafeBufferPointer { (buffer) throws(MemoryError) in
      try test.manager.vmap(buffer, protection, tag: tag)
    }
  }

  private func page(_ index: Int, of pointer: UnsafeMutableRawPointer) -> VirtualAddress {
    VirtualAddress(pointer + index * 4096)
  }

  /// 65 and more take the longer way; 600 need two lowest tables.
  @Test(arguments: [FreeMode.strict, .lazy, .warm], [1, 3, 64, 65, 600])
  func framesAreReachedInOrderAndNoLongerAfterTheFlush(mode: FreeMode, count: Int) throws {
    let test = try TestMachine(mode: mode)
    let own = try frames(count, test).reversed() as [FrameNumber]
    for _ in 0..<3 {
      let pointer = try vmap(own, test)
      for index in 0..<count {
        try test.simulated.store(UInt64(index), at: page(index, of: pointer))
        let there = try test.simulated.load(UInt64.self, at: test.manager.linearAddress(of: own[index]))
        #expect(there == UInt64(index))
      }
      #expect(test.fault(.read, at: page(count, of: pointer)) != nil)
      let area = try #require(test.manager.area(containing: page(count - 1, of: pointer)))
      #expect(area.isBorrowed && area.address == VirtualAddress(pointer))
      #expect(area.pages.count.rawValue == UInt64(count) && area.byteCount == UInt64(count) * 4096)
      test.expectValid()
      try test.manager.vunmap(pointer)
      #expect(test.manager.area(containing: VirtualAddress(pointer)) == nil)
      test.expectValid()
      if mode != .strict { try test.manager.flushRetired() }
      for index in 0..<count { #expect(test.fault(.read, at: page(index, of: pointer)) != nil) }
    }
    for frame in own { try test.manager.freeFrames(frame) }
    let counters = test.manager.counters
    #expect(counters[.areasAllocated] == 3 && counters[.areasFreed] == 3)
    #expect(counters[.entriesWritten] == counters[.entriesCleared])
    test.expectValid()
  }

  @Test func anUnmappedPageIsStaleUntilTheFlushAndItsAddressIsNotReused() throws {
    let test = try TestMachine(mode: .lazy)
    let own = try frames(2, test)
    let pointer = try vmap(own, test)
    try test.simulated.store(UInt64(7), at: page(1, of: pointer))
    try test.manager.vunmap(pointer)
    #expect(test.fault(.read, at: page(1, of: pointer)) == nil)
    #expect(test.manager.frame(at: page(1, of: pointer)) == nil)
    for _ in 0..<100 { #expect(try test.manager.vmalloc(8192) != pointer) }
    try test.manager.flushRetired()
    #expect(test.fault(.read, at: page(1, of: pointer)) != nil)
    test.expectValid()
  }

  @Test func aFrameCanBeMappedTwice() throws {
    let test = try TestMachine(mode: .lazy)
    let frame = try test.manager.allocateFrames()
    let twice = try vmap([frame, frame], test)
    let readable = try vmap([frame], test, .readOnly)
    try test.simulated.store(UInt64(5), at: page(0, of: twice))
    #expect(try test.simulated.load(UInt64.self, at: page(1, of: twice)) == 5)
    #expect(try test.simulated.load(UInt64.self, at: page(0, of: readable)) == 5)
    #expect(test.fault(.write, at: page(0, of: readable)) != nil)
    test.expectValid()
    try test.manager.vunmap(twice)
    #expect(try test.simulated.load(UInt64.self, at: page(0, of: readable)) == 5)
    try test.manager.vunmap(readable)
    try test.manager.flushRetired()
    try test.manager.freeFrames(frame)
    test.expectValid()
  }

  /// A page of vmalloc, too, whose frame's metadata stays the area's.
  @Test func aFrameOfVmallocCanBeBorrowed() throws {
    let test = try TestMachine(mode: .lazy)
    let memory = try test.manager.vmalloc(4096)
    let window = try vmap([try #require(test.manager.frame(at: VirtualAddress(memory)))], test)
    try test.simulated.store(UInt64(9), at: VirtualAddress(window))
    #expect(try test.simulated.load(UInt64.self, at: VirtualAddress(memory)) == 9)
    test.expectValid()
    try test.manager.vunmap(window)
    try test.manager.vfree(memory)
    try test.manager.flushRetired()
    test.expectValid()
  }

  @Test(arguments: [1, 64])
  func bothKindsHaveAddressesOfTheirOwn(count: Int) throws {
    let test = try TestMachine(mode: .lazy)
    let own = try frames(count, test)
    var taken: Set<UnsafeMutableRawPointer> = []
    for _ in 0..<3 {
      for _ in 0..<9_000 / (count + 1) {
        let pointer = try vmap(own, test)
        taken.insert(pointer)
        try test.manager.vunmap(pointer)
      }
      for _ in 0..<9_000 / (count + 1) {
        let pointer = try test.manager.vmalloc(count * 4096)
        #expect(test.manager.frame(at: VirtualAddress(pointer)) != own[0])
        taken.insert(pointer)
        try test.manager.vfree(pointer)
      }
    }
    // A bound's worth of each kind, for 54,000 pages that went through: neither drove the other out.
    #expect(taken.count <= 2 * 8_192 / (count + 1) + 4)
    try test.manager.flushRetired()
    for frame in own { try test.manager.freeFrames(frame) }
    test.expectValid()
  }

  @Test(arguments: [FreeMode.strict, .lazy, .warm])
  func eitherKindRefusesTheOther(mode: FreeMode) throws {
    let test = try TestMachine(mode: mode)
    let window = try vmap(try frames(3, test), test)
    let memory = try test.manager.vmalloc(3 * 4096)
    let before = test.manager.counters
    for pointer in [window, window + 4096, window + 3 * 4096] {
      #expect(throws: MemoryError.badFree(.foreign)) { try test.manager.vfree(pointer) }
    }
    #expect(throws: MemoryError.badFree(.foreign)) { try test.manager.vunmap(memory) }
    #expect(throws: MemoryError.badFree(.foreign)) {
      try test.manager.vunmap(UnsafeMutableRawPointer(bitPattern: 4096))
    }
    #expect(throws: MemoryError.badFree(.interior)) { try test.manager.vunmap(window + 4096) }
    #expect(throws: MemoryError.badFree(.guardPage)) { try test.manager.vunmap(window + 3 * 4096) }
    #expect(throws: MemoryError.badFree(.unaligned)) { try test.manager.vunmap(window + 8) }
    #expect(test.manager.counters.since(before)[.freesRefused] == 8)
    test.expectValid()
    try test.manager.vunmap(nil)
    try test.manager.vunmap(window)
    try test.manager.vfree(memory)
    #expect(throws: MemoryError.badFree(.alreadyFree)) { try test.manager.vunmap(window) }
    #expect(throws: MemoryError.badFree(.alreadyFree)) { try test.manager.vunmap(memory) }
    test.expectValid()
  }

  @Test func badFramesAndTagsAreRefusedWithNothingChanged() throws {
    let test = try TestMachine(mode: .lazy)
    let own = try test.manager.allocateFrames()
    let before = Snapshot(of: test.manager)
    #expect(throws: MemoryError.sizeIsZero) { try vmap([], test) }
    for bad in [FrameNumber(1 << 20), FrameNumber(1 << 60), FrameNumber(.max)] {
      #expect(throws: MemoryError.frameOutOfReach(bad)) { try vmap([own, bad], test) }
    }
    #expect(throws: MemoryError.tagUnavailable) {
      try vmap([own], test, tag: KernelMemory.Tag(index: 77))
    }
    test.expectUnchanged(since: before)
    test.expectValid()
  }

  @Test func aQuotaCountsNoBytesOfIt() throws {
    let test = try TestMachine(mode: .lazy)
    let tag = try test.manager.makeTag(named: "borrower")
    try test.manager.setQuota(4096, for: tag)
    let own = try frames(5, test)
    let memory = try test.manager.vmalloc(4096, areas(tag))
    let window = try vmap(own, test, tag: tag)
    #expect(test.manager.area(containing: VirtualAddress(window))?.tag == tag)
    try test.manager.vunmap(window)
    try test.manager.vfree(memory)
    let counters = test.manager.counters
    #expect(counters[.areasAllocated] == 2 && counters[.areasFreed] == 2)
    test.expectValid()
  }

  /// Four nodes of the index and two tables.
  @Test func everyShortageLeavesAllAsItWas() throws {
    for left in UInt64(0)...7 {
      let test = try TestMachine(ram: [.small])
      let own = try frames(3, test)
      try test.withFramesLeft(left) {
        let before = Snapshot(of: test.manager)
        do throws(MemoryError) {
          try test.manager.vunmap(try vmap(own, test))
          #expect(left >= 6)
        } catch {
          let expected: MemoryError =
            left < 4 ? .metadataExhausted : .tablesExhausted(got: PageCount(left - 4), of: PageCount(2))
          #expect(left < 6 && error == expected)
          test.expectUnchanged(since: before)
        }
        test.expectValid()
      }
      try test.manager.vunmap(try vmap(own, test))
      test.expectValid()
    }
  }

  /// The frames of a caller lie anywhere, so the place of a large mapping is aligned to nothing.
  @Test func aLargeMappingWastesNoAddresses() throws {
    let test = try TestMachine()
    let own = try frames(512, test)
    let (first, second) = (try vmap(own, test), try vmap(own, test))
    #expect(second - first == 513 * 4096)
    for pointer in [first, second] { try test.manager.vunmap(pointer) }
    test.expectValid()
  }
}
