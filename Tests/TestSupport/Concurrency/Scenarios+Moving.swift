import MachineSimulator

@testable import KernelMemory

/// Callers that are moved to other CPUs, wherever their interrupts are on, while they wait for a flush: what
/// they have waited for is none of the CPU's that they come to.
extension Scenarios {
  /// Callers of anything.
  static func movingCallers(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode) { stage in
      for slot in 0..<2 { stage[slot] = try stage.allocate() }
    }
    let body = { (slot: Int) in
      {
        if let block = stage.take(slot) { try stage.free(block) }
        stage.purgeUnlessStrict()
        let block = try stage.allocate()
        try stage.check(block)
      }
    }
    return moving(Play(stage: stage, cpus: [body(0), body(1)], validatesEach: 1))
  }

  /// A free: whoever it returns to reaches nothing of the block, on any CPU.
  static func movingFree(_ mode: FreeMode) throws -> Play {
    let (stage, block) = try stageWithBlock(mode)
    return moving(
      Play(
        stage: stage,
        cpus: [
          {
            try stage.free(block)
            try stage.peek(block)
          }, { try stage.peek(block) },
        ]))
  }

  /// An unmap by hand: when it returns no CPU reaches the frame. The page behind stays, so that no table is
  /// given back, whose flush would be one for the page as well.
  static func movingUnmap(_ mode: FreeMode) throws -> Play {
    let window = TestMachine.vmallocStart.rawValue + (1 << 20)
    let pages = PageRange(window, 1)
    var borrowed: FrameNumber?
    let stage = try Stage(mode) { stage in
      let frame = try stage.manager.allocateFrames(order: 1)
      borrowed = frame
      try stage.manager.map(PageRange(window, 2), to: frame, MappingAttributes(.readWrite))
      try stage.expectReached(pages, true)
    }
    guard let borrowed else { throw Mistake("nothing was prepared") }
    let manager = stage.manager
    var play = moving(
      Play(
        stage: stage,
        cpus: [
          {
            try manager.unmap(pages)
            try stage.expectReached(pages, false)
          }, { Step.access.take() },
        ]))
    play.atEnd = {
      try manager.unmap(PageRange(window, 2))
      try manager.freeFrames(borrowed, order: 1)
    }
    return play
  }

  /// The same of `vunmap`, which promises it in strict mode.
  static func movingVunmap(_ mode: FreeMode) throws -> Play {
    var borrowed: [FrameNumber] = []
    var mapped: UnsafeMutableRawPointer?
    let stage = try Stage(mode) { stage in
      borrowed = [try stage.manager.allocateFrames()]
      let pointer = try borrowed.withUnsafeBufferPointer { try stage.manager.vmap($0) }
      mapped = pointer
      try stage.expectReached(PageRange(VirtualAddress(pointer).number(.size4K).rawValue, 1), true)
    }
    guard let mapped else { throw Mistake("nothing was prepared") }
    let (manager, frames) = (stage.manager, borrowed)
    let pages = PageRange(VirtualAddress(mapped).number(.size4K).rawValue, 1)
    var play = moving(
      Play(
        stage: stage,
        cpus: [
          {
            try manager.vunmap(mapped)
            if mode == .strict { try stage.expectReached(pages, false) }
          }, { Step.access.take() },
        ]))
    play.atEnd = {
      try manager.flushRetired()
      for frame in frames { try manager.freeFrames(frame) }
    }
    // What was borrowed is none of the stage's.
    play.checksWork = false
    return play
  }

  private static func moving(_ play: Play) -> Play {
    var play = play
    play.rules = { $0.migrations = 1 }
    return play
  }
}

extension Stage {
  /// Whether each CPU reaches the first of `pages` is as it should be.
  fileprivate func expectReached(_ pages: PageRange, _ isReached: Bool) throws {
    let address = pages.first.address(.size4K)
    for cpu in 0..<manager.cpus.count {
      let word = try? test.simulated.load(UInt64.self, at: address, cpu: cpu)
      try expect((word != nil) == isReached, "CPU \(cpu) reaches \(address): \(word != nil)")
    }
  }
}
