import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

private let MiB: UInt64 = 1 << 20

/// Every way of freeing a frame wrongly has a name, and changes nothing.
@Suite struct BadFrameFreeTests {
  /// RAM with a hole that shares a section of metadata with it, and a part that is kept.
  private func makeMachine() throws -> TestMachine {
    let banks = [
      RAMRegion(PhysicalAddress(0), byteCount: 12 * MiB),
      RAMRegion(PhysicalAddress(13 * MiB), byteCount: MiB),
    ]
    let map = MemoryMap()
    for bank in banks { try map.add(.usable, at: bank.start, byteCount: bank.byteCount) }
    try map.add(.kept, at: PhysicalAddress(MiB), byteCount: MiB)
    try map.add(.reserved, at: PhysicalAddress(3 * MiB), byteCount: MiB)
    return try TestMachine(ram: banks, map: map, vmallocPages: 1 << 20)
  }

  @Test(arguments: 0...10)
  func aSecondFreeIsRefused(order: Int) throws {
    let test = try makeMachine()
    let block = try test.manager.allocateFrames(order: order)
    try test.manager.freeFrames(block, order: order)
    test.expectRefusal(.alreadyFree, freeing: block, order: order)
    test.drainCaches()
    test.expectRefusal(.alreadyFree, freeing: block, order: order)
  }

  @Test(arguments: 0...10)
  func aFrameOfABlockThatWasFreedIsRefusedWhereverMergingPutIt(order: Int) throws {
    let test = try makeMachine()
    var blocks: [FrameNumber] = []
    while let block = try? test.manager.allocateFrames(order: order) { blocks.append(block) }
    for block in blocks { try test.manager.freeFrames(block, order: order) }
    test.drainCaches()
    let before = FramesState(test.manager)
    for block in blocks {
      for offset in [0, UInt64(1) << order - 1, (UInt64(1) << order) / 2] {
        #expect(throws: MemoryError.badFree(.alreadyFree)) {
          try test.manager.freeFrames(FrameNumber(block.rawValue + offset))
        }
      }
      #expect(throws: MemoryError.badFree(.alreadyFree)) { try test.manager.freeFrames(block, order: order) }
    }
    #expect(FramesState(test.manager) == before)
    test.expectValid()
  }

  @Test(arguments: 1...10)
  func aFrameInsideABlockIsRefused(order: Int) throws {
    let test = try makeMachine()
    let block = try test.manager.allocateFrames(order: order)
    for offset in [1, UInt64(1) << order / 2, UInt64(1) << order - 1] {
      test.expectRefusal(.interior, freeing: FrameNumber(block.rawValue + offset))
    }
    if order > 1 {
      let upperHalf = FrameNumber(block.rawValue + UInt64(1) << (order - 1))
      test.expectRefusal(.interior, freeing: upperHalf, order: order - 1)
    }
    try test.manager.freeFrames(block, order: order)
    test.expectValid()
  }

  @Test func anotherOrderIsRefused() throws {
    let test = try makeMachine()
    for order in 0...9 {
      // The lower half of a block of the next order, so that it is aligned for that one, too.
      let whole = try test.manager.allocateFrames(order: order + 1)
      try test.manager.freeFrames(whole, order: order + 1)
      let block = try test.manager.allocateFrames(order: order)
      for other in 0...10 where other != order && block.isAligned(toOrder: other) {
        test.expectRefusal(.wrongOrder, freeing: block, order: other)
      }
      try test.manager.freeFrames(block, order: order)
      test.drainCaches()
    }
  }

  @Test func aFrameThatNoBlockOfItsOrderHasIsRefused() throws {
    let test = try makeMachine()
    let block = try test.manager.allocateFrames(order: 3)
    test.expectRefusal(.unaligned, freeing: FrameNumber(block.rawValue + 1), order: 3)
    test.expectRefusal(.unaligned, freeing: FrameNumber(block.rawValue + 4), order: 3)
    for order in [-1, 11, 12, 63, 64, 65, .max, .min] {
      test.expectRefusal(.unaligned, freeing: block, order: order)
      test.expectRefusal(.unaligned, freeing: FrameNumber(0), order: order)
    }
  }

  @Test func aFrameThatIsNotOursIsRefused() throws {
    let test = try makeMachine()
    let frames: [(String, UInt64)] = [
      ("zero", 0), ("kept", MiB / 4096), ("reserved", 3 * MiB / 4096),
      ("a hole of a section with RAM", 12 * MiB / 4096), ("behind the RAM, in its section", 14 * MiB / 4096),
      ("a section without RAM", 128 * MiB / 4096), ("31 bits", 1 << 31),
      ("32 bits", 1 << 32 + 1), ("52 bits", 1 << 51), ("no address has it", .max), ("wraps", .max - 1023),
    ]
    for (name, frame) in frames {
      let before = FramesState(test.manager)
      for order in 0...10 where FrameNumber(frame).isAligned(toOrder: order) {
        #expect(throws: MemoryError.badFree(.foreign), "\(name), order \(order)") {
          try test.manager.freeFrames(FrameNumber(frame), order: order)
        }
      }
      #expect(FramesState(test.manager) == before, "\(name)")
    }
    test.expectValid()
  }

  @Test func aFrameInOtherUseIsRefused() throws {
    let test = try makeMachine()
    let pointer = try test.manager.vmalloc(5 * 4096)
    let area = try #require(test.manager.area(containing: VirtualAddress(pointer)))
    for page in 0..<UInt64(5) {
      let address = VirtualAddress(area.address.rawValue + page * 4096)
      let frame = try #require(test.manager.frame(at: address))
      test.expectRefusal(.foreign, freeing: frame)
      #expect(test.manager.frame(at: address) == frame)
    }
    test.expectRefusal(.foreign, freeing: test.manager.tables.root)
    var kinds: [FrameKind: [FrameNumber]] = [:]
    for frame in 1..<14 * MiB / 4096 {
      guard let metadata = test.manager.frames.table.metadata(of: FrameNumber(frame)) else { continue }
      kinds[metadata.value.state.kind, default: []].append(FrameNumber(frame))
    }
    for kind in [FrameKind.table, .metadata, .mapped, .unmanaged] {
      let frames = try #require(kinds[kind])
      let before = FramesState(test.manager)
      for frame in frames {
        #expect(throws: MemoryError.badFree(.foreign)) { try test.manager.freeFrames(frame) }
      }
      #expect(FramesState(test.manager) == before)
    }
    for kind in [FrameKind.idle, .free, .tail] {
      for frame in try #require(kinds[kind])
      where frame.rawValue % 16 < 3 && test.manager.frames.mapper(of: UInt32(frame.rawValue)) == nil {
        #expect(throws: MemoryError.badFree(.alreadyFree)) { try test.manager.freeFrames(frame) }
      }
    }
    test.expectValid()
    try test.manager.vfree(pointer)
    test.expectValid()
  }

  @Test func aFrameOfALongListIsFreedByItselfAndOnce() throws {
    let test = try makeMachine()
    var frames: [FrameNumber] = []
    try test.manager.allocateFrames(count: 600) { frames.append($0) }
    for frame in frames {
      // A frame of a list is a block of order 0 whatever block it came from.
      if frame.isAligned(toOrder: 1) {
        #expect(throws: MemoryError.badFree(.wrongOrder)) { try test.manager.freeFrames(frame, order: 1) }
      }
      try test.manager.freeFrames(frame)
      #expect(throws: MemoryError.badFree(.alreadyFree)) { try test.manager.freeFrames(frame) }
    }
    test.expectValid()
  }
}
