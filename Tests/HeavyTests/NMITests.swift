import CMachine
import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// An NMI cannot be kept off: it may come at any step of the package, and call any public function. Each
/// refuses, or does what it is asked, at once; none hangs, and what was interrupted goes on as if nothing had
/// been.
@Suite struct NMITests {
  /// Calls everything that changes something: with `wrongContext` where the package is interrupted, and else
  /// as ever. What is got is given back.
  private static func changeThings(_ stage: Stage, _ live: Block) throws {
    let manager = stage.manager
    func attempt(_ body: () throws(MemoryError) -> Void) throws {
      do throws(MemoryError) { try body() } catch {
        switch error {
        case .wrongContext, .wouldWait: return
        default: throw error
        }
      }
    }
    try attempt { () throws(MemoryError) in try manager.vfree(try manager.vmalloc(4096)) }
    try attempt { () throws(MemoryError) in try manager.vfree(try manager.vmalloc(70 * 4096)) }
    try attempt { () throws(MemoryError) in try manager.vfree(try manager.vzalloc(4096)) }
    try attempt { () throws(MemoryError) in try manager.kfree(try manager.kmalloc(40)) }
    try attempt { () throws(MemoryError) in try manager.kvfree(try manager.kvmalloc(100 << 10)) }
    try attempt { () throws(MemoryError) in try manager.freeFrames(try manager.allocateFrames()) }
    try attempt { () throws(MemoryError) in
      try manager.freeFrames(try manager.allocateFrames(order: 3), order: 3)
    }
    try attempt { () throws(MemoryError) in try manager.flushRetired() }
    manager.purge()
    manager.serveFlushes()
    // A second free, and one of what was never allocated, are refused either way.
    for address in [live.address.rawValue + 8, 0x1000] {
      guard let pointer = stage.test.pointer(address) else { continue }
      #expect(throws: MemoryError.self) { try manager.vfree(pointer) }
      #expect(throws: MemoryError.self) { try manager.kfree(pointer) }
    }
  }

  /// Asks everything that is answered without a lock.
  private static func ask(_ stage: Stage, _ live: Block) throws {
    let manager = stage.manager
    try stage.expect(
      manager.area(containing: live.address)?.address == live.address, "a live area is not found")
    try stage.expect(manager.frame(at: live.address) != nil, "the frame of a live area is not found")
    try stage.expect(manager.mapping(at: live.address) != nil, "the mapping of a live area is not found")
    _ = manager.counters
    _ = manager.usage(of: .untagged)
    _ = manager.contains(live.address)
  }

  /// What is interrupted.
  private static func work(_ stage: Stage) throws {
    let manager = stage.manager
    let block = try stage.allocate(3)
    let large = try stage.allocate(70)
    let object = try manager.kmalloc(24)
    let frame = try manager.allocateFrames(order: 1)
    try stage.check(block)
    try manager.kfree(object)
    try manager.freeFrames(frame, order: 1)
    try stage.free(block)
    try stage.free(large)
    for _ in 0..<3 { manager.purge(budget: 40) }
    try manager.flushRetired()
  }

  @Test(arguments: FreeMode.all, [0, 1]) func anNMIAtEachStep(mode: FreeMode, kind: Int) throws {
    let stage = try Stage(mode, cpuCount: 1, pages: 2048) { stage in stage[0] = try stage.allocate() }
    guard let live = stage[0] else { throw Mistake("nothing was prepared") }
    var play = Play(stage: stage, cpus: [{ try Self.work(stage) }], validatesEach: 16)
    play.rules = { $0.nmis = 1 }
    play.onNMI = { try kind == 0 ? Self.changeThings(stage, live) : Self.ask(stage, live) }
    play.checksWork = false
    let report = try play.exhaustive(at: StepSet())
    print("NMIs, \(mode): \(report)")
    #expect(report.isComplete && report.schedules > 80)
  }

  /// Whatever looks something up without a lock counts on it that this CPU serves no flush meanwhile.
  @Test func aLookUpServesNoFlush() throws {
    let stage = try Stage(.lazy) { stage in stage[0] = try stage.allocate() }
    let manager = stage.manager
    guard let block = stage[0], let area = manager.area(containing: block.address) else {
      throw Mistake("nothing was prepared")
    }
    var looks = 0
    var play = Play(
      stage: stage,
      cpus: [
        {
          // Deaf, so that what CPU 1 asks for stays to be served.
          let state = cmachine_interrupts_disable()
          defer { cmachine_interrupts_restore(state) }
          Step.access.take()
          try stage.expect(manager.frame(at: block.address) != nil, "a live page has no frame")
          try stage.expect(manager.mapping(at: block.address) != nil, "a live page has no mapping")
          try stage.expect(manager.area(containing: block.address) == area, "a live area is not found")
          try stage.expect(manager.generation(of: block.address) != 0, "a live area has no life")
        },
        {
          var ranges = FlushRanges()
          ranges.addEverything()
          manager.cpus.with { cpu in _ = manager.quarantine.shootdown.request(ranges, cpu) }
        },
      ])
    play.rules = {
      $0.nmis = 1
      $0.nmiPoints = StepSet(.entryFound, .areaFound)
    }
    play.onNMI = {
      looks += 1
      let progress = { manager.cpus.block(SimulatedMachine.currentCPU).value.progress.done }
      let before = progress()
      manager.serveFlushes()
      try stage.expect(progress() == before, "a flush was served in the middle of a look-up")
    }
    let report = try play.exhaustive(at: StepSet(.access), preemptions: 2)
    #expect(report.isComplete && looks >= 4)
  }

  /// A device's handler allocates and frees wherever interrupts are on.
  @Test(arguments: FreeMode.all) func aHandlerThatAllocates(mode: FreeMode) throws {
    let stage = try Stage(mode, cpuCount: 1, pages: 2048)
    var play = Play(stage: stage, cpus: [{ try Self.work(stage) }], validatesEach: 4)
    play.rules = { $0.deviceInterrupts = 2 }
    play.onDeviceInterrupt = {
      let block = try stage.allocate(2)
      try stage.check(block)
      try stage.free(block)
    }
    let report = try play.exhaustive(at: StepSet(.interruptsEnabled), atMost: 300)
    #expect(report.schedules > 20)
  }
}
