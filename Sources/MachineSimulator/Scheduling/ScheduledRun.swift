@unsafe @preconcurrency internal import CMachine  // its variables are one a thread

/// One run of a program. Whoever's turn it is uses this alone.
final class ScheduledRun: StepHandler {
  /// Where a CPU is while others run.
  private struct Player {
    enum State {
      case ready, waiting, idle
    }
    var state = State.ready
    var step = Step.start
    var hasStarted = false
    var interruptsAreOn = true
    /// What had happened when it was found that it must wait.
    var seen: UInt64 = 0
    /// Whether its pending interrupt is on its way for longer.
    var interruptIsLate = false
    /// The choice for its next turn.
    var takesInterrupt = false
  }

  private enum Next {
    case turn(Int)
    case end
    case stuck(ScheduleFailure.Cause)
  }

  var failure: ScheduleFailure.Cause?
  /// Whether threads are left in the middle of the program.
  private(set) var isStuck = false
  private(set) var trace = ScheduleTrace()
  private(set) var interrupts = 0
  private(set) var choiceCount = 0

  private let machine: SimulatedMachine
  private let bodies: [() throws -> Void]
  private let chooser: any Chooser
  private let points: StepSet
  private let stepLimit: Int
  private let crew: Crew
  private let seed: UInt64?
  private var players: [Player]
  private var options: [Option] = []
  /// How often a lock was released, and a flush confirmed or an interrupt served; both count every end of
  /// a program.
  private var locksReleased: UInt64 = 0
  private var flushesConfirmed: UInt64 = 0
  /// Turns of waiting CPUs without a reason, since the last step that was not a wait.
  private var idleTurns = 0

  /// How many turns each CPU gets without a reason before it is a deadlock.
  private static let idleTurnsPerCPU = 16

  init(
    _ program: Program, _ chooser: any Chooser, points: StepSet, stepLimit: Int, crew: Crew, seed: UInt64?
  ) {
    machine = program.machine
    bodies = program.cpus
    self.chooser = chooser
    self.points = points
    self.stepLimit = stepLimit
    self.crew = crew
    self.seed = seed
    players = Array(repeating: Player(), count: machine.cpus.count)
    for cpu in bodies.count..<machine.cpus.count {
      players[cpu].state = .idle
      players[cpu].step = .idle
    }
  }

  override var history: String {
    "in a run" + scheduleDescription(seed: seed, choices: chooser.choices, trace)
  }

  override func take(_ step: Step) { reach(step) }

  /// Runs the program on the threads of the crew until all CPUs are idle, or nobody can go on.
  func runToEnd() {
    guard case .turn(let cpu) = next(after: nil) else { return }
    crew.begin(self, with: cpu)
  }
}

// MARK: on the threads of the CPUs

extension ScheduledRun {
  /// A turn of a CPU that has not started, or is idle.
  func resume(_ cpu: Int) {
    play(cpu)
    if !players[cpu].hasStarted { start(cpu) } else { takeInterruptIfChosen(cpu) }
    // Idle: others have their turns, until all is done or there is an interrupt for this CPU.
    while true {
      // Again each time, since the handler of an interrupt has steps of its own.
      players[cpu].state = .idle
      players[cpu].step = .idle
      players[cpu].interruptsAreOn = true
      switch next(after: cpu) {
      case .turn(cpu): takeInterruptIfChosen(cpu)
      case .turn(let other):
        crew.turns[other].signal()
        return
      case .end:
        crew.end.signal()
        return
      case .stuck(let cause):
        giveUp(cause)
        return
      }
    }
  }

  private func start(_ cpu: Int) {
    players[cpu].hasStarted = true
    note(cpu, .start)
    takeInterruptIfChosen(cpu)
    guard cpu < bodies.count else { return }
    do { try bodies[cpu]() } catch { fail(.failed(cpu: cpu, error)) }
    if !cmachine_interrupts_are_enabled() {
      fail(.interruptsOff(cpu: cpu))
      cmachine_interrupts_enabled = 1
    }
    note(cpu, .idle)
    locksReleased += 1
    flushesConfirmed += 1
  }

