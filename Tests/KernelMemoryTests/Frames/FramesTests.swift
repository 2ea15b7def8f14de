import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

private let MiB: UInt64 = 1 << 20
private let GiB: UInt64 = 1 << 30

@Suite struct FramesTests {
  /// 15 MiB and a bit below 16 MiB, 8 MiB above; 8 MiB at 4 GiB.
  private static let threeZones = [
    RAMRegion(PhysicalAddress(0), byteCount: 24 * MiB),
    RAMRegion(PhysicalAddress(4 * GiB), byteCount: 8 * MiB),
  ]

  @Test func zonesAreByAddressAndFallBackDownward() throws {
    let test = try TestMachine(ram: Self.threeZones, vmallocPages: 1 << 20)
    let kinds: [ZoneKind] = [.dma, .dma32, .normal]
    #expect(kinds.map { test.manager.usage(of: $0).managed.rawValue } == [4095, 2048, 2048])
    for (number, kind) in kinds.enumerated() {
      let taken = test.takeAllFrames(zone: kind)
      let zones = taken.map { $0 < 4096 ? 0 : $0 < 1 << 20 ? 1 : 2 }
      #expect(zones == zones.sorted(by: >), "a lower zone was used before a higher one was empty")
      #expect(Set(zones) == Set(0...number))
      for lower in kinds[...number] {
        let usage = test.manager.usage(of: lower)
        #expect(usage.used == usage.managed && usage.largestFreeOrder == nil)
      }
      for higher in kinds[(number + 1)...] { #expect(test.manager.usage(of: higher).free > .zero) }
      for frame in taken.shuffled() { try test.manager.freeFrames(FrameNumber(frame)) }
    }
    // A block and a list fall back, too.
    _ = test.takeAllFrames(zone: .dma32)
    #expect(try test.manager.allocateFrames(order: 4).rawValue >= 1 << 20)
    #expect(throws: MemoryError.framesExhausted(got: .zero, of: PageCount(16))) {
      _ = try test.manager.allocateFrames(order: 4, zone: .dma32)
    }
    test.expectValid()
  }

  @Test func aListSpansZones() throws {
    let test = try TestMachine(ram: Self.threeZones, vmallocPages: 1 << 20)
    let normal = test.manager.usage(of: .normal)
    let wanted = Int(normal.managed.rawValue - normal.used.rawValue) + 100
    var zones = [0, 0, 0]
    try test.manager.allocateFrames(count: wanted) {
      zones[Int(ZoneKind(of: $0.address(.size4K)).rawValue)] += 1
    }
    #expect(zones == [0, 100, wanted - 100])
    test.expectValid()
  }

