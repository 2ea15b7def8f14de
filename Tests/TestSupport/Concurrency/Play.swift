import MachineSimulator

@testable import KernelMemory

/// A program for several CPUs, and how to start it.
struct Play {
  var stage: Stage
  /// What each CPU does, from CPU 0 on.
  var cpus: [() throws -> Void]
  /// Runs before the checks that every play ends with.
  var atEnd: () throws -> Void = {}
  /// Every how many runs all rooms are validated, which takes ten times as long as a run.
  var validatesEach = 8
  /// Whether free frames are hidden in those runs, which takes a third more time.
  var hidesFreeFrames = true
  /// Whether the stage alone has allocated, so that all counts of work are its own.
  var checksWork = true
  /// Steps after which a run is said to have no end.
  var stepLimit = 20_000
  var speculation = Speculation.none
  var memoryOrder = MemoryOrder.strong
  /// What interrupts the programs, where the rules say that something does.
  var onNMI: () throws -> Void = {}
  var onDeviceInterrupt: () throws -> Void = {}
  /// What more may happen than that CPUs change.
  var rules: (inout Scheduler) -> Void = { _ in }

  /// Plays every schedule, or every one with so many preemptions.
  @discardableResult
  func exhaustive(
    at points: StepSet, preemptions: Int? = nil, atMost limit: Int = .max
  ) throws -> ScheduleReport {
    try scheduler(points).exhaustive(preemptions: preemptions, atMost: limit, maker())
  }

  /// Plays the schedule of each seed, at all steps.
  @discardableResult
  func random(seeds: Range<UInt64>) throws -> ScheduleReport {
    try scheduler(.all).random(seeds: seeds, maker())
  }

  private func scheduler(_ points: StepSet) -> Scheduler {
    var scheduler = Scheduler(points: points)
    scheduler.stepLimit = stepLimit
    rules(&scheduler)
    return scheduler
  }

  private func maker() -> () throws -> Program {
    var runs = 0
    stage.speculate(speculation)
    stage.test.simulated.memoryOrder = memoryOrder
    return {
      runs += 1
      let validates = runs % validatesEach == 1 || validatesEach == 1
      stage.test.hidesFreeFrames = false
      stage.restore()
      if validates && hidesFreeFrames { stage.test.hidesFreeFrames = true }
      var program = Program(machine: stage.test.simulated, cpus: cpus) {
        try atEnd()
        try stage.finish(validating: validates, checksWork: checksWork)
      }
      program.onNMI = onNMI
      program.onDeviceInterrupt = onDeviceInterrupt
      return program
    }
  }
}

extension StepSet {
  /// What a free on one CPU shows of itself to another: its entries are gone; its flush is there to be
  /// served; something is free.
  static let order = StepSet(.entriesWritten, .entriesCleared, .flushRequested, .flushConfirmed, .framesFreed)
}
