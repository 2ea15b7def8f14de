@unsafe @preconcurrency internal import CMachine  // its variables are one a thread

/// One run of a program. Whoever's turn it is uses this alone.
final class ScheduledRun: StepHandler {
  /// A thread, and where it is while others run.
  struct Player {
    enum State {
      case ready, waiting, idle
    }
    /// The CPU that it plays.
    var cpu: Int
    var state = State.ready
    var step = Step.start
    var hasStarted = false
    var interruptsAreOn = true
    /// What had happened when it was found that it must wait.
    var seen: UInt64 = 0
    /// Whether the pending interrupt of its CPU is on its way for longer.
    var interruptIsLate = false
    /// The choice for its next turn.
    var event = Option.Event.nothing
    /// Whether it runs the handler of an NMI, which no choice interrupts.
    var isInNMI = false
  }

  enum Next {
    case turn(Int)
    case end
    case stuck(ScheduleFailure.Cause)
  }

  var failure: ScheduleFailure.Cause?
  /// Whether threads are left in the middle of the program.
  private(set) var isStuck = false
  private(set) var trace = ScheduleTrace()
  private(set) var interrupts = 0
  private(set) var migrations = 0
  var choiceCount = 0

  let machine: SimulatedMachine
  let chooser: any Chooser
  let rules: Scheduler
  private let program: Program
  private let crew: Crew
  private let seed: UInt64?
  /// By thread.
  var players: [Player]
  /// By CPU.
  private var threads: [Int]
  var options: [Option] = []
  var deviceInterruptsLeft: Int
  var nmisLeft: Int
  var migrationsLeft: Int
  /// How often a lock was released; a flush confirmed, or an interrupt served; anything done but to wait. All
  /// count every end of a program.
  private var locksReleased: UInt64 = 0
  private var flushesConfirmed: UInt64 = 0
  private var stepsDone: UInt64 = 0
  /// Turns of waiting threads without a reason, since the last step that was not a wait.
  var idleTurns = 0

  init(_ program: Program, _ chooser: any Chooser, _ rules: Scheduler, crew: Crew, seed: UInt64?) {
    self.program = program
    self.chooser = chooser
    self.rules = rules
    self.crew = crew
    self.seed = seed
    machine = program.machine
    deviceInterruptsLeft = rules.deviceInterrupts
    nmisLeft = rules.nmis
    migrationsLeft = rules.migrations
    players = machine.cpus.indices.map { Player(cpu: $0) }
    threads = Array(machine.cpus.indices)
    for thread in program.cpus.count..<players.count {
      players[thread].state = .idle
      players[thread].step = .idle
    }
  }

  override var history: String {
    "in a run" + scheduleDescription(seed: seed, choices: chooser.choices, trace)
  }

  override func take(_ step: Step) { reach(step) }

  override var weakMachine: SimulatedMachine? { machine.memoryOrder == .strong ? nil : machine }

  /// Runs the program on the threads of the crew until all CPUs are idle, or nobody can go on.
  func runToEnd() {
    guard case .turn(let thread) = next(after: nil) else { return }
    crew.begin(self, with: thread)
  }
}

// MARK: on the threads of the CPUs

