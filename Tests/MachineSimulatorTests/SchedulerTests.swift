import CMachine
import KernelMemory
import Testing

@testable import MachineSimulator

/// Toy programs, written against the machine alone, whose mistakes and numbers of runs are known.
@Suite struct SchedulerTests {
  struct Mistake: Error, Equatable { var text: String }

  final class Word { var value = 0 }

  /// CPUs that take that many steps each, and note who took them.
  private func program(
    steps: [Int], cpuCount: Int? = nil, order: @escaping ([Int]) -> Void = { _ in }
  ) throws -> Program {
    let machine = try SimulatedMachine(
      ram: RAMRegion.pc(byteCount: 64 * KiB), cpuCount: cpuCount ?? steps.count)
    var taken: [Int] = []
    let cpus = steps.enumerated().map { cpu, count in
      {
        for _ in 0..<count {
          taken.append(cpu)
          Step.entriesWritten.take()
        }
        taken.append(cpu)
      }
    }
    return Program(machine: machine, cpus: cpus) { order(taken) }
  }

  /// A lock as the core has it, and the reason why one is needed: a load and a store with a step in
  /// between.
  private final class Lock {
    private var isTaken = false

    func acquire() {
      Step.lockWanted.take()
      while isTaken { Step.lockWaiting.take() }
      isTaken = true
    }

    func release() {
      isTaken = false
      Step.lockReleased.take()
    }
  }

  private func increments(cpus: Int, lock: Lock?) throws -> Program {
    let machine = try SimulatedMachine(ram: RAMRegion.pc(byteCount: 64 * KiB), cpuCount: cpus)
    let word = Word()
    let body: () throws -> Void = {
      lock?.acquire()
      let value = word.value
      Step.entriesWritten.take()
      word.value = value + 1
      lock?.release()
    }
    return Program(machine: machine, cpus: Array(repeating: body, count: cpus)) {
      if word.value != cpus { throw Mistake(text: "\(word.value) of \(cpus)") }
    }
  }

  private func failure(_ body: () throws(ScheduleFailure) -> Void) -> ScheduleFailure? {
    do throws(ScheduleFailure) { try body() } catch { return error }
    return nil
  }

  // MARK: numbers of runs

  /// With n steps a CPU runs in n + 1 stretches; the runs are the ways to merge them.
  @Test(arguments: [
    ([0], 1), ([5], 1), ([0, 0], 2), ([1, 1], 6), ([2, 1], 10), ([3, 3], 70), ([5, 5], 924), ([6, 7], 6435),
    ([0, 0, 0], 6), ([1, 1, 1], 90), ([2, 2, 2], 1680),
  ])
  func everyOrderIsRunOnce(steps: [Int], expected: Int) throws {
    var orders: Set<[Int]> = []
    let report = try Scheduler().exhaustive { try program(steps: steps) { orders.insert($0) } }
    #expect(report.schedules == expected)
    #expect(orders.count == expected)
    #expect(report.isComplete)
    // A start, the steps, and the end of each CPU.
    #expect(report.mostSteps == steps.reduce(0) { $0 + $1 + 2 })
  }

  /// Counts the ways to merge stretches with at most so many switches away from a CPU that is not done.
  private func merges(_ left: [Int], after last: Int?, preemptions: Int) -> Int {
    if left.allSatisfy({ $0 == 0 }) { return 1 }
    var sum = 0
    for cpu in left.indices where left[cpu] > 0 {
      let isPreemption = last.map { $0 != cpu && left[$0] > 0 } ?? false
      if isPreemption && preemptions == 0 { continue }
      var rest = left
      rest[cpu] -= 1
      sum += merges(rest, after: cpu, preemptions: preemptions - (isPreemption ? 1 : 0))
    }
    return sum
  }