  @Test(arguments: 0...10)
  func everythingTakenInOneOrderAndGivenBackIsAsBefore(order: Int) throws {
    let test = try TestMachine(ram: Self.threeZones, vmallocPages: 1 << 20)
    test.drainCaches()
    let before = FramesState(test.manager).zones
    let size = UInt64(1) << order
    var blocks: [FrameNumber] = []
    var owned = Set<UInt64>()
    while let block = try? test.manager.allocateFrames(order: order) {
      #expect(block.isAligned(toOrder: order))
      blocks.append(block)
      owned.formUnion(block.rawValue..<block.rawValue + size)
    }
    #expect(UInt64(owned.count) == UInt64(blocks.count) * size, "two blocks share a frame")
    // What is left lies in pieces that are too small.
    for usage in FramesState(test.manager).zones { #expect(usage.largestFreeOrder ?? -1 < order) }
    let used = before.reduce(0) { $0 + $1.used.rawValue } + UInt64(owned.count)
    #expect(test.manager.usedFrames.rawValue == used)
    test.expectValid()
    var random = Randomness(seed: UInt64(order))
    for block in blocks.shuffled(using: &random) { try test.manager.freeFrames(block, order: order) }
    test.drainCaches()
    #expect(FramesState(test.manager).zones == before)
    test.expectValid()
  }

  @Test func blocksMergeAcrossOrders() throws {
    let test = try TestMachine(ram: Self.threeZones, vmallocPages: 1 << 20)
    test.drainCaches()
    let before = FramesState(test.manager).zones
    #expect(before.map(\.largestFreeOrder) == [10, 10, 10])
    // One frame out of each block of the largest order: nothing of that order is left.
    let all = test.takeAllFrames()
    for frame in all where frame % 1024 != 512 { try test.manager.freeFrames(FrameNumber(frame)) }
    test.drainCaches()
    #expect(FramesState(test.manager).zones.map(\.largestFreeOrder) == [9, 9, 9])
    for frame in all where frame % 1024 == 512 { try test.manager.freeFrames(FrameNumber(frame)) }
    test.drainCaches()
    #expect(FramesState(test.manager).zones == before)
    test.expectValid()
  }

  @Test func aBlockIsSplitNoFurtherThanNeeded() throws {
    let test = try TestMachine(
      ram: [RAMRegion(PhysicalAddress(4 * GiB), byteCount: 8 * MiB)], vmallocPages: 1 << 20)
    let start = (4 * GiB) / 4096
    for frame in test.takeAllFrames() where frame < start + 1024 {
      try test.manager.freeFrames(FrameNumber(frame))
    }
    test.drainCaches()
    #expect(test.manager.usage(of: .normal).free == PageCount(1024))
    #expect(test.manager.usage(of: .normal).largestFreeOrder == 10)
    // One block of each order from 3 to 9, and one more of order 3, are all that the block holds.
    var blocks = [(try test.manager.allocateFrames(order: 3), 3)]
    for order in 3...9 {
      #expect(test.manager.usage(of: .normal).largestFreeOrder == 9)
      blocks.append((try test.manager.allocateFrames(order: order), order))
    }
    #expect(test.manager.usage(of: .normal).largestFreeOrder == nil)
    test.expectValid()
    for (block, order) in blocks { try test.manager.freeFrames(block, order: order) }
    test.drainCaches()
    #expect(test.manager.usage(of: .normal).largestFreeOrder == 10)
    test.expectValid()
  }

  @Test func ordersThatDoNotExistAreExhausted() throws {
    let test = try TestMachine()
    for order in [-1, 11, 63, 64, .max, .min] {
      let before = FramesState(test.manager)
      #expect(throws: MemoryError.self) { _ = try test.manager.allocateFrames(order: order) }
      #expect(FramesState(test.manager).zones.map(\.used) == before.zones.map(\.used))
    }
    test.expectValid()
  }
}

// MARK: - The CPU's lists

extension FramesTests {
  /// Some frames in use at first, none on a list; all in one zone.
  private func makeDrained() throws -> TestMachine {
    let test = try TestMachine(
      ram: [RAMRegion(PhysicalAddress(0), byteCount: 8 * MiB)], vmallocPages: 1 << 20)
    test.drainCaches()
    return test
  }

  @Test func singleFramesComeInBatches() throws {
    let test = try makeDrained()
    let before = test.manager.counters
    for count in 1...130 {
      _ = try test.manager.allocateFrames()
      let refills = (count + 63) / 64
      #expect(test.manager.counters.since(before)[.frameCacheRefills] == UInt64(refills))
      #expect(test.manager.usage(of: .dma).cached == PageCount(UInt64(64 * refills - count)))
    }
    #expect(test.manager.counters.since(before)[.frameCacheDrains] == 0)
    test.expectValid()
  }

  @Test func singleFramesGoBackInBatches() throws {
    let test = try makeDrained()
    var frames: [FrameNumber] = []
    try test.manager.allocateFrames(count: 640) { frames.append($0) }
    #expect(test.manager.usage(of: .dma).cached == .zero)
    let before = test.manager.counters
    var cached = 0
    var drains = 0
    for frame in frames {
      try test.manager.freeFrames(frame)
      cached += 1
      if cached > 256 { (cached, drains) = (cached - 64, drains + 1) }
      #expect(test.manager.usage(of: .dma).cached == PageCount(UInt64(cached)))
      #expect(test.manager.counters.since(before)[.frameCacheDrains] == UInt64(drains))
    }
    #expect(drains == 6)
    #expect(test.manager.counters.since(before)[.frameCacheRefills] == 0)
    test.expectValid()
    test.drainCaches()
    #expect(test.manager.counters.since(before)[.frameCacheDrains] == 7)
    #expect(test.manager.usage(of: .dma).cached == .zero)
    test.drainCaches()
    #expect(test.manager.counters.since(before)[.frameCacheDrains] == 7, "nothing was moved")
    test.expectValid()
  }

