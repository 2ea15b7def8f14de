import MachineSimulator

@testable import KernelMemory

/// Programs for two and three CPUs. Each play ends with the checks of its stage; what is thrown says that
/// something is wrong. The ablation tests show that each mistake in the core is seen by one of them.
enum Scenarios {
  /// A stage on which all CPUs know the translation of the first page of a block, in slot 0.
  static func stageWithBlock(_ mode: FreeMode, cpuCount: Int = 2, pages: Int = 1) throws -> (Stage, Block) {
    let stage = try Stage(mode, cpuCount: cpuCount) { stage in
      let block = try stage.allocate(pages)
      stage[0] = block
      for cpu in 0..<cpuCount { try stage.test.simulated.onCPU(cpu) { try stage.peek(block) } }
    }
    guard let block = stage[0] else { throw Mistake("nothing was prepared") }
    return (stage, block)
  }

  /// Two CPUs, two operations: one allocates, touches and frees; the other frees what the first had
  /// allocated before, and allocates.
  static func pairAgainstForeignFree(_ mode: FreeMode) throws -> Play {
    let (stage, old) = try stageWithBlock(mode)
    return Play(
      stage: stage,
      cpus: [
        {
          let block = try stage.allocate()
          try stage.peek(old)
          try stage.peek(block)
          try stage.free(block)
          stage.purgeUnlessStrict()
          try stage.peek(old)
        },
        {
          try stage.free(old)
          stage.purgeUnlessStrict()
          let block = try stage.allocate()
          try stage.peek(block)
          stage.purgeUnlessStrict()
        },
      ])
  }

  /// Two CPUs free at once, and each goes on reading what the other has freed: in strict mode each waits
  /// for the other while the other waits for it.
  static func twoFreesAtOnce(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode) { stage in
      for slot in 0..<2 {
        let block = try stage.allocate()
        stage[slot] = block
        for cpu in 0..<2 { try stage.test.simulated.onCPU(cpu) { try stage.peek(block) } }
      }
    }
    return Play(
      stage: stage,
      cpus: (0..<2).map { cpu in
        {
          guard let mine = stage[cpu], let other = stage[1 - cpu] else { throw Mistake("no blocks") }
          try stage.free(mine)
          stage.purgeUnlessStrict()
          try stage.peek(other)
          try stage.peek(mine)
        }
      })
  }

  /// A CPU reads what another one frees, as long as it can.
  static func readerOfFreedFrame(_ mode: FreeMode) throws -> Play {
    let (stage, block) = try stageWithBlock(mode)
    return Play(
      stage: stage,
      cpus: [
        {
          try stage.free(block)
          stage.purgeUnlessStrict()
        },
        { for _ in 0..<3 { try stage.peek(block) } },
      ])
  }

  /// As `readerOfFreedFrame`, while the area falls asleep, is taken apart by purges, and another takes its
  /// frames.
  static func readerOfSleepingArea(_ mode: FreeMode) throws -> Play {
    let (stage, block) = try stageWithBlock(mode)
    return Play(
      stage: stage,
      cpus: [
        {
          try stage.free(block)
          for _ in 0..<4 { stage.purgeUnlessStrict() }
          _ = try stage.allocate(2)
        },
        { for _ in 0..<3 { try stage.peek(block) } },
      ])
  }

  /// A CPU reads a page that it has not read before, of an area that another one frees: it comes there
  /// through the tables that it has cached.
  static func readerOfEmptiedTable(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode) { stage in
      let block = try stage.allocate(2)
      stage[0] = block
      try stage.test.simulated.onCPU(1) { try stage.peek(block) }
    }
    guard let block = stage[0] else { throw Mistake("nothing was prepared") }
    return Play(
      stage: stage,
      cpus: [
        {
          try stage.free(block)
          stage.purgeUnlessStrict()
          stage.purgeUnlessStrict()
        }, { try stage.peek(block, page: 1) },
      ])
  }

  /// Two CPUs free the same block: one succeeds, and the other is told that it is free.
  static func doubleFree(_ mode: FreeMode, pages: Int = 1) throws -> Play {
    let (stage, block) = try stageWithBlock(mode, pages: pages)
    let before = stage.counters
    let body = {
      let error = stage.tryFree(block)
      try stage.expect(
        error == nil || error == .badFree(.alreadyFree),
        "the free was refused with \(String(describing: error))")
      try stage.peek(block)
      stage.purgeUnlessStrict()
    }
    return Play(stage: stage, cpus: [body, body]) {
      try stage.expect(stage.freed == 1, "\(stage.freed) of two frees of one block succeeded")
      let work = stage.counters.since(before)
      try stage.expect(work[.areasFreed] == 1 && work[.freesRefused] == 1, "the frees are counted wrongly")
    }
  }

  /// Two CPUs free the same block, and one of them gets another one in its place at once: the other's free,
  /// if it had begun before, must not take that for the old one.
  static func freeOfReusedDescriptor(_ mode: FreeMode) throws -> Play {
    let (stage, block) = try stageWithBlock(mode)
    // From here on the address may be somebody else's, and a free that begins is his.
    var isReplaced = false
    return Play(
      stage: stage,
      cpus: [
        { if !isReplaced { _ = stage.tryFree(block) } },
        {
          _ = stage.tryFree(block)
          isReplaced = true
          let other = try stage.allocate()
          try stage.peek(other)
        },
      ]
    ) {
      isReplaced = false
      try stage.expect(stage.freed == 1, "\(stage.freed) frees of one block succeeded")
    }
  }

  /// One CPU allocates, another checks and frees, again and again; both go on reading what is gone.
  static func handingOver(_ mode: FreeMode, rounds: Int = 2) throws -> Play {
    let stage = try Stage(mode)
    return Play(
      stage: stage,
      cpus: [
        {
          var last: Block?
          for round in 0..<rounds {
            let block = try stage.allocate(round + 1)
            if let last { try stage.peek(last) }
            stage[0] = block
            Step.access.take()
            last = block
          }
        },
        {
          for _ in 0..<rounds {
            Step.access.take()
            guard let block = stage.take(0) else { continue }
            try stage.check(block)
            try stage.free(block)
            stage.purgeUnlessStrict()
          }
        },
      ])
  }

  /// A CPU joins while another frees what the new one has a stale translation of.
  static func joiningLate(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode, cpuCount: 3, joined: 2) { stage in
      let block = try stage.allocate()
      stage[0] = block
      for cpu in 0..<3 { try stage.test.simulated.onCPU(cpu) { try stage.peek(block) } }
    }
    guard let block = stage[0] else { throw Mistake("nothing was prepared") }
    return Play(
      stage: stage,
      cpus: [
        {
          try stage.free(block)
          stage.purgeUnlessStrict()
          let other = try stage.allocate()
          try stage.peek(other)
        },
        { try stage.peek(block) },
        {
          stage.test.joinCPU()
          try stage.peek(block)
          let other = try stage.allocate(2)
          try stage.free(other)
        },
      ])
  }
}

extension Stage {
  /// Lets what was freed go on its way, where the free alone does not.
  func purgeUnlessStrict() {
    if mode != .strict { manager.purge() }
  }
}
