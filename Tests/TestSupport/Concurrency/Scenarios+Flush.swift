import MachineSimulator

@testable import KernelMemory

/// What CPUs wait for: flushes, walkers, drains, each other.
extension Scenarios {
  /// The tables of the only area are freed and filled with what looks like entries, while another CPU, which
  /// has served their flush, makes an area in their place.
  static func freedTables(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode) { stage in stage[0] = try stage.allocate() }
    guard let block = stage[0] else { throw Mistake("nothing was prepared") }
    var taken: [FrameNumber] = []
    return Play(
      stage: stage,
      cpus: [
        {
          taken = []
          try stage.free(block)
          stage.purgeUnlessStrict()
          // Frames of tables are kept apart, for the next tables: these come back with the others.
          let (cpus, frames) = (stage.manager.cpus, stage.manager.frames)
          cpus.attempt(orElse: ()) { frames.drainCaches($0) }
          // All that there are, without asking the other CPU for its own.
          while let frame = cpus.attempt(orElse: nil, { try? frames.allocate(order: 0, .normal, $0) }) {
            taken.append(frame)
          }
          for frame in taken {
            guard let memory = stage.manager.linearAddress(of: frame).pointer else { continue }
            memory.initializeMemory(as: UInt8.self, repeating: 0x81, count: 4096)
          }
          // Enough for the other CPU, with what was written there.
          for _ in 0..<100 { try stage.manager.freeFrames(taken.removeLast()) }
        },
        {
          // In more than one block: its tables are counted with no lock held.
          let other = try stage.allocate(3)
          try stage.peek(other)
        },
      ]
    ) {
      for frame in taken { try stage.manager.freeFrames(frame) }
    }
  }

  /// A CPU joins while another one waits for the drain that it has asked for.
  static func joiningInADrain(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode, joined: 1) { stage in stage[0] = try stage.allocate() }
    return Play(
      stage: stage,
      cpus: [
        { try stage.manager.flushRetired() },
        {
          stage.manager.joinCPU()
          if let block = stage[0] { try stage.peek(block) }
        },
      ])
  }

  /// A CPU leaves, and comes back, while another frees what the first has a translation of.
  static func leaving(_ mode: FreeMode) throws -> Play {
    let (stage, block) = try stageWithBlock(mode)
    return Play(
      stage: stage,
      cpus: [
        {
          try stage.free(block)
          stage.purgeUnlessStrict()
          let other = try stage.allocate()
          try stage.peek(other)
        },
        {
          try stage.manager.leaveCPU()
          stage.manager.joinCPU()
          try stage.peek(block)
        },
      ])
  }

  private static var window: UInt64 { TestMachine.vmallocStart.rawValue + (1 << 20) }

  /// One CPU maps a page by hand, another makes a range that has it: one of them is refused.
  static func mapBesideMakeAreas(_ mode: FreeMode) throws -> Play {
    let (stage, pages) = (try Stage(mode), PageRange(window, 1))
    let manager = stage.manager
    var successes: [String] = []
    return Play(
      stage: stage,
      cpus: [
        {
          do throws(MemoryError) {
            try manager.map(pages, to: outside(0), MappingAttributes(.readWrite))
            successes.append("map")
          } catch {
            try stage.expect(error == .placeTaken(pages.first.address(.size4K)), "map was refused: \(error)")
          }
        },
        {
          do throws(MemoryError) {
            _ = try manager.makeAreas(PageRange(window, 16))
            successes.append("makeAreas")
          } catch {
            try stage.expect(
              error == .alreadyMapped(pages.first.address(.size4K)), "makeAreas was refused: \(error)")
          }
        },
      ]
    ) {
      let done = successes
      successes = []
      try stage.expect(done.count == 1, "these succeeded: \(done)")
      if done == ["map"] { try manager.unmap(pages) }
    }
  }

  /// One CPU unmaps a page where nothing is, another makes a range that has it, and an area there: that
  /// stays.
  static func unmapBesideMakeAreas(_ mode: FreeMode) throws -> Play {
    let (stage, pages) = (try Stage(mode), PageRange(window, 1))
    let manager = stage.manager
    return Play(
      stage: stage,
      cpus: [
        {
          do throws(MemoryError) {
            try manager.unmap(pages)
          } catch {
            try stage.expect(
              error == .placeTaken(pages.first.address(.size4K)), "unmap was refused: \(error)")
          }
        },
        {
          var options = VmallocOptions()
          options.areas = try manager.makeAreas(PageRange(window, 16))
          options.address = pages.first.address(.size4K)
          let block = try stage.allocate(1, options)
          try stage.check(block)
        },
      ])
  }

  /// Both CPUs leave: one is the last, and stays.
  static func leavingBoth(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode)
    var left: [Int] = []
    return Play(
      stage: stage,
      cpus: (0..<2).map { cpu in
        {
          do throws(MemoryError) {
            try stage.manager.leaveCPU()
            left.append(cpu)
          } catch {
            try stage.expect(error == .wrongContext, "leaving was refused with \(error)")
          }
        }
      }
    ) {
      let gone = left
      left = []
      for cpu in gone { stage.test.simulated.onCPU(cpu) { stage.manager.joinCPU() } }
      try stage.expect(gone.count == 1, "the CPUs \(gone) have left")
    }
  }

  /// Two CPUs map the same page.
  static func mapBesideMap(_ mode: FreeMode) throws -> Play {
    let (stage, pages) = (try Stage(mode), PageRange(window, 1))
    let manager = stage.manager
    var successes: [UInt64] = []
    return Play(
      stage: stage,
      cpus: (0..<2).map { cpu in
        {
          do throws(MemoryError) {
            try manager.map(pages, to: outside(UInt64(cpu)), MappingAttributes(.readWrite))
            successes.append(UInt64(cpu))
          } catch {
            try stage.expect(
              error == .alreadyMapped(pages.first.address(.size4K)), "map was refused: \(error)")
          }
        }
      }
    ) {
      let done = successes
      successes = []
      try stage.expect(done.count == 1, "the maps of CPUs \(done) succeeded")
      let mapping = manager.mapping(at: pages.first.address(.size4K))
      try stage.expect(mapping?.frame == outside(done[0]), "another frame is mapped: \(mapping as Any)")
      try manager.unmap(pages)
    }
  }

  /// A page that another CPU unmaps is mapped again, to another frame, which is reached then, or that is
  /// refused.
  static func mapBesideUnmap(_ mode: FreeMode) throws -> Play {
    let pages = PageRange(window, 1)
    let address = pages.first.address(.size4K)
    var frames: [FrameNumber] = []
    let stage = try Stage(mode) { stage in
      try stage.manager.allocateFrames(count: 2) { frames.append($0) }
      for (index, frame) in frames.enumerated() {
        try stage.test.simulated.store(UInt64(index + 1), at: stage.manager.linearAddress(of: frame))
      }
      try stage.manager.map(pages, to: frames[0], MappingAttributes(.readWrite))
      for cpu in 0..<2 { _ = try stage.test.simulated.load(UInt64.self, at: address, cpu: cpu) }
    }
    let manager = stage.manager
    return Play(
      stage: stage,
      cpus: [
        { try manager.unmap(pages) },
        {
          do throws(MemoryError) {
            try manager.map(pages, to: frames[1], MappingAttributes(.readWrite))
          } catch {
            try stage.expect(error == .alreadyMapped(address), "map was refused: \(error)")
            return
          }
          let value = try stage.test.simulated.load(UInt64.self, at: address)
          try stage.expect(value == 2, "the frame that was mapped before is reached")
        },
      ]
    ) {
      try manager.unmap(pages)
      for frame in frames { try manager.freeFrames(frame) }
    }
  }

  /// Two CPUs unmap ranges that overlap, and one maps a page of them again.
  static func unmapBesideUnmap(_ mode: FreeMode) throws -> Play {
    var block = FrameNumber(0)
    let stage = try Stage(mode) { stage in
      block = try stage.manager.allocateFrames(order: 2)
      for index in 0..<4 {
        let frame = FrameNumber(block.rawValue + UInt64(index))
        try stage.test.simulated.store(UInt64(index), at: stage.manager.linearAddress(of: frame))
      }
      try stage.manager.map(PageRange(window, 3), to: block, MappingAttributes(.readWrite))
      for page in 0..<3 { for cpu in 0..<2 { _ = stage.word(window + UInt64(page), cpu) } }
    }
    let manager = stage.manager
    return Play(
      stage: stage,
      cpus: [
        {
          try manager.unmap(PageRange(window, 2))
          try stage.expect(stage.word(window, 0) == nil, "what is unmapped is reached")
        },
        {
          try manager.unmap(PageRange(window + 1, 2))
          try stage.expect(stage.word(window + 1, 1) == nil, "what is unmapped is reached")
          let last = FrameNumber(block.rawValue + 3)
          try manager.map(PageRange(window + 1, 1), to: last, MappingAttributes(.readWrite))
          try stage.expect(stage.word(window + 1, 1) == 3, "an old frame is reached")
        },
      ]
    ) {
      try manager.unmap(PageRange(window, 3))
      try manager.freeFrames(block, order: 2)
    }
  }

  /// A frame that is no RAM, as a device's registers are: nobody owns it.
  private static func outside(_ number: UInt64) -> FrameNumber { FrameNumber((1 << 28) + number) }
}

extension Stage {
  /// What a CPU reads in a page through its TLB; nil where that faults.
  fileprivate func word(_ page: UInt64, _ cpu: Int) -> UInt64? {
    try? test.simulated.load(UInt64.self, at: PageNumber(page).address(.size4K), cpu: cpu)
  }
}
