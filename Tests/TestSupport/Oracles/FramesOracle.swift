import MachineSimulator
import Testing

@testable import KernelMemory

private let MiB: UInt64 = 1 << 20

/// Random operations on page frames, against a dictionary of the blocks that are held.
struct FramesOracle {
  let test: TestMachine
  var random: Randomness
  /// Blocks held, by first frame, with their order.
  var held: [UInt64: Int] = [:]
  /// Every frame of them.
  var frames = Set<UInt64>()
  let atFirst: [ZoneUsage]

  init(seed: UInt64) throws {
    // The zones of DMA and DMA32 meet in the middle of the larger bank.
    test = try TestMachine(
      ram: [
        RAMRegion(PhysicalAddress(0), byteCount: MiB),
        RAMRegion(PhysicalAddress(14 * MiB), byteCount: 5 * MiB),
      ], vmallocPages: 1 << 20)
    test.drainCaches()
    atFirst = FramesState(test.manager).zones
    random = Randomness(seed: seed)
  }

  /// Runs that many operations, and frees everything at the end.
  mutating func run(steps: Int) throws {
    for step in 0..<steps {
      try self.step()
      let problem = problem
      try #require(problem == nil, "step \(step): \(problem ?? "")")
    }
    try freeEverything()
    #expect(problem == nil)
    test.expectValid()
  }

  /// Frames that could be had from `zone` and lower ones.
  func available(_ zone: ZoneKind) -> UInt64 {
    FramesState(test.manager).zones[...Int(zone.rawValue)]
      .reduce(0) { $0 + $1.free.rawValue + $1.cached.rawValue }
  }

  mutating func step() throws {
    switch random.below(16) {
    case 0..<6: try allocateBlock()
    case 6, 7: try allocateMany()
    case 8..<14: try freeOne()
    case 14: refuseSome()
    default: test.drainCaches()
    }
    // Now and then nearly nothing is left, or nearly nothing taken.
    if random.oneIn(60) { try freeEverything() }
  }

  mutating func allocateBlock() throws {
    let order = Int(random.below(random.oneIn(3) ? 11 : 4))
    let zone = random.element(of: [ZoneKind.dma, .dma32, .normal])
    do {
      let block = try test.manager.allocateFrames(order: order, zone: zone)
      take(block.rawValue, order, zone)
    } catch MemoryError.framesExhausted {
      if order == 0 { #expect(available(zone) == 0, "a frame was refused that is there") }
    } catch MemoryError.sizeTooLarge(let pages, let limit) {
      #expect(pages == PageCount(1 << UInt64(order)) && limit == test.manager.frames.managed(in: zone))
      #expect(pages > limit)
    }
  }

  mutating func allocateMany() throws {
    let count = random.below(random.oneIn(5) ? 3000 : 200)
    let zone = random.element(of: [ZoneKind.dma, .dma32, .normal])
    let there = available(zone)
    var got: [UInt64] = []
    do {
      try test.manager.allocateFrames(count: Int(count), zone: zone) { got.append($0.rawValue) }
      #expect(UInt64(got.count) == count)
      for frame in got { take(frame, 0, zone) }
    } catch {
      let managed = test.manager.frames.managed(in: zone)
      #expect(
        error
          == (count > managed.rawValue
            ? .sizeTooLarge(pages: PageCount(count), limit: managed)
            : .framesExhausted(got: PageCount(there), of: PageCount(count))))
      #expect(got.isEmpty && there < count)
    }
  }

  mutating func take(_ first: UInt64, _ order: Int, _ zone: ZoneKind) {
    let end = first + UInt64(1) << order
    #expect(FrameNumber(first).isAligned(toOrder: order))
    #expect(ZoneKind(of: FrameNumber(end - 1).address(.size4K)).rawValue <= zone.rawValue)
    for frame in first..<end {
      #expect(frames.insert(frame).inserted, "frame \(frame) was handed out twice")
    }
    held[first] = order
  }

  mutating func freeOne() throws {
    guard let first = held.keys.sorted().randomElement(using: &random), let order = held[first] else {
      return
    }
    try free(first, order)
  }

  mutating func free(_ first: UInt64, _ order: Int) throws {
    try test.manager.freeFrames(FrameNumber(first), order: order)
    held[first] = nil
    for frame in first..<first + UInt64(1) << order { frames.remove(frame) }
  }

  mutating func freeEverything() throws {
    for (first, order) in held.sorted(by: { $0.key < $1.key }).shuffled(using: &random) {
      try free(first, order)
    }
    test.drainCaches()
    #expect(FramesState(test.manager).zones == atFirst, "freeing everything does not restore the blocks")
  }

  /// Frees that are wrong: of whatever nobody holds, or with an order that is not the block's.
  mutating func refuseSome() {
    for _ in 0..<20 {
      let frame = random.oneIn(2) ? random.below(5120) : 3584 + random.below(1280)
      let order = Int(random.below(11))
      if held[frame] == order { continue }
      let before = FramesState(test.manager)
      #expect(throws: MemoryError.self) { try test.manager.freeFrames(FrameNumber(frame), order: order) }
      #expect(FramesState(test.manager) == before)
    }
  }

  var problem: String? {
    if let problem = test.manager.frames.validate(retired: 0) { return "\(problem)" }
    let used = atFirst.reduce(0) { $0 + $1.used.rawValue } + UInt64(frames.count)
    return test.manager.usedFrames.rawValue == used ? nil : "the frames in use are not those held"
  }
}
