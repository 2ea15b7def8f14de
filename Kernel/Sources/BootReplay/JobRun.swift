internal import KernelMemory

/// What the manager's counters say of a run that has ended.
struct JobRun {
  let figures: TraceFigures
  /// Laps that were replayed to their end.
  let laps: UInt64
  /// Why the last one was not.
  let stop: ReplayStop?
  /// What the manager counted from the first event of the first lap to the last one of the last.
  let counters: Counters
  /// The frames that are handed out at the end beyond those before the first event, and the most that were.
  let framesTaken: UInt64
  let framesPeak: UInt64

  /// The manager counts itself, and so did the replay; and a replay that got to its end has come to what the
  /// recording alone says.
  func compareCounters(_ replay: inout Replay, lastLine: UInt64) {
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
