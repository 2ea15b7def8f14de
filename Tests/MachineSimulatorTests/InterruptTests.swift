import CMachine
import KernelMemory
import Testing

@testable import MachineSimulator

/// Interrupts between CPUs, and flushes made of them, without the core.
@Suite struct InterruptTests {
  struct Mistake: Error { var text: String }

  /// A flush of one page on two CPUs, as small as it can be, with the mistakes that one can make.
  final class ToyFlush {
    enum Mode: CaseIterable { case right, noFlush, localOnly, noWait }

    let tables: Tables
    let mode: Mode
    var confirmed = false
    var freed = false

    init(_ mode: Mode, cpuCount: Int = 2) throws {
      self.mode = mode
      tables = try Tables(cpuCount: cpuCount)
      tables.map(highAddress, to: GiB)
      tables.machine.onNotify = { [unowned self] _ in serve() }
      tables.machine.isFrameFree = { [unowned self] in
        freed && $0 == PhysicalAddress(GiB).number(.size4K)
      }
    }

    private func flush() {
      let machine = tables.machine.machine
      machine.flush(machine.context, nil, 0)
    }

    func serve() {
      Step.flushBegun.take()
      flush()
      confirmed = true
      Step.flushConfirmed.take()
    }

    /// CPU 0: unmaps the page and frees its frame.
    func free() {
      tables[physical: tables.entry(1, for: highAddress)] = 0
      Step.entriesCleared.take()
      if mode != .noFlush {
        flush()
        if mode != .localOnly {
          tables.machine.notify(1)
          Step.flushRequested.take()
          while mode != .noWait && !confirmed { Step.flushWaiting.take() }
        }
      }
      freed = true
      Step.framesFreed.take()
    }

    /// CPU 1: uses the page; it may be gone, but nobody else's frame may be reached.
    func use() throws {
      for _ in 0..<3 {
        do throws(Fault) {
          _ = try tables.machine.load(UInt64.self, at: VirtualAddress(highAddress))
        } catch {
          if error.cause != .notPresent { throw error }
        }
      }
    }

    var program: Program {
      Program(machine: tables.machine, cpus: [{ self.free() }, { try self.use() }])
    }
  }

  @Test(arguments: ToyFlush.Mode.allCases) func staleTranslationsAreFound(mode: ToyFlush.Mode) throws {
    do {
      let report = try Scheduler().exhaustive { try ToyFlush(mode).program }
      #expect(mode == .right)
      #expect(report.isComplete)
      #expect(report.schedules > 20)
      #expect(report.interrupts == report.schedules)
    } catch {
      #expect(mode != .right)
      guard case .failed(cpu: 1, let found) = error.cause else {
        Issue.record("\(error)")
        return
      }
      // By an access, or, where there is none behind it, by a look at what is cached.
      #expect(found is Violation || (found as? Fault)?.cause == .freedFrame)
    }
  }

