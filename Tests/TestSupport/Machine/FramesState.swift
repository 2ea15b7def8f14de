import Testing

@testable import KernelMemory

/// What a refusal must leave as it was: the use of every zone, and every counter but those of refusals.
struct FramesState: Equatable {
  let zones: [ZoneUsage]
  let counters: [UInt64]

  init(_ manager: MemoryManager) {
    zones = [.dma, .dma32, .normal].map { manager.usage(of: $0) }
    let counters = manager.counters
    self.counters = (0..<Counter.count).compactMap { Counter(rawValue: $0) }
      .filter { $0 != .allocationsFailed && $0 != .freesRefused }
      .map { counters[$0] }
  }
}

extension TestMachine {
  /// Allocates single frames until there are none.
  func takeAllFrames(zone: ZoneKind = .normal) -> [UInt64] {
    var frames: [UInt64] = []
    while let frame = try? manager.allocateFrames(zone: zone) { frames.append(frame.rawValue) }
    return frames
  }

  /// Empties the CPU's lists into the zones.
  func drainCaches() { manager.cpus.with { cpu in manager.frames.drainCaches(cpu) } }

  /// Expects that a free is refused for this reason, and that nothing but the count of refusals changes.
  func expectRefusal(
    _ reason: BadFree, freeing frame: FrameNumber, order: Int = 0,
    _ location: SourceLocation = #_sourceLocation
  ) {
    let before = FramesState(manager)
    let refused = manager.counters[.freesRefused]
    #expect(throws: MemoryError.badFree(reason), sourceLocation: location) {
      try manager.freeFrames(frame, order: order)
    }
    #expect(FramesState(manager) == before, sourceLocation: location)
    #expect(manager.counters[.freesRefused] == refused + 1, sourceLocation: location)
    expectValid(location)
  }
}