extension ScheduledRun {
  /// A turn of a thread that has not started, or is idle.
  func resume(_ thread: Int) {
    play(players[thread].cpu)
    if !players[thread].hasStarted { start(thread) } else { meetEvent(thread) }
    // Idle: others have their turns, until all is done or there is an interrupt for this CPU.
    while true {
      // Again each time, since the handler of an interrupt has steps of its own.
      players[thread].state = .idle
      players[thread].step = .idle
      players[thread].interruptsAreOn = true
      switch next(after: thread) {
      case .turn(thread): meetEvent(thread)
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

  private func start(_ thread: Int) {
    players[thread].hasStarted = true
    note(thread, .start)
    meetEvent(thread)
    guard thread < program.cpus.count else { return }
    do { try program.cpus[thread]() } catch { fail(.failed(cpu: players[thread].cpu, error)) }
    if !cmachine_interrupts_are_enabled() {
      fail(.interruptsOff(cpu: players[thread].cpu))
      cmachine_interrupts_enabled = 1
    }
    note(thread, .idle)
    locksReleased += 1
    flushesConfirmed += 1
  }

  private func reach(_ step: Step) {
    let thread = threads[SimulatedMachine.currentCPU]
    note(thread, step)
    let interruptsAreOn = cmachine_interrupts_are_enabled()
    if step == .flushWaiting && !interruptsAreOn && players.count > 1 {
      machine.report("a CPU waits for others with interrupts off", cpu: players[thread].cpu)
    }
    guard mayChange(thread, at: step, interruptsAreOn) else { return }
    players[thread].state = step.isWaiting ? .waiting : .ready
    players[thread].step = step
    players[thread].interruptsAreOn = interruptsAreOn
    players[thread].seen = happened(step)
    switch next(after: thread) {
    case .turn(thread): break
    case .turn(let other):
      crew.turns[other].signal()
      crew.turns[thread].wait()
      cmachine_set_cpu_number(UInt32(players[thread].cpu))
    case .end: stop("a run ended in the middle of a program")
    case .stuck(let cause):
      giveUp(cause)
      while true { crew.turns[thread].wait() }
    }
    meetEvent(thread)
  }

  /// Whether anything but that a thread goes on may happen at a step.
  private func mayChange(_ thread: Int, at step: Step, _ interruptsAreOn: Bool) -> Bool {
    if step.isWaiting { return true }
    if players[thread].isInNMI { return false }
    // Before interrupts go off nothing has happened since they came on: there an interrupt is no other
    // choice.
    let takesInterrupts = interruptsAreOn && step != .interruptsDisabling
    return rules.points.contains(step) || (takesInterrupts && machine.isNotified(players[thread].cpu))
      || (nmisLeft > 0 && rules.nmiPoints.contains(step))
      || (migrationsLeft > 0 && interruptsAreOn && rules.migrationPoints.contains(step))
  }

  /// What was chosen for this thread to happen before it goes on.
  private func meetEvent(_ thread: Int) {
    let event = players[thread].event
    players[thread].event = .nothing
    switch event {
    case .nothing: break
    case .notification:
      players[thread].interruptIsLate = false
      interrupts += 1
      note(thread, .interrupt)
      machine.takeInterrupt()
      flushesConfirmed += 1
    case .deviceInterrupt:
      note(thread, .interrupt)
      handle(thread, program.onDeviceInterrupt)
    case .nmi:
      note(thread, .nmi)
      players[thread].isInNMI = true
      handle(thread, program.onNMI)
      players[thread].isInNMI = false
    case .migration(let other): migrate(thread, with: other)
    }
  }

  private func handle(_ thread: Int, _ handler: () throws -> Void) {
    let interrupts = cmachine_interrupts_enabled
    cmachine_interrupts_enabled = 0
    do { try handler() } catch { fail(.failed(cpu: players[thread].cpu, error)) }
    cmachine_interrupts_enabled = interrupts
  }

  private func migrate(_ thread: Int, with other: Int) {
    migrations += 1
    let (mine, its) = (players[thread].cpu, players[other].cpu)
    // A switch of threads is a barrier on both sides.
    for cpu in [mine, its] { machine.releaseStores(of: cpu) }
    let isLate = players[thread].interruptIsLate
    players[thread].cpu = its
    players[other].cpu = mine
    players[thread].interruptIsLate = players[other].interruptIsLate
    players[other].interruptIsLate = isLate
    threads[its] = thread
    threads[mine] = other
    cmachine_set_cpu_number(UInt32(its))
    note(thread, .migration)
  }

  private func note(_ thread: Int, _ step: Step) {
    machine.drainStores(of: players[thread].cpu, at: step)
    trace.entries.append(ScheduleTrace.Entry(cpu: players[thread].cpu, step: step))
    if step == .lockReleased { locksReleased += 1 }
    if step == .flushConfirmed { flushesConfirmed += 1 }
    if step == .framesFreed || step == .rangeFreed { machine.checkCaches() }
    if let violation = machine.takeViolation() { fail(.failed(cpu: violation.cpu, violation)) }
    if !step.isWaiting {
      idleTurns = 0
      stepsDone += 1
    }
  }

  private func fail(_ cause: ScheduleFailure.Cause) {
    if failure == nil { failure = cause }
  }

  private func giveUp(_ cause: ScheduleFailure.Cause) {
    fail(cause)
    isStuck = true
    crew.end.signal()
  }

  /// How much has happened of what a CPU at this step waits for.
  func happened(_ step: Step) -> UInt64 {
    switch step {
    case .flushWaiting: flushesConfirmed
    case .relaxed: stepsDone
    default: locksReleased
    }
  }
}
