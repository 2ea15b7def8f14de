import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

private let MiB: UInt64 = 1 << 20

/// Memory that was somebody else's at boot, or was not there.
@Suite struct AddedMemoryTests {
  /// 8 MiB that are there, 8 MiB of a kind, and a bank of 256 MiB that nothing is said of.
  private func machine(
    _ kind: MemoryMap.Kind, format: TestFormat = .fourLevels, memoryLimit: UInt64 = 512 * MiB,
    cpuCount: Int = 1
  ) throws -> TestMachine {
    let map = MemoryMap()
    try map.add(.usable, at: PhysicalAddress(0), byteCount: 8 * MiB)
    try map.add(kind, at: PhysicalAddress(8 * MiB), byteCount: 8 * MiB)
    return try TestMachine(
      ram: [RAMRegion(PhysicalAddress(0), byteCount: 512 * MiB)], map: map, format: format,
      memoryLimit: PhysicalAddress(memoryLimit), cpuCount: cpuCount)
  }

  private func run(_ start: UInt64, _ byteCount: UInt64, _ test: TestMachine) -> FrameRange {
    let first = PhysicalAddress(start).number(test.format.pageSize)
    return FrameRange(unchecked: first, count: PageCount(bytes: byteCount, test.format.pageSize))
  }

  private func root(_ test: TestMachine) -> [UInt64] {
    let tables = test.manager.tables
    return (0..<Int(tables.format.entryCount(tables.format.levels - 1))).map {
      tables.entry(tables.root, $0).value.load(ordering: .relaxed)
    }
  }

  /// What an older allocator had is mapped already; what was reserved is mapped by this.
  @Test(arguments: [MemoryMap.Kind.kept, .reserved], TestFormat.ofCPUs)
  func memoryThatIsGivenUpIsHandedOut(kind: MemoryMap.Kind, format: TestFormat) throws {
    let test = try machine(kind, format: format)
    let more = run(8 * MiB, 8 * MiB, test)
    let (before, written, rootBefore) = (
      test.manager.frames.managed.rawValue, test.manager.counters[.entriesWritten], root(test)
    )
    try test.manager.addMemory(more)
    #expect(test.manager.frames.managed.rawValue == before + more.count.rawValue)
    #expect((test.manager.counters[.entriesWritten] == written) == (kind == .kept))
    #expect(root(test) == rootBefore)
    test.expectValid()
    let taken = test.takeAllFrames()
    #expect(Set(more.first.rawValue..<more.end.rawValue).subtracting(taken).isEmpty)
    for frame in taken { try test.manager.freeFrames(FrameNumber(frame)) }
    test.expectValid()
  }

  /// Sections that had no RAM, and areas larger than all that was there at start.
  @Test(arguments: TestFormat.ofCPUs, [1, 2])
  func memoryThatIsPluggedInIsHandedOut(format: TestFormat, cpuCount: Int) throws {
    let test = try machine(.kept, format: format, cpuCount: cpuCount)
    let rootBefore = root(test)
    let more = run(250 * MiB, 24 * MiB, test)
    try test.manager.addMemory(more)
    #expect(root(test) == rootBefore)
    test.expectValid()
    let pointer = try test.manager.vmalloc(Int(20 * MiB))
    for cpu in 0..<cpuCount {
      try test.simulated.onCPU(cpu) { try test.simulated.store(UInt64(1), at: VirtualAddress(pointer)) }
    }
    let frame = try #require(test.manager.frame(at: VirtualAddress(pointer)))
    #expect(more.contains(frame))
    try test.manager.vfree(pointer)
    test.expectValid()
    // Pages of the linear map are its own there, too.
    let page = PageNumber(test.manager.linearAddress(of: more.first).number(format.pageSize).rawValue)
    test.expectRefused(.memoryWindow(page.address(format.pageSize))) {
      try test.manager.unmap(PageRange(unchecked: page, count: PageCount(1)))
    }
  }

  @Test func whatIsNoMemoryToAddIsRefused() throws {
    let test = try machine(.kept)
    let manager = test.manager
    let kept = run(8 * MiB, 8 * MiB, test)
    let managed = manager.frames.managed
    test.expectRefused(.sizeIsZero) { try manager.addMemory(FrameRange(from: kept.first, upTo: kept.first)) }
    test.expectRefused(.frameUnavailable(FrameNumber(0))) { try manager.addMemory(run(0, MiB, test)) }
    test.expectRefused(.frameUnavailable(FrameNumber(2047))) {
      try manager.addMemory(FrameRange(from: FrameNumber(2047), upTo: kept.end))
    }
    let end = FrameNumber(512 * MiB / 4096)
    for first in [end.rawValue - 1, end.rawValue, end.rawValue + 1] {
      test.expectRefused(.frameOutOfReach(FrameNumber(max(first, end.rawValue)))) {
        try manager.addMemory(FrameRange(from: FrameNumber(first), upTo: FrameNumber(first + 2)))
      }
    }
    #expect(manager.frames.managed == managed)
    try manager.addMemory(kept)
    test.expectRefused(.frameUnavailable(kept.first)) { try manager.addMemory(kept) }
    test.expectValid()
  }

  /// Without a limit that was given at start nothing can be added above all that was there.
  @Test func theLimitIsThatOfTheStart() throws {
    let test = try machine(.kept, memoryLimit: 0)
    test.expectRefused(.frameOutOfReach(FrameNumber(250 * MiB / 4096))) {
      try test.manager.addMemory(run(250 * MiB, MiB, test))
    }
    try test.manager.addMemory(run(8 * MiB, 8 * MiB, test))
    test.expectValid()
    #expect(throws: MemoryError.frameOutOfReach(FrameNumber(1 << 20))) {
      _ = try TestMachine(limit: PhysicalAddress(4 << 30), memoryLimit: PhysicalAddress(5 << 30))
    }
  }

  /// The metadata of a section takes a block, which there may not be.
  @Test func withoutABlockForMetadataNothingChanges() throws {
    let test = try machine(.kept)
    let taken = test.takeAllFrames()
    let more = run(256 * MiB, MiB, test)
    test.expectRefused(.metadataExhausted) { try test.manager.addMemory(more) }
    for frame in taken { try test.manager.freeFrames(FrameNumber(frame)) }
    try test.manager.addMemory(more)
    test.expectValid()
  }
}