  @Test(arguments: ToyFlush.Mode.allCases) func randomRunsFindThemToo(mode: ToyFlush.Mode) throws {
    if mode == .right {
      try Scheduler().random(seeds: 0..<300) { try ToyFlush(mode).program }
    } else {
      #expect(throws: ScheduleFailure.self) {
        try Scheduler().random(seeds: 0..<300) { try ToyFlush(mode).program }
      }
    }
  }

  /// Three CPUs each want the other two to flush, and serve their own interrupts while they wait.
  @Test(arguments: [true, false]) func waitingWithInterruptsOffIsADeadlock(interruptsOn: Bool) throws {
    func make() throws -> Program {
      let machine = try SimulatedMachine(ram: RAMRegion.pc(byteCount: 64 * KiB), cpuCount: 3)
      var served = [Int](repeating: 0, count: 3)
      machine.onNotify = { cpu in
        served[cpu] += 1
        Step.flushConfirmed.take()
      }
      let cpus = (0..<3).map { cpu in
        {
          let others = (0..<3).filter { $0 != cpu }
          let before = others.map { served[$0] }
          let state = cmachine_interrupts_disable()
          for other in others { machine.notify(other) }
          if interruptsOn { cmachine_interrupts_restore(state) }
          while zip(others, before).contains(where: { served[$0] == $1 }) { Step.flushWaiting.take() }
          if !interruptsOn { cmachine_interrupts_restore(state) }
        }
      }
      return Program(machine: machine, cpus: cpus)
    }
    do {
      try Scheduler().random(seeds: 0..<200, make)
      #expect(try Scheduler().exhaustive(preemptions: 1, make).isComplete)
      #expect(interruptsOn)
    } catch {
      // That it waits is said at once, before it is seen that nobody goes on.
      guard case .failed(_, let found) = error.cause else {
        Issue.record("\(error)")
        return
      }
      #expect(!interruptsOn)
      #expect(found is Violation)
    }
  }

  /// CPU 1 is notified while its interrupts are off, again and again.
  @Test func interruptsComeOnlyWhereTheyAreOn() throws {
    var took: Set<Int> = []
    let report = try Scheduler().exhaustive {
      let machine = try SimulatedMachine(ram: RAMRegion.pc(byteCount: 64 * KiB), cpuCount: 2)
      var place = 0
      var wrong: String?
      machine.onNotify = { cpu in
        took.insert(place)
        if cpu != 1 || SimulatedMachine.currentCPU != 1 { wrong = "on CPU \(cpu)" }
        if cmachine_interrupts_are_enabled() { wrong = "with interrupts on" }
        if place == 2 || place == 3 { wrong = "at place \(place)" }
        Step.flushConfirmed.take()
      }
      return Program(
        machine: machine,
        cpus: [
          { machine.notify(1) },
          {
            place = 1
            Step.entriesWritten.take()
            let state = cmachine_interrupts_disable()
            place = 2
            Step.entriesWritten.take()
            place = 3
            Step.lockWaiting.take()
            cmachine_interrupts_restore(0)
            place = 4
            cmachine_interrupts_restore(state)
            place = 5
            Step.entriesWritten.take()
            place = 6
          },
        ]
      ) {
        if let wrong { throw Mistake(text: wrong) }
        if machine.counters.interrupts != 1 { throw Mistake(text: "\(machine.counters.interrupts) taken") }
      }
    }
    // Before the first instruction, at each step with interrupts on, and when idle.
    #expect(took == [0, 1, 4, 5, 6])
    #expect(report.interrupts == report.schedules)
  }

  @Test func notificationsThatArePendingAreOne() throws {
    let machine = try SimulatedMachine(ram: RAMRegion.pc(byteCount: 64 * KiB), cpuCount: 2)
    var taken = 0
    machine.onNotify = { _ in taken += 1 }
    try Scheduler().exhaustive(atMost: 1) {
      Program(machine: machine, cpus: [{ for _ in 0..<5 { machine.notify(1) } }])
    }
    #expect(taken == 1)
    #expect(machine.counters.notifications == 5)
    #expect(machine.counters.interrupts == 1)
  }

  /// Without a scheduler, the thread that notifies plays the CPUs that it notifies.
  @Test func oneThreadPlaysAllCPUs() throws {
    let tables = try Tables(cpuCount: 3)
    tables.map(highAddress, to: GiB)
    let machine = tables.machine.machine
    var confirmed: [Int] = []
    tables.machine.onNotify = { cpu in
      machine.flush(machine.context, nil, 0)
      confirmed.append(cpu)
    }
    for cpu in 0..<3 { #expect(tables.machine.cause(.read, highAddress, cpu: cpu) == nil) }
    tables[physical: tables.entry(1, for: highAddress)] = 0
    let notify = try #require(machine.notify)
    tables.machine.onCPU(1) {
      #expect(SimulatedMachine.currentCPU == 1)
      machine.flush(machine.context, nil, 0)
      notify(machine.context, 0)
      notify(machine.context, 2)
      #expect(SimulatedMachine.currentCPU == 1)
    }
    #expect(SimulatedMachine.currentCPU == 0)
    #expect(confirmed == [0, 2])
    for cpu in 0..<3 { #expect(tables.machine.cause(.read, highAddress, cpu: cpu) == .notPresent) }
  }

  @Test func aMachineWithOneCPUNotifiesNobody() throws {
    let machine = try SimulatedMachine(ram: RAMRegion.pc(byteCount: 64 * KiB))
    #expect(machine.machine.notify == nil)
  }

  @Test func notifyingACPUThatIsNotThereStopsTheMachine() async {
    await #expect(processExitsWith: .signal(6)) {
      let machine = try SimulatedMachine(ram: RAMRegion.pc(byteCount: 64 * KiB), cpuCount: 2)
      machine.machine.notify?(machine.machine.context, 2)
    }
  }

  /// What stops the machine in the middle of a run says how to come there again.
  @Test func aFatalErrorSaysWhichRunItWas() async throws {
    let result = try await #require(
      processExitsWith: .signal(6), observing: [\.standardErrorContent]
    ) {
      try Scheduler().replay(seed: 4711) {
        let machine = try SimulatedMachine(ram: RAMRegion.pc(byteCount: 64 * KiB), cpuCount: 2)
        return Program(
          machine: machine,
          cpus: [{ Step.framesFreed.take() }, { machine.machine.fatal(machine.machine.context, "broken") }])
      }
    }
    let message = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(message.contains("SimulatedMachine: broken\n"))
    #expect(message.contains("seed 4711; choices ["))
  }

  // MARK: all CPUs at once

  @Test func freeRunsFlushEachOther() throws {
    let cpuCount = 4
    let tables = try Tables(cpuCount: cpuCount)
    let pages = (0..<UInt64(cpuCount)).map { highAddress + 4096 * $0 }
    for page in pages { tables.map(page, to: GiB + (page - highAddress)) }
    let machine = tables.machine.machine
    let served = Counts(cpuCount)
    tables.machine.onNotify = { cpu in
      machine.flush(machine.context, nil, 0)
      served.add(cpu)
    }
    let cpus = (0..<cpuCount).map { cpu in
      {
        for round in 1...200 {
          let others = (0..<cpuCount).filter { $0 != cpu }
          let page = VirtualAddress(pages[cpu])
          try tables.machine.store(UInt64(round), at: page)
          let value: UInt64 = try tables.machine.load(at: page)
          if value != UInt64(round) { throw Mistake(text: "\(value) instead of \(round)") }
          let before = others.map { served[$0] }
          for other in others { machine.notify?(machine.context, UInt32(other)) }
          while zip(others, before).contains(where: { served[$0] == $1 }) { Step.flushWaiting.take() }
        }
      }
    }
    try tables.machine.runFreely(cpus, seed: 1)
    #expect(tables.machine.counters.notifications == UInt64(200 * cpuCount * (cpuCount - 1)))
    #expect(tables.machine.counters.interrupts >= 200)
    for cpu in 0..<cpuCount { #expect(!tables.machine.isNotified(cpu)) }
  }

  @Test func freeRunsThrowWhatACPUThrows() throws {
    let machine = try SimulatedMachine(ram: RAMRegion.pc(byteCount: 64 * KiB), cpuCount: 3)
    #expect(throws: Mistake.self) {
      try machine.runFreely([{}, { throw Mistake(text: "here") }])
    }
  }
}
