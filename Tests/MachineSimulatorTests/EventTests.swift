import CMachine
import KernelMemory
import Testing

@testable import MachineSimulator

/// What may happen to a CPU in the middle of its work: migration, interrupts of devices, NMIs; and CPUs that
/// spin.
@Suite struct EventTests {
  private struct Mistake: Error {}

  private func machine(_ cpuCount: Int) throws -> SimulatedMachine {
    try SimulatedMachine(ram: RAMRegion.pc(byteCount: 64 * KiB), cpuCount: cpuCount)
  }

  /// Reads its CPU's number twice, with interrupts off where that is wanted.
  private func readNumberTwice(withInterruptsOff isOff: Bool) throws -> Program {
    let machine = try machine(2)
    let body = {
      var state: UInt = 1
      if isOff { state = cmachine_interrupts_disable() }
      let number = cmachine_cpu_number()
      Step.entriesWritten.take()
      if !isOff {
        state = cmachine_interrupts_disable()
        cmachine_interrupts_restore(state)
      }
      let again = cmachine_cpu_number()
      if isOff { cmachine_interrupts_restore(state) }
      if number != again { throw Mistake() }
    }
    return Program(machine: machine, cpus: [body, body])
  }

  @Test func aThreadKeepsItsCPUOnlyWhileInterruptsAreOff() throws {
    var scheduler = Scheduler()
    scheduler.migrations = 1
    let report = try scheduler.exhaustive { try readNumberTwice(withInterruptsOff: true) }
    #expect(report.isComplete && report.migrations > 0)
    #expect(throws: ScheduleFailure.self) {
      try scheduler.exhaustive { try readNumberTwice(withInterruptsOff: false) }
    }
    scheduler.migrations = 0
    try scheduler.exhaustive { try readNumberTwice(withInterruptsOff: false) }
  }

  /// In every schedule, whatever is chosen besides.
  @Test func aThreadMovesWheneverInterruptsComeOn() throws {
    var scheduler = Scheduler()
    scheduler.migrations = .max
    scheduler.migrationPoints = StepSet(.interruptsEnabled)
    var seen: Set<[UInt]> = []
    func play() throws -> ScheduleReport {
      try scheduler.exhaustive {
        var numbers: [UInt] = []
        return Program(
          machine: try machine(2),
          cpus: [
            {
              for _ in 0..<3 {
                numbers.append(cmachine_cpu_number())
                cmachine_interrupts_restore(cmachine_interrupts_disable())
              }
              numbers.append(cmachine_cpu_number())
            }
          ]
        ) { seen.insert(numbers) }
      }
    }
    #expect(try play().isComplete)
    #expect(seen.contains([0, 0, 0, 0]) && seen.contains([0, 1, 0, 1]))
    seen = []
    scheduler.alwaysMigrates = true
    let report = try play()
    #expect(report.isComplete && seen == [[0, 1, 0, 1]])
  }

  /// A thread may move to a CPU that is idle, and takes that CPU's interrupts from then on.
  @Test func aThreadMovesToAnIdleCPU() throws {
    var scheduler = Scheduler()
    scheduler.migrations = 1
    var seen: Set<UInt> = []
    try scheduler.exhaustive {
      let machine = try machine(3)
      return Program(
        machine: machine,
        cpus: [
          {
            cmachine_interrupts_restore(cmachine_interrupts_disable())
            seen.insert(cmachine_cpu_number())
          }
        ])
    }
    #expect(seen == [0, 1, 2])
  }

  @Test func anNMIComesAtEveryStepAndWithInterruptsOff() throws {
    var scheduler = Scheduler(points: StepSet())
    scheduler.nmis = 1
    var places: [Int] = []
    let report = try scheduler.exhaustive {
      var done = 0
      var program = Program(
        machine: try machine(1),
        cpus: [
          {
            for _ in 0..<3 {
              Step.entriesWritten.take()
              done += 1
            }
            let state = cmachine_interrupts_disable()
            Step.entriesCleared.take()
            done += 1
            cmachine_interrupts_restore(state)
          }
        ])
      program.onNMI = {
        places.append(done)
        if cmachine_interrupts_are_enabled() { throw Mistake() }
        Step.entriesWritten.take()
      }
      return program
    }
    // At each of the steps, that before the interrupts go off and that after them included; and at the end.
    #expect(report.isComplete)
    #expect(Set(places) == [0, 1, 2, 3, 4])
  }

  /// An NMI that waits for what the CPU that it came to holds hangs, and that is said.
  @Test func anNMIThatWaitsForItsOwnCPUIsADeadlock() throws {
    var scheduler = Scheduler()
    scheduler.nmis = 1
    let failure = #expect(throws: ScheduleFailure.self) {
      try scheduler.exhaustive {
        var isTaken = false
        var program = Program(
          machine: try machine(2),
          cpus: [
            {
              isTaken = true
              Step.entriesWritten.take()
              isTaken = false
            }
          ])
        program.onNMI = { while isTaken { Step.lockWaiting.take() } }
        return program
      }
    }
    guard case .deadlock = failure?.cause else {
      Issue.record("\(failure as Any)")
      return
    }
  }

  /// An NMI that comes while the CPU that it comes to is made to stop, and another one has run meanwhile.
  @Test func anNMIComesWhenACPUGoesOn() throws {
    var scheduler = Scheduler()
    scheduler.nmis = 1
    var seen: Set<Int> = []
    try scheduler.exhaustive(preemptions: 3) {
      var done = 0
      var program = Program(
        machine: try machine(2),
        cpus: [
          { Step.entriesWritten.take() },
          {
            for _ in 0..<2 {
              done += 1
              Step.entriesCleared.take()
            }
          },
        ])
      program.onNMI = { if cmachine_cpu_number() == 0 { seen.insert(done) } }
      return program
    }
    #expect(seen == [0, 1, 2])
  }

  /// On the only CPU nobody is waited for: what waits there makes the steps itself.
  @Test(arguments: [1, 2]) func waitingForOthersWithInterruptsOffIsAViolation(cpuCount: Int) throws {
    let wait = {
      let state = cmachine_interrupts_disable()
      Step.flushWaiting.take()
      cmachine_interrupts_restore(state)
    }
    var failure: ScheduleFailure?
    do throws(ScheduleFailure) {
      try Scheduler().exhaustive {
        Program(machine: try machine(cpuCount), cpus: [wait] + (1..<cpuCount).map { _ in {} })
      }
    } catch { failure = error }
    #expect((failure != nil) == (cpuCount > 1))
    if let failure { #expect("\(failure)".contains("waits for others with interrupts off")) }
  }

  @Test func aDeviceInterruptsOnlyWhereInterruptsAreOn() throws {
    var scheduler = Scheduler()
    scheduler.deviceInterrupts = 1
    var places: Set<Int> = []
    try scheduler.exhaustive {
      var place = 0
      var program = Program(
        machine: try machine(1),
        cpus: [
          {
            Step.entriesWritten.take()
            place = 1
            let state = cmachine_interrupts_disable()
            place = 2
            Step.entriesCleared.take()
            place = 3
            cmachine_interrupts_restore(state)
          }
        ])
      program.onDeviceInterrupt = { places.insert(place) }
      return program
    }
    #expect(places == [0, 3])
  }

  /// A driver's loop that waits for another CPU with nothing but `cmachine_relax`.
  @Test func aSpinningCPULetsOthersRun() throws {
    let report = try Scheduler().exhaustive {
      var isDone = false
      return Program(
        machine: try machine(2),
        cpus: [
          { while !isDone { cmachine_relax() } },
          {
            Step.entriesWritten.take()
            isDone = true
            Step.entriesWritten.take()
          },
        ])
    }
    #expect(report.isComplete && report.schedules >= 3)
  }

  @Test func aCPUThatSpinsForEverIsReported() throws {
    let failure = #expect(throws: ScheduleFailure.self) {
      try Scheduler().exhaustive {
        var isDone = false
        return Program(machine: try machine(1), cpus: [{ while !isDone { cmachine_relax() } }]) {
          isDone = true
        }
      }
    }
    guard case .deadlock(let steps) = failure?.cause else {
      Issue.record("\(failure as Any)")
      return
    }
    #expect(steps == [.relaxed])
  }

  /// A wait of many turns is none for ever.
  @Test func manyTurnsAreNoDeadlock() throws {
    try Scheduler().exhaustive {
      Program(machine: try machine(1), cpus: [{ for _ in 0..<500 { Step.flushWaiting.take() } }])
    }
  }

  @Test func moreThan64WaysToGoOnAreAllTaken() {
    let chooser = DepthFirstChooser(preemptions: nil)
    let options = (0..<70).map { Option(thread: $0, event: .nothing, preemptions: 0) }
    var taken: [Int] = []
    repeat {
      chooser.begin()
      taken.append(chooser.choose(options))
    } while chooser.advance()
    #expect(taken == Array(0..<70))
  }

  @Test func threeHundredCPUsRunAndAreNamed() throws {
    let trace = try Scheduler().replay([]) {
      Program(machine: try machine(300), cpus: (0..<300).map { _ in { Step.entriesWritten.take() } })
    }
    #expect(Set(trace.entries.map(\.cpu)) == Set(0..<300))
  }
}
