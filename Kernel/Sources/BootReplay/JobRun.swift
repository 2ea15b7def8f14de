internal import KernelMemory

/// One run of the job: the laps, and what the manager's counters say of them.
struct JobRun {
  let figures: TraceFigures
  /// Laps that were replayed to their end.
  private(set) var laps: UInt64 = 0
  /// Why the last one was not.
  private(set) var stop: ReplayStop?
  /// What the manager counted from the first event of the first lap to the last one of the last.
  let counters: Counters
  /// The frames that are handed out at the end beyond those before the first event, and the most that were.
  let framesTaken: UInt64
  let framesPeak: UInt64

  init(figures: TraceFigures, replay: inout Replay, job: BootJob, on machine: inout some JobMachine) {
    self.figures = figures
    let before = replay.manager.counters
    let framesBefore = replay.manager.usedFrames.rawValue
    do throws(ReplayStop) {
      while laps < job.options.laps {
        try replay.runLap(of: job.trace, isLast: laps + 1 == job.options.laps, on: &machine)
        laps += 1
      }
    } catch {
      stop = error
    }
    counters = replay.manager.counters.since(before)
    framesTaken = replay.manager.usedFrames.rawValue &- framesBefore
    framesPeak = max(framesTaken, replay.totals.peakFrames - framesBefore)
    compareCounters(&replay, lastLine: job.census.lines)
  }

  /// The manager counts itself, and so did the replay; and a replay that got to its end has come to what the
  /// recording alone says.
  private func compareCounters(_ replay: inout Replay, lastLine: UInt64) {
    let totals = replay.totals
    var pairs = InlineArray<6, (found: UInt64, expected: UInt64)>(repeating: (0, 0))
    pairs[0] = (counters[.areasAllocated], totals.areasAllocated)
    pairs[1] = (counters[.areasFreed], totals.areasFreed)
    pairs[2] = (counters[.pagesAllocated], totals.pagesAllocated)
    pairs[3] = (counters[.pagesFreed], totals.pagesFreed)
    if stop == nil {
      pairs[4] = (totals.liveAreas, figures.liveAreas)
      pairs[5] = (totals.peakBytes, figures.peakBytes)
    }
    for index in pairs.indices where pairs[index].found != pairs[index].expected {
      replay.verifier.violations.add(
        .countersWrong, at: 0, line: lastLine, expected: pairs[index].expected, found: pairs[index].found)
    }
  }

  func isPassed(_ replay: Replay) -> Bool { stop == nil && replay.verifier.violations.count == 0 }
}