  @Test(arguments: [[3, 3], [6, 2], [2, 2, 2], [10, 10]], 0...3)
  func preemptionsBoundTheRuns(steps: [Int], preemptions: Int) throws {
    let expected = merges(steps.map { $0 + 1 }, after: nil, preemptions: preemptions)
    let report = try Scheduler().exhaustive(preemptions: preemptions) { try program(steps: steps) }
    #expect(report.schedules == expected)
  }

  @Test func idleCPUsAddNoRuns() throws {
    let report = try Scheduler().exhaustive { try program(steps: [2, 2], cpuCount: 5) }
    #expect(report.schedules == 20)
  }

  @Test func onlyThePointsAreSwitchedAt() throws {
    var scheduler = Scheduler(points: StepSet(.framesFreed))
    #expect(try scheduler.exhaustive { try program(steps: [4, 4]) }.schedules == 2)
    scheduler.points = StepSet(.framesFreed, .entriesWritten)
    #expect(try scheduler.exhaustive { try program(steps: [4, 4]) }.schedules == 252)
  }

  @Test func aLimitStopsEarlyAndSaysSo() throws {
    let report = try Scheduler().exhaustive(atMost: 100) { try program(steps: [5, 5]) }
    #expect(report.schedules == 100)
    #expect(!report.isComplete)
    #expect(try Scheduler().exhaustive(atMost: 924) { try program(steps: [5, 5]) }.isComplete)
  }

  // MARK: planted mistakes