  private func reach(_ step: Step) {
    let cpu = SimulatedMachine.currentCPU
    note(cpu, step)
    let interruptsAreOn = cmachine_interrupts_are_enabled()
    guard step.isWaiting || points.contains(step) || (interruptsAreOn && machine.isNotified(cpu)) else {
      return
    }
    players[cpu].state = step.isWaiting ? .waiting : .ready
    players[cpu].step = step
    players[cpu].interruptsAreOn = interruptsAreOn
    players[cpu].seen = happened(step)
    switch next(after: cpu) {
    case .turn(cpu): break
    case .turn(let other):
      crew.turns[other].signal()
      crew.turns[cpu].wait()
    case .end: stop("a run ended in the middle of a program")
    case .stuck(let cause):
      giveUp(cause)
      while true { crew.turns[cpu].wait() }
    }
    takeInterruptIfChosen(cpu)
  }

  private func takeInterruptIfChosen(_ cpu: Int) {
    guard players[cpu].takesInterrupt else { return }
    players[cpu].takesInterrupt = false
    players[cpu].interruptIsLate = false
    interrupts += 1
    note(cpu, .interrupt)
    machine.takeInterrupt()
    flushesConfirmed += 1
  }

  private func note(_ cpu: Int, _ step: Step) {
    trace.entries.append(ScheduleTrace.Entry(cpu: UInt8(cpu), step: step))
    if step == .lockReleased { locksReleased += 1 }
    if step == .flushConfirmed { flushesConfirmed += 1 }
    if !step.isWaiting { idleTurns = 0 }
  }

  private func fail(_ cause: ScheduleFailure.Cause) {
    if failure == nil { failure = cause }
  }

  private func giveUp(_ cause: ScheduleFailure.Cause) {
    fail(cause)
    isStuck = true
    crew.end.signal()
  }
}

// MARK: who is next

extension ScheduledRun {
  private func next(after current: Int?) -> Next {
    guard trace.entries.count < stepLimit else { return .stuck(.stepLimit) }
    listOptions(after: current)
    guard !options.isEmpty else { return nextWithoutReason(after: current) }
    var choice = 0
    if options.count > 1 {
      choice = chooser.choose(options)
      choiceCount += 1
    }
    let option = options[choice]
    let isLate = machine.isNotified(option.cpu) && !option.takesInterrupt
    players[option.cpu].takesInterrupt = option.takesInterrupt
    players[option.cpu].interruptIsLate = isLate
    return .turn(option.cpu)
  }

  private func listOptions(after current: Int?) {
    options.removeAll(keepingCapacity: true)
    let goesOn = current.map { players[$0].state == .ready } ?? false
    if let current { listOptions(of: current, preemptions: 0) }
    for cpu in players.indices where cpu != current {
      listOptions(of: cpu, preemptions: goesOn ? 1 : 0)
    }
  }

  private func listOptions(of cpu: Int, preemptions: Int) {
    let player = players[cpu]
    let mayTakeInterrupt = player.interruptsAreOn && machine.isNotified(cpu)
    switch player.state {
    case .ready where mayTakeInterrupt:
      let isLate = player.interruptIsLate
      options.append(Option(cpu: cpu, takesInterrupt: !isLate, preemptions: preemptions))
      options.append(Option(cpu: cpu, takesInterrupt: isLate, preemptions: preemptions + 1))
    case .waiting where mayTakeInterrupt, .idle where mayTakeInterrupt:
      options.append(Option(cpu: cpu, takesInterrupt: true, preemptions: preemptions))
    case .waiting where player.seen == happened(player.step): break
    case .ready, .waiting:
      options.append(Option(cpu: cpu, takesInterrupt: false, preemptions: preemptions))
    case .idle: break
    }
  }

  /// How much has happened of what a CPU at this step waits for.
  private func happened(_ step: Step) -> UInt64 {
    step == .flushWaiting ? flushesConfirmed : locksReleased
  }

  /// Asks the waiting CPUs in turn.
  private func nextWithoutReason(after current: Int?) -> Next {
    let count = players.count
    let first = (current ?? -1) + 1
    guard
      let cpu = (first..<first + count).map({ $0 % count }).first(where: { players[$0].state == .waiting })
    else { return .end }
    idleTurns += 1
    guard idleTurns <= count * Self.idleTurnsPerCPU else { return .stuck(.deadlock(players.map(\.step))) }
    return .turn(cpu)
  }
}