  @Test(arguments: [1, 4, 8, 9]) func aLargerBlockGoesToItsList(order: Int) throws {
    let test = try makeDrained()
    let block = try test.manager.allocateFrames(order: order)
    try test.manager.freeFrames(block, order: order)
    #expect(test.manager.usage(of: .dma).cached == PageCount(1 << UInt64(order)))
    #expect(try test.manager.allocateFrames(order: order) == block)
    test.expectValid()
  }

  @Test func framesOnAListServeABlockBeforeItFails() throws {
    let test = try makeDrained()
    let frames = test.takeAllFrames()
    // A pair that is on the list, and nothing else free.
    let pair = try #require(frames.first { $0 % 2 == 0 && frames.contains($0 + 1) })
    try test.manager.freeFrames(FrameNumber(pair))
    try test.manager.freeFrames(FrameNumber(pair + 1))
    #expect(test.manager.usage(of: .dma).free == .zero)
    #expect(try test.manager.allocateFrames(order: 1) == FrameNumber(pair))
    test.expectValid()
  }
}

// MARK: - Many single frames

extension FramesTests {
  @Test(arguments: [0, 1, 2, 63, 64, 65, 127, 500, 1024, 1025, 1500])
  func allocatesManyAtOnce(count: Int) throws {
    let test = try makeDrained()
    let before = FramesState(test.manager).zones
    // With an empty list, and with one that holds a part of what is asked for.
    for cached in [0, 40] {
      if cached > 0 { try test.manager.freeFrames(try test.manager.allocateFrames()) }
      var frames: [FrameNumber] = []
      try test.manager.allocateFrames(count: count) { frames.append($0) }
      #expect(frames.count == count)
      #expect(Set(frames).count == count)
      #expect(test.manager.usedFrames.rawValue == before[0].used.rawValue + UInt64(count))
      test.expectValid()
      for frame in frames { try test.manager.freeFrames(frame) }
      test.expectValid()
    }
    test.drainCaches()
    #expect(FramesState(test.manager).zones == before)
  }

  @Test(arguments: [false, true])
  func tooManySayHowManyThereWereAndTakeNone(withCache: Bool) throws {
    let test = try makeDrained()
    if withCache { try test.manager.freeFrames(try test.manager.allocateFrames()) }
    let before = FramesState(test.manager).zones
    let there = before[0].free.rawValue + before[0].cached.rawValue
    let managed = test.manager.frames.managed
    for wanted in [there + 1, managed.rawValue, managed.rawValue + 1, 1 << 40, UInt64(Int.max)] {
      let failures = test.manager.counters[.allocationsFailed]
      // More than there ever are is told without taking any.
      let isHopeless = wanted > managed.rawValue
      let count = PageCount(wanted)
      let expected: MemoryError =
        isHopeless
        ? .sizeTooLarge(pages: count, limit: managed) : .framesExhausted(got: PageCount(there), of: count)
      #expect(throws: expected) {
        try test.manager.allocateFrames(count: Int(wanted)) { _ in Issue.record("a frame was handed out") }
      }
      #expect(test.manager.counters[.allocationsFailed] == failures + 1)
      #expect(test.manager.usedFrames == before[0].used)
      test.expectValid()
    }
    #expect(throws: MemoryError.sizeOverflow) { try test.manager.allocateFrames(count: -1) { _ in } }
    #expect(throws: MemoryError.sizeOverflow) { try test.manager.allocateFrames(count: .min) { _ in } }
    test.drainCaches()
    let after = test.manager.usage(of: .dma)
    #expect(after.free == PageCount(there) && after.largestFreeOrder == before[0].largestFreeOrder)
    // The last one there can be had.
    var count: UInt64 = 0
    try test.manager.allocateFrames(count: Int(there)) { _ in count += 1 }
    #expect(count == there)
    #expect(throws: MemoryError.framesExhausted(got: .zero, of: PageCount(1))) {
      _ = try test.manager.allocateFrames()
    }
    test.expectValid()
  }
}
