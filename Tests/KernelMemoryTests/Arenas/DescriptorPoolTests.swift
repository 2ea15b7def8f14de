import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct DescriptorPoolTests {
  /// Areas without frames of their own take descriptors, index nodes and tables, until no frame is left.
  @Test func thereAreDescriptorsAsLongAsThereAreFrames() throws {
    let test = try TestMachine(ram: [.small], mode: .lazy)
    let frame = try test.manager.allocateFrames()
    let before = test.framesLeft
    var areas: [UnsafeMutableRawPointer] = []
    let error = #expect(throws: MemoryError.self) {
      while true { areas.append(try [frame].withUnsafeBufferPointer { try test.manager.vmap($0) }) }
    }
    switch error {
    case .metadataExhausted, .tablesExhausted: break
    default: Issue.record("it ended with \(String(describing: error))")
    }
    #expect(test.framesLeft < 8, "\(areas.count) areas, and \(test.framesLeft) of \(before) frames are left")
    #expect(areas.count > 60_000)
    for area in areas { try test.manager.vunmap(area) }
    try test.manager.freeFrames(frame)
    try test.manager.flushRetired()
    test.expectValid()
  }

  /// Descriptors may lie anywhere in RAM, wherever that is.
  @Test(arguments: [0, 1, 127, 128, 5_000] as [UInt64])
  func ramMayLieAnywhere(gibibytes: UInt64) throws {
    let far = RAMRegion(PhysicalAddress(gibibytes << 30 + 8 << 20), byteCount: 4 << 20)
    let test = try TestMachine(ram: [.small, far], mode: .lazy)
    let areas = try (0..<500).map { _ in try test.manager.vmalloc(1) }
    for area in areas {
      #expect(test.manager.area(containing: VirtualAddress(area))?.address == VirtualAddress(area))
    }
    test.expectValid()
    for area in areas { try test.manager.vfree(area) }
    test.expectValid()
  }

  @Test(
    arguments: [
      (0, 1), (1, 1), (128 << 20, 1), (128 << 20 + 1, 2), (4 << 30, 32), (5 << 30, 64), (128 << 30, 1024),
      (128 << 30 + 1, 1024), (1 << 46, 1024),
    ] as [(UInt64, Int)])
  func placesCoverMemory(bytes: UInt64, places: Int) {
    #expect(DescriptorPool.places(below: PhysicalAddress(bytes)) == places)
  }

  /// Where all places are taken, frames of other regions are passed over, and stay free.
  @Test func regionsWithoutAPlaceArePassedOver() throws {
    let ram = [1, 6, 7].map { RAMRegion(PhysicalAddress($0 << 30), byteCount: 4 << 20) }
    let test = try TestMachine(ram: ram)
    // Of the frames of the two regions above 4 GiB this leaves none of the second.
    let state: Stable<DescriptorPool.State> = try test.memory()
    let regions: Stable<UInt> = try test.memory()
    let pool = DescriptorPool(frames: test.manager.frames, state: state, regions: regions, places: 1)
    let before = test.framesLeft
    try test.manager.cpus.with { (cpu) throws(MemoryError) in try pool.stock(64, cpu) }
    #expect(before - test.framesLeft == 1)
    let error = #expect(throws: MemoryError.self) {
      try test.manager.cpus.with { (cpu) throws(MemoryError) in try pool.stock(2_000_000, cpu) }
    }
    #expect(error == .metadataExhausted)
    #expect(test.framesLeft > 1_000, "the frames of the other regions are free")
    // All that there are have one region.
    let all = (0..<UInt64(pool.spareCount)).map { _ in pool[pool.take(as: .preparing)].address }
    #expect(Set(all.map { $0 >> 27 }).count == 1)
    #expect(Set(all).count == all.count)
  }
}

extension TestMachine {
  /// A frame of the machine, as memory for a test.
  func memory<Element: ~Copyable>() throws -> Stable<Element> {
    Stable(at: manager.linearAddress(of: try manager.allocateFrames()))
  }
}
