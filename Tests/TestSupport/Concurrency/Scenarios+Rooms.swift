import MachineSimulator

@testable import KernelMemory

/// What CPUs do to the same room at once: areas, tables, frames.
extension Scenarios {
  /// A CPU takes a block of frames while another one frees the block's buddy: the two must not merge.
  static func buddiesComeAndGo(_ mode: FreeMode) throws -> Play {
    // A CPU's list has one of these, so that the second free goes to the zone.
    let order = 6
    var held: [FrameNumber] = []
    let stage = try Stage(mode) { stage in
      var blocks: [UInt64] = []
      while blocks.count < 3 || blocks[blocks.count - 1] ^ blocks[blocks.count - 2] != 1 << order {
        blocks.append(try stage.manager.allocateFrames(order: order).rawValue)
      }
      held = blocks.suffix(3).map { FrameNumber($0) }
      for block in blocks.dropLast(3) { try stage.manager.freeFrames(FrameNumber(block), order: order) }
      stage.test.drainCaches()
    }
    let (other, first, second) = (held[0], held[1], held[2])
    return Play(
      stage: stage,
      cpus: [
        {
          let frame = try stage.manager.allocateFrames(order: order)
          try stage.manager.freeFrames(frame, order: order)
          try stage.manager.freeFrames(second, order: order)
        },
        {
          try stage.manager.freeFrames(other, order: order)
          try stage.manager.freeFrames(first, order: order)
        },
      ], validatesEach: 1)
  }

