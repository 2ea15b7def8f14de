import MachineSimulator

@testable import KernelMemory

/// Areas of other kinds than a few base pages that are freed and forgotten: large leaves, those that sleep,
/// and frames that are borrowed.
extension Scenarios {
  /// An area of a whole large leaf is freed, and another taken, while a second CPU reads the first and has
  /// one of its own.
  static func largeLeaves(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode, pages: 4096) { stage in
      let block = try stage.allocate(512)
      stage[0] = block
      for cpu in 0..<2 { try stage.test.simulated.onCPU(cpu) { try stage.peek(block) } }
    }
    guard let old = stage[0], stage.manager.mapping(at: old.address)?.pages.count == PageCount(512) else {
      throw Mistake("no large leaf was prepared")
    }
    return Play(
      stage: stage,
      cpus: [
        {
          try stage.free(old)
          stage.purgeUnlessStrict()
          let block = try stage.allocate(512)
          try stage.check(block)
          try stage.peek(old, page: 511)
          if mode != .strict { try stage.manager.flushRetired() }
        },
        {
          try stage.peek(old, page: 300)
          let block = try stage.allocate(512)
          try stage.peek(old, page: 7)
          try stage.check(block)
          try stage.free(block)
          try stage.peek(old)
        },
      ])
  }

  /// An area falls asleep and is woken, while another CPU reads it, drains everything, and does the same.
  static func wakingBesideADrain(_ mode: FreeMode) throws -> Play {
    let (stage, old) = try stageWithBlock(mode, pages: 2)
    return Play(
      stage: stage,
      cpus: [
        {
          try stage.free(old)
          for _ in 0..<2 { stage.purgeUnlessStrict() }
          let block = try stage.allocate(2)
          try stage.check(block)
          try stage.free(block)
          stage.purgeUnlessStrict()
        },
        {
          try stage.peek(old)
          let block = try stage.allocate(2)
          try stage.free(block)
          try stage.manager.flushRetired()
          try stage.peek(old, page: 1)
          try stage.peek(block)
          try stage.check(try stage.allocate(2))
        },
      ])
  }

  /// Two CPUs map the same frames, each in its own order, and write to one of them.
  static func vmapBesideVmap(_ mode: FreeMode) throws -> Play {
    var borrowed: [FrameNumber] = []
    let stage = try Stage(mode) { stage in
      try stage.manager.allocateFrames(count: 2) { borrowed.append($0) }
    }
    let (manager, frames) = (stage.manager, borrowed)
    let body = { (cpu: Int) in
      {
        for round in UInt64(0)..<2 {
          let order = cpu == 0 ? frames : frames.reversed()
          let pointer = try order.withUnsafeBufferPointer { try manager.vmap($0) }
          let word = UInt64(cpu) << 32 + round + 1
          try stage.test.simulated.store(word, at: VirtualAddress(pointer))
          let found = try stage.test.simulated.load(UInt64.self, at: VirtualAddress(pointer))
          try stage.expect(found == word, "CPU \(cpu) has written \(word), and reads \(found)")
          try manager.vunmap(pointer)
          stage.purgeUnlessStrict()
        }
      }
    }
    var play = Play(stage: stage, cpus: [body(0), body(1)])
    play.atEnd = {
      try manager.flushRetired()
      for (cpu, frame) in frames.enumerated() {
        let word = manager.linearAddress(of: frame).pointer?.load(as: UInt64.self)
        try stage.expect(word == UInt64(cpu) << 32 + 2, "CPU \(cpu)'s word is not in its frame")
        try manager.freeFrames(frame)
      }
    }
    // What was borrowed is none of the stage's.
    play.checksWork = false
    return play
  }

  /// Two CPUs unmap one mapping; the one that has done it maps the frame again, at the same address mostly.
  /// The other's unmap, if it had begun before, must not take that for the old one.
  static func unmapOfReusedMapping(_ mode: FreeMode) throws -> Play {
    var prepared: (frame: FrameNumber, pointer: UnsafeMutableRawPointer)?
    let stage = try Stage(mode) { stage in
      let frame = try stage.manager.allocateFrames()
      prepared = (frame, try [frame].withUnsafeBufferPointer { try stage.manager.vmap($0) })
    }
    guard let prepared else { throw Mistake("nothing was prepared") }
    let manager = stage.manager
    // From here on the address may be somebody else's, and an unmap that begins is his.
    var isReplaced = false
    var unmapped = 0
    var second: UnsafeMutableRawPointer?
    let unmap = { if (try? manager.vunmap(prepared.pointer)) != nil { unmapped += 1 } }
    var play = Play(
      stage: stage,
      cpus: [
        { if !isReplaced { unmap() } },
        {
          unmap()
          isReplaced = true
          for _ in 0..<2 { stage.purgeUnlessStrict() }
          let pointer = try [prepared.frame].withUnsafeBufferPointer { try manager.vmap($0) }
          second = pointer
          if let fault = stage.test.fault(.read, at: VirtualAddress(pointer)) { throw fault }
        },
      ])
    play.atEnd = {
      try stage.expect(unmapped == 1, "\(unmapped) unmaps of one mapping succeeded")
      if let fault = stage.test.fault(.read, at: VirtualAddress(second ?? prepared.pointer)) { throw fault }
      try manager.vunmap(second)
      try manager.flushRetired()
      try manager.freeFrames(prepared.frame)
      (isReplaced, unmapped, second) = (false, 0, nil)
    }
    play.checksWork = false
    return play
  }

  /// A borrowed frame is taken back and becomes somebody's page, while another CPU reads where it was mapped.
  static func readerOfBorrowedFrame(_ mode: FreeMode) throws -> Play {
    var borrowed: FrameNumber?
    var mapped: UnsafeMutableRawPointer?
    let stage = try Stage(mode) { stage in
      let frame = try stage.manager.allocateFrames()
      let pointer = try [frame].withUnsafeBufferPointer { try stage.manager.vmap($0) }
      (borrowed, mapped) = (frame, pointer)
      for cpu in 0..<2 {
        _ = try stage.test.simulated.load(UInt64.self, at: VirtualAddress(pointer), cpu: cpu)
      }
    }
    guard let borrowed, let mapped else { throw Mistake("nothing was prepared") }
    let manager = stage.manager
    var play = Play(
      stage: stage,
      cpus: [
        {
          try manager.vunmap(mapped)
          if mode != .strict { try manager.flushRetired() }
          try manager.freeFrames(borrowed)
          try stage.check(try stage.allocate())
        },
        {
          for _ in 0..<3 {
            // Only that the frame is nobody's, which the machine sees by itself, would be wrong.
            if let fault = stage.test.fault(.read, at: VirtualAddress(mapped)) {
              try stage.expect(fault.cause == .notPresent, "a read of what was borrowed: \(fault)")
            }
          }
        },
      ])
    play.checksWork = false
    return play
  }

  /// Callers of anything that change CPUs each time their interrupts come on.
  static func callersThatNeverStay(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode) { stage in
      for slot in 0..<3 { stage[slot] = try stage.allocate(slot == 2 ? 65 : slot + 1) }
    }
    let body = { (slots: [Int]) in
      {
        for slot in slots {
          if let block = stage.take(slot) { try stage.free(block) }
          let block = try stage.allocate(slot + 1)
          try stage.check(block)
          stage.purgeUnlessStrict()
          stage[slot] = block
        }
      }
    }
    var play = Play(stage: stage, cpus: [body([0, 2]), body([1, 0])], validatesEach: 1)
    play.rules = {
      $0.migrations = .max
      $0.alwaysMigrates = true
      $0.migrationPoints = StepSet(.interruptsEnabled)
    }
    return play
  }
}
