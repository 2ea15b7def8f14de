// Scheduler
//
// Runs a program on the CPUs of a simulated machine so that exactly one of them runs at a time, and
// chooses at every step which. A run is therefore a sequence of choices, and nothing else: the same
// choices give the same run, and the space of all choices can be walked (stateless model checking:
// Godefroid, "Model checking for programming languages using VeriSoft", POPL 1997).
//
//     Scheduler       what a user calls: random, exhaustive, replay
//     Chooser         makes the choices: at random from a seed, or depth first over all of them
//     ScheduledRun    one run: which choices there are at a step, and what they do
//     Crew            the threads, one a CPU, kept from run to run
//     FreeRun         the other way: all threads at once, for ThreadSanitizer
//
// What can be chosen at a step: any CPU that can go on, and, where it has an interrupt pending and
// enabled, whether it takes the interrupt first. So interrupts come late, and in any order. A pending
// interrupt is never lost: a CPU that waits takes it at once, and so does one that has ended its
// program and is idle.
//
// A waiting CPU (`lockWaiting`, `flushWaiting`, `relaxed`) is not chosen again before it can have something
// new to see: a lock released, a flush confirmed, any step at all of another CPU; or an interrupt that is
// pending. This is what keeps the number of runs finite, and what shows a deadlock: nobody can go on. For
// programs that wait for something else, waiting CPUs are then asked in turn; only when that has gone round
// `patience` times is it a deadlock.
//
// Where `Scheduler` permits it, more can be chosen, each of it a preemption: that two threads change CPUs
// (`migrations`), as an operating system moves them wherever interrupts are on; that a device interrupts a
// CPU (`deviceInterrupts`); and that an NMI does (`nmis`), whether its interrupts are on or not.
//
// The number of runs grows with the binomial of steps. Two ways bound it: `points`, the steps at which
// another CPU may be chosen at all, and `preemptions`, how often a CPU that could go on is made to stop
// (Musuvathi and Qadeer, "Iterative context bounding for systematic testing of multithreaded programs",
// PLDI 2007). Late interrupts count as preemptions, where they start to be late and where they stop.

/// What one run does. Each run needs a new one, on a new machine, since nothing of the run before may
/// be left.
public struct Program {
  public var machine: SimulatedMachine
  /// What the CPUs do, by number; there may be fewer of them than CPUs, the others are idle.
  public var cpus: [() throws -> Void]
  /// Runs on the caller's thread when all CPUs are idle and no interrupt is pending.
  public var check: () throws -> Void
  /// What an interrupt of a device runs, on the CPU that it comes to, with interrupts off.
  public var onDeviceInterrupt: () throws -> Void = {}
  /// What an NMI runs, on the CPU that it comes to.
  public var onNMI: () throws -> Void = {}

  public init(
    machine: SimulatedMachine, cpus: [() throws -> Void], check: @escaping () throws -> Void = {}
  ) {
    self.machine = machine
    self.cpus = cpus
    self.check = check
  }
}

/// Runs programs one CPU at a time, in chosen orders.
public struct Scheduler {
  /// The steps at which another CPU may be chosen. A waiting CPU and one with a pending interrupt that
  /// it could take always lets others be chosen.
  public var points = StepSet.all
  /// A run of more steps has failed: it would not end.
  public var stepLimit = 1_000_000
  /// How often each waiting CPU is asked again while nothing happens, before that is a deadlock.
  public var patience = 1_000
  /// How often in a run two threads may change CPUs; at the steps of `migrationPoints`, where interrupts
  /// are on.
  public var migrations = 0
  public var migrationPoints = StepSet(.interruptsDisabling, .interruptsEnabled, .flushWaiting)
  /// Whether a thread changes CPUs at every one of those steps at which it can, as long as `migrations`
  /// lasts, rather than where that is chosen.
  public var alwaysMigrates = false
  /// How often in a run a device may interrupt a CPU; at the steps of `points`, where interrupts are on.
  public var deviceInterrupts = 0
  /// How often in a run an NMI may come; at the steps of `nmiPoints`.
  public var nmis = 0
  public var nmiPoints = StepSet(rawValue: .max)

  public init(points: StepSet = .all) { self.points = points }

  /// One run for each seed.
  /// - Throws: the first failure; its seed is part of its description.
  @discardableResult
  public func random(
    seeds: Range<UInt64>, _ make: () throws -> Program
  ) throws(ScheduleFailure) -> ScheduleReport {
    let crews = Crews()
    defer { crews.dismiss() }
    var report = ScheduleReport()
    for seed in seeds {
      let run = try run(make, RandomChooser(seed: seed), crews, seed: seed)
      report.add(run)
    }
    return report
  }

  /// Every run there is, or every run with at most that many preemptions.
  /// - Parameters:
  ///   - preemptions: how often a CPU may be interrupted that could go on; nil for any number.
  ///   - limit: after so many runs it stops, and the report says that it is not complete.
  ///   - make: makes the program anew for each run.
  /// - Throws: the first failure; `replay` of its choices shows it again.
  @discardableResult
  public func exhaustive(
    preemptions: Int? = nil, atMost limit: Int = .max, _ make: () throws -> Program
  ) throws(ScheduleFailure) -> ScheduleReport {
    let crews = Crews()
    defer { crews.dismiss() }
    var report = ScheduleReport()
    let chooser = DepthFirstChooser(preemptions: preemptions)
    repeat {
      guard report.schedules < limit else {
        report.isComplete = false
        return report
      }
      let run = try run(make, chooser, crews, seed: nil)
      report.add(run)
    } while chooser.advance()
    return report
  }

  /// The run with these choices; where they end, CPUs go on as long as they can.
  @discardableResult
  public func replay(
    _ choices: [Int], _ make: () throws -> Program
  ) throws(ScheduleFailure) -> ScheduleTrace {
    let crews = Crews()
    defer { crews.dismiss() }
    return try run(make, DepthFirstChooser(preemptions: nil, choices: choices), crews, seed: nil).trace
  }

  /// The run of one seed.
  @discardableResult
  public func replay(
    seed: UInt64, _ make: () throws -> Program
  ) throws(ScheduleFailure) -> ScheduleTrace {
    let crews = Crews()
    defer { crews.dismiss() }
    return try run(make, RandomChooser(seed: seed), crews, seed: seed).trace
  }

  private func run(
    _ make: () throws -> Program, _ chooser: any Chooser, _ crews: Crews, seed: UInt64?
  ) throws(ScheduleFailure) -> ScheduledRun {
    let program: Program
    do { program = try make() } catch {
      throw ScheduleFailure(cause: .failed(cpu: nil, error), seed: seed, choices: [], trace: ScheduleTrace())
    }
    guard program.cpus.count <= program.machine.cpus.count else {
      stop("a program for \(program.cpus.count) CPUs on a machine with \(program.machine.cpus.count)")
    }
    chooser.begin()
    let crew = crews.crew(of: program.machine.cpus.count)
    let run = ScheduledRun(program, chooser, self, crew: crew, seed: seed)
    run.runToEnd()
    if run.isStuck { crews.abandon() }
    if run.failure == nil && chooser.hasDiverged { run.failure = .notDeterministic }
    if run.failure == nil {
      do { try program.check() } catch { run.failure = .failed(cpu: nil, error) }
    }
    if let cause = run.failure {
      throw ScheduleFailure(cause: cause, seed: seed, choices: chooser.choices, trace: run.trace)
    }
    return run
  }
}
