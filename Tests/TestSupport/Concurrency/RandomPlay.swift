import MachineSimulator

@testable import KernelMemory

/// Random operations on every CPU, from a seed that also chooses who runs when.
enum RandomPlay {
  static func run(_ mode: FreeMode, cpuCount: Int, seed: UInt64, operations: Int = 8) throws {
    let stage = try Stage(mode, cpuCount: cpuCount) { stage in
      for slot in 0..<4 {
        let block = try stage.allocate(slot == 3 ? 65 : slot + 1)
        stage[slot] = block
        for cpu in 0..<cpuCount { try stage.test.simulated.onCPU(cpu) { try stage.peek(block) } }
      }
    }
    let cpus = (0..<cpuCount).map { cpu in
      {
        var random = Randomness(seed: seed &* 256 &+ UInt64(cpu))
        var known: [Block] = (0..<4).compactMap { stage[$0] }
        for _ in 0..<operations { try step(stage, &known, &random) }
      }
    }
    try Play(stage: stage, cpus: cpus, validatesEach: 1).random(seeds: seed..<seed + 1)
  }

  /// Blocks that nobody works with lie in slots; `known` is what this CPU has ever seen, alive or not.
  private static func step(_ stage: Stage, _ known: inout [Block], _ random: inout Randomness) throws {
    let slot = Int(random.below(8))
    switch random.below(12) {
    case 0..<4:
      var options = VmallocOptions()
      if random.oneIn(4) { options.protection = .writableExecutable }
      let pages = random.element(of: [1, 1, 2, 3, 65])
      let block = random.oneIn(3) ? try stage.allocateCleared(pages) : try stage.allocate(pages, options)
      known.append(block)
      if let old = stage.take(slot) { try stage.free(old) }
      stage[slot] = block
    case 4..<7:
      guard let block = stage.take(slot) else { return }
      known.append(block)
      try stage.check(block)
      try stage.free(block)
    case 7..<9 where !known.isEmpty:
      let block = random.element(of: known)
      try stage.peek(block, page: Int(random.below(UInt64(block.pageCount))))
    case 9 where !known.isEmpty:
      let block = random.element(of: known)
      let area = stage.manager.area(containing: block.address)
      let page = block.address.number(.size4K)
      try stage.expect(area.map { $0.spanRange.contains(page) } ?? true, "a look-up found another area")
      _ = stage.manager.frame(at: block.address)
    case 10: stage.manager.purge(budget: 1 + Int(random.below(300)))
    case 11: if random.oneIn(3) { try stage.manager.flushRetired() }
    // The others have taken every block before this CPU came to look.
    default: return
    }
  }
}