  /// Look-ups without a lock, while the area goes and another one comes to be behind the same descriptor,
  /// which has the page that is asked for as well.
  static func lookUpsOfReusedDescriptor(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode) { stage in
      // What lies between the first and the second, by their addresses, is given back.
      let blocks = try [3, 1, 1].map { try stage.allocate($0) }.sorted { $0.address < $1.address }
      for (slot, block) in blocks.enumerated() { stage[slot] = block }
      try stage.free(blocks[0])
      try stage.manager.flushRetired()
      stage[0] = nil
    }
    guard let block = stage[1], let area = stage.manager.area(containing: block.address) else {
      throw Mistake("nothing was prepared")
    }
    let oldFrame = stage.manager.frame(at: block.address)
    let first = VirtualAddress(block.address.rawValue - 4 * 4096)
    var newFrame: FrameNumber?
    var found: [FrameNumber] = []
    return Play(
      stage: stage,
      cpus: [
        {
          newFrame = nil
          found = []
          for _ in 0..<2 {
            if let frame = stage.manager.frame(at: block.address) { found.append(frame) }
            guard let seen = stage.manager.area(containing: block.address), seen != area else { continue }
            try stage.expect(
              seen.address == first && seen.byteCount == 5 * 4096 - 1 && seen.pages.count == PageCount(5),
              "an area was found that never was: \(seen)")
          }
        },
        {
          try stage.free(block)
          if mode != .strict { try stage.manager.flushRetired() }
          var options = VmallocOptions()
          options.address = first
          options.guardPages = 0
          let pointer = try stage.manager.vmalloc(5 * 4096 - 1, options)
          newFrame = stage.manager.frame(at: block.address)
          stage[3] = Block(pointer: pointer, pageCount: 5, firstWord: 0)
        },
      ]
    ) {
      for frame in found {
        try stage.expect(frame == oldFrame || frame == newFrame, "frame \(frame) was never behind the page")
      }
      if let block = stage.take(3) { try stage.free(block) }
    }
  }

  /// Look-ups without a lock where an area comes to be: they find nothing, or all of it.
  static func lookUpsOfNewArea(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode)
    let manager = stage.manager
    let address = TestMachine.vmallocStart.address(.size4K)
    return Play(
      stage: stage,
      cpus: [
        {
          for _ in 0..<2 {
            Step.access.take()
            guard let seen = manager.area(containing: address) else { continue }
            try stage.expect(
              seen.address == address && seen.byteCount == 4095 && seen.guardPages == PageCount(3),
              "an area was found that never was: \(seen)")
          }
        },
        {
          var options = VmallocOptions()
          options.address = address
          options.guardPages = 3
          stage[0] = Block(pointer: try manager.vmalloc(4095, options), pageCount: 1, firstWord: 0)
        },
      ]
    ) { if let block = stage.take(0) { try stage.free(block) } }
  }

  /// A mapping by hand goes while its neighbour in the same table comes.
  static func unmapAgainstMap(_ mode: FreeMode) throws -> Play {
    // Below the same entry of the root as the areas, whose table stays, but behind them.
    let window = TestMachine.vmallocStart.rawValue + (1 << 20)
    var frames: [FrameNumber] = []
    let stage = try Stage(mode) { stage in
      try stage.manager.allocateFrames(count: 2) { frames.append($0) }
      try stage.manager.map(PageRange(window, 1), to: frames[0], MappingAttributes(.readWrite))
      for cpu in 0..<2 {
        _ = try stage.test.simulated.load(UInt64.self, at: VirtualAddress(window << 12), cpu: cpu)
      }
    }
    let manager = stage.manager
    let (old, new) = (VirtualAddress(window << 12), VirtualAddress((window + 1) << 12))
    return Play(
      stage: stage,
      cpus: [
        {
          try manager.unmap(PageRange(window, 1))
          let fault = stage.test.fault(.read, at: old)
          try stage.expect(fault?.cause == .notPresent, "what is unmapped does not fault: \(fault as Any)")
        },
        {
          try manager.map(PageRange(window + 1, 1), to: frames[1], MappingAttributes(.readWrite))
          if let fault = stage.test.fault(.read, at: new) { throw fault }
        },
      ]
    ) {
      for cpu in 0..<2 {
        try stage.test.simulated.onCPU(cpu) {
          let fault = stage.test.fault(.read, at: old)
          try stage.expect(fault?.cause == .notPresent, "CPU \(cpu) reaches what is unmapped")
          if let fault = stage.test.fault(.read, at: new) { throw fault }
        }
      }
      try manager.unmap(PageRange(window + 1, 1))
      for frame in frames { try manager.freeFrames(frame) }
    }
  }

  /// Both CPUs need what the other one keeps, and there is enough for both.
  static func shortage(_ mode: FreeMode) throws -> Play {
    var held: [FrameNumber] = []
    let stage = try Stage(mode) { stage in
      for cpu in 0..<2 {
        stage[cpu] = try stage.test.simulated.onCPU(cpu) { try stage.allocate(40) }
      }
      try stage.manager.flushRetired()
      let spare = 20
      try stage.manager.allocateFrames(count: Int(stage.test.framesLeft) - spare) { held.append($0) }
    }
    var failures = 0
    return Play(
      stage: stage,
      cpus: (0..<2).map { cpu in
        {
          if cpu == 0 { failures = 0 }
          guard let block = stage[cpu] else { throw Mistake("no block") }
          try stage.free(block)
          do {
            let other = try stage.allocate(44)
            try stage.check(other)
          } catch let error as MemoryError {
            // What the other one has taken and gives back, since it is short itself, is missed meanwhile.
            switch error {
            case .framesExhausted, .tablesExhausted: failures += 1
            default: throw error
            }
          }
        }
      }
    ) {
      try stage.expect(failures < 2, "both allocations failed")
      for frame in held { try stage.manager.freeFrames(frame) }
    }
  }

  /// A large area, which a free only queues, on its way through the purges of one CPU, while the other reads
  /// it, and allocates and frees itself.
  static func purgeAgainstFree(_ mode: FreeMode) throws -> Play {
    let (stage, large) = try stageWithBlock(mode, pages: 70)
    return Play(
      stage: stage,
      cpus: [
        {
          try stage.free(large)
          for _ in 0..<4 { stage.manager.purge(budget: 40) }
        },
        {
          try stage.peek(large)
          let block = try stage.allocate(66)
          try stage.peek(large, page: 69)
          try stage.free(block)
          stage.purgeUnlessStrict()
          try stage.peek(block, page: 65)
        },
      ])
  }

  /// An area of one protection, and then one of another.
  static func otherProtection(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode)
    return Play(
      stage: stage,
      cpus: [
        {
          try stage.free(try stage.allocate())
          var options = VmallocOptions()
          options.protection = .readOnly
          let pointer = try stage.manager.vmalloc(4096, options)
          let fault = stage.test.fault(.write, at: VirtualAddress(pointer))
          try stage.expect(
            fault?.cause == .writeToReadOnly, "a write to what is read-only got \(String(describing: fault))")
          try stage.free(Block(pointer: pointer, pageCount: 1, firstWord: 0))
        }
      ])
  }

  /// An area that was written to, and then one that is asked for cleared.
  static func clearedAfterDirty(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode)
    return Play(
      stage: stage,
      cpus: [
        {
          try stage.free(try stage.allocate(3))
          try stage.free(try stage.allocateCleared(3))
        }
      ])
  }

  /// Areas side by side, with their guards.
  static func guards(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode)
    return Play(
      stage: stage,
      cpus: [
        {
          let blocks = try (1...3).map { try stage.allocate($0) }
          for block in blocks { try stage.check(block) }
        }
      ])
  }

  /// Three CPUs, an operation each.
  static func threeOperations(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode, cpuCount: 3) { stage in
      for slot in 0..<2 {
        let block = try stage.allocate()
        stage[slot] = block
        for cpu in 0..<3 { try stage.test.simulated.onCPU(cpu) { try stage.peek(block) } }
      }
    }
    guard let one = stage[0], let two = stage[1] else { throw Mistake("nothing was prepared") }
    return Play(
      stage: stage,
      cpus: [
        {
          try stage.free(one)
          stage.purgeUnlessStrict()
        },
        {
          try stage.free(two)
          stage.purgeUnlessStrict()
        },
        {
          let block = try stage.allocate()
          try stage.peek(one)
          try stage.peek(two)
          try stage.peek(block)
        },
      ])
  }
}
