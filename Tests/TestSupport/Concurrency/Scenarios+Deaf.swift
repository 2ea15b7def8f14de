import CMachine
import MachineSimulator

@testable import KernelMemory

/// CPUs that are asked for a flush and do not answer for long.
extension Scenarios {
  /// A stage on which CPU 0 is deaf while CPU 1 asks for flushes: first of a page that CPU 0 has read and
  /// that is free when all have flushed, then of others, next to each other, so that all together are few
  /// ranges.
  private static func stageWithDeafCPU(requests: Int) throws -> (Stage, Block) {
    let stage = try Stage(.lazy, cpuCount: 3)
    let (simulated, manager) = (stage.test.simulated, stage.manager)
    let block = try stage.allocate()
    try stage.peek(block)
    let state = cmachine_interrupts_disable()
    try simulated.onCPU(1) {
      try stage.free(block)
      manager.purge()
      manager.cpus.with { cpu in
        for page in 0..<UInt64(requests - 1) {
          _ = manager.quarantine.shootdown.request(ranges(page), cpu)
        }
      }
    }
    cmachine_interrupts_restore(state)
    stage.begin()
    return (stage, block)
  }

  /// A page where no area comes.
  private static func ranges(_ page: UInt64) -> FlushRanges {
    var ranges = FlushRanges()
    let pages = PageRange(TestMachine.vmallocStart.rawValue + (1 << 13) + page, 1)
    ranges.add(pages, .size4K, threshold: PageCount(64))
    return ranges
  }

  /// What CPU 1 has waited for is free, and CPU 0 must not reach it.
  private static func check(_ stage: Stage, _ block: Block) throws {
    // It sleeps, and is taken apart, with no other flush meanwhile.
    let (quarantine, vmalloc) = (stage.manager.quarantine, stage.manager.vmalloc)
    stage.test.simulated.onCPU(1) {
      stage.manager.cpus.with { cpu in
        quarantine.pollFlush(cpu)
        vmalloc.popFlushed(cpu)
        _ = vmalloc.stripAsleep(all: true, limit: .max, cpu)
        _ = quarantine.complete(limit: .max, cpu)
      }
    }
    stage.test.simulated.checkCaches()
    try stage.peek(block)
  }

  /// A CPU answers after so many requests: it must forget what each of them was for.
  static func deafCPU(requests: Int) throws -> Play {
    let (stage, block) = try stageWithDeafCPU(requests: requests)
    return Play(stage: stage, cpus: []) {
      stage.manager.serveFlushes()
      try check(stage, block)
    }
  }

  /// A CPU is in the middle of the package when it is asked for a flush, and an NMI would serve that: whoever
  /// asks would take it for a sign that no walk is under way there.
  static func nmiWhileAsked() throws -> Play {
    let (stage, block) = try stageWithBlock(.lazy)
    let manager = stage.manager
    var play = Play(
      stage: stage,
      cpus: [
        { _ = try stage.allocate(2) },
        {
          try stage.free(block)
          manager.purge()
        },
      ])
    play.rules = {
      $0.nmis = 1
      $0.nmiPoints = StepSet(.entriesWritten)
    }
    play.onNMI = {
      let cpu = manager.cpus.block(SimulatedMachine.currentCPU)
      let (isInside, done) = (cpu.value.progress.isClosed, cpu.value.progress.done)
      manager.serveFlushes()
      try stage.expect(
        !isInside || cpu.value.progress.done == done, "an NMI inside the package has served a flush")
    }
    return play
  }

  /// A CPU that is nearly as far behind as is remembered reads what it was asked for, while others ask for
  /// more.
  static func requestsWhileServing() throws -> Play {
    let (stage, block) = try stageWithDeafCPU(requests: 15)
    let manager = stage.manager
    let request = { (page: UInt64) in
      manager.cpus.with { cpu in _ = manager.quarantine.shootdown.request(ranges(page), cpu) }
    }
    return Play(
      stage: stage, cpus: [{ Step.access.take() }, { request(20) }, { request(21) }],
      atEnd: { try check(stage, block) }, validatesEach: 100)
  }
}