  @Test func findsALostUpdate() throws {
    let found = try #require(
      failure { () throws(ScheduleFailure) in
        try Scheduler().exhaustive { try increments(cpus: 2, lock: nil) }
      })
    guard case .failed(cpu: nil, let error) = found.cause else {
      Issue.record("\(found)")
      return
    }
    #expect(error as? Mistake == Mistake(text: "1 of 2"))
    // It takes a preemption, and so is not found without.
    #expect(try Scheduler().exhaustive(preemptions: 0) { try increments(cpus: 2, lock: nil) }.schedules == 2)
    #expect(throws: ScheduleFailure.self) {
      try Scheduler().exhaustive(preemptions: 1) { try increments(cpus: 2, lock: nil) }
    }
    #expect(throws: ScheduleFailure.self) {
      try Scheduler().replay(found.choices) { try increments(cpus: 2, lock: nil) }
    }
  }

  @Test(arguments: [2, 3]) func findsNoneWithALock(cpus: Int) throws {
    let report = try Scheduler().exhaustive { try increments(cpus: cpus, lock: Lock()) }
    #expect(report.isComplete)
    #expect(report.schedules > 10)
  }

  @Test func randomRunsFindALostUpdateAndItsSeedShowsItAgain() throws {
    let found = try #require(
      failure { () throws(ScheduleFailure) in
        try Scheduler().random(seeds: 0..<1000) { try increments(cpus: 3, lock: nil) }
      })
    let seed = try #require(found.seed)
    #expect("\(found)".contains("seed \(seed)"))
    let again = try #require(
      failure { () throws(ScheduleFailure) in
        try Scheduler().replay(seed: seed) { try increments(cpus: 3, lock: nil) }
      })
    #expect(again.trace == found.trace)
    #expect(again.choices == found.choices)
    let byChoices = try #require(
      failure { () throws(ScheduleFailure) in
        try Scheduler().replay(found.choices) { try increments(cpus: 3, lock: nil) }
      })
    #expect(byChoices.trace == found.trace)
  }

  @Test func seedsDiffer() throws {
    let traces = try (0..<50).map { seed in
      try Scheduler().replay(seed: seed) { try program(steps: [5, 5]) }
    }
    #expect(Set(traces.map { $0.entries.map(\.cpu) }).count > 20)
    for seed in 0..<50 {
      #expect(try Scheduler().replay(seed: UInt64(seed)) { try program(steps: [5, 5]) } == traces[seed])
    }
  }

  private func twoLocks(inOrder: Bool) throws -> Program {
    let machine = try SimulatedMachine(ram: RAMRegion.pc(byteCount: 64 * KiB), cpuCount: 2)
    let (first, second) = (Lock(), Lock())
    func both(_ one: Lock, _ other: Lock) {
      one.acquire()
      other.acquire()
      other.release()
      one.release()
    }
    return Program(
      machine: machine,
      cpus: [{ both(first, second) }, { if inOrder { both(first, second) } else { both(second, first) } }])
  }

  @Test func findsADeadlock() throws {
    let found = try #require(
      failure { () throws(ScheduleFailure) in
        try Scheduler().exhaustive { try twoLocks(inOrder: false) }
      })
    guard case .deadlock(let steps) = found.cause else {
      Issue.record("\(found)")
      return
    }
    #expect(steps == [.lockWaiting, .lockWaiting])
    #expect("\(found)".contains("lock waiting"))
    #expect(try Scheduler().exhaustive { try twoLocks(inOrder: true) }.isComplete)
  }

  /// What is waited for need not be a lock: somebody who waits for a plain word is asked again.
  @Test func waitingForAWordIsNoDeadlock() throws {
    let report = try Scheduler().exhaustive {
      let machine = try SimulatedMachine(ram: RAMRegion.pc(byteCount: 64 * KiB), cpuCount: 2)
      let word = Word()
      return Program(
        machine: machine,
        cpus: [
          { while word.value == 0 { Step.lockWaiting.take() } },
          {
            Step.entriesWritten.take()
            word.value = 1
            while word.value == 1 { Step.flushWaiting.take(); word.value += 1 }
          },
        ])
    }
    #expect(report.schedules >= 3)
  }

  @Test func aProgramWithoutEndFails() throws {
    var scheduler = Scheduler()
    scheduler.stepLimit = 1000
    let found = try #require(
      failure { () throws(ScheduleFailure) in
        try scheduler.exhaustive {
          let machine = try SimulatedMachine(ram: RAMRegion.pc(byteCount: 64 * KiB))
          return Program(machine: machine, cpus: [{ while true { Step.entriesWritten.take() } }])
        }
      })
    guard case .stepLimit = found.cause else {
      Issue.record("\(found)")
      return
    }
  }

  @Test func endingWithInterruptsOffFails() throws {
    let found = try #require(
      failure { () throws(ScheduleFailure) in
        try Scheduler().exhaustive {
          let machine = try SimulatedMachine(ram: RAMRegion.pc(byteCount: 64 * KiB), cpuCount: 2)
          return Program(machine: machine, cpus: [{}, { _ = cmachine_interrupts_disable() }])
        }
      })
    guard case .interruptsOff(cpu: 1) = found.cause else {
      Issue.record("\(found)")
      return
    }
  }

  @Test func aProgramThatDependsOnSomethingElseIsNoticed() throws {
    var runs = 0
    let found = try #require(
      failure { () throws(ScheduleFailure) in
        try Scheduler().exhaustive {
          runs += 1
          return try program(steps: [runs == 2 ? 0 : 2, 2])
        }
      })
    guard case .notDeterministic = found.cause else {
      Issue.record("\(found)")
      return
    }
  }

  @Test func eachClosurePlaysItsCPU() throws {
    try Scheduler().random(seeds: 0..<20) {
      let machine = try SimulatedMachine(ram: RAMRegion.pc(byteCount: 64 * KiB), cpuCount: 4)
      let cpus = (0..<4).map { cpu in
        {
          for _ in 0..<4 {
            guard SimulatedMachine.currentCPU == cpu else { throw Mistake(text: "CPU") }
            Step.entriesWritten.take()
          }
        }
      }
      return Program(machine: machine, cpus: cpus)
    }
  }

  /// The numbers are those of the C header, whatever is added to it.
  @Test func stepsAreNamed() {
    #expect(Step.rangeFreed.number == UInt8(cmachine_step_range_freed.rawValue))
    #expect("\(Step.rangeFreed)" == "range freed")
    #expect("\(Step.flushWaiting)" == "flush waiting")
    #expect("\(Step.access)" == "access")
    #expect("\(Step.interrupt)" == "interrupt")
  }
}
