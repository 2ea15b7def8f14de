internal import KernelMemory

// The report for a program: a test reads these lines of two machines and compares them.

extension Report {
  func writeValues(to sink: inout some TextSink) {
    sink.heading("Values")
    forEachValue { name, value in sink.value(name, value) }
    sink.write(run.isPassed(replay) ? "verdict=pass\n" : "verdict=fail\n")
  }

  /// Calls `body` with every figure and its name.
  func forEachValue(_ body: (StaticString, UInt64) -> Void) {
    forEachTraceValue(body)
    forEachAreaValue(body)
    forEachCounterValue(body)
    let verifier = replay.verifier
    body("words.written", verifier.wordsWritten)
    body("words.read", verifier.wordsRead)
    body("touches.guard", verifier.guardTouches)
    body("touches.freed", verifier.freedTouches)
    body("violations", verifier.violations.count)
  }

  private func forEachTraceValue(_ body: (StaticString, UInt64) -> Void) {
    body("trace.lines", census.lines)
    body("trace.allocations", census.allocations)
    body("trace.allocations_failed", census.failedAllocations)
    body("trace.frees", census.frees)
    body("trace.frees_of_others", run.figures.freesOfOthers)
    body("trace.purges", census.purges)
    body("trace.others", census.others)
    body("trace.overwritten", census.overwritten)
    body("laps", run.laps)
  }

  private func forEachAreaValue(_ body: (StaticString, UInt64) -> Void) {
    body("areas.total", totals.areasAllocated)
    body("areas.freed", totals.areasFreed)
    body("areas.live", totals.liveAreas)
    body("areas.peak", totals.peakAreas)
    body("areas.unguarded", totals.unguarded)
    body("bytes.live", totals.liveBytes)
    body("bytes.peak", totals.peakBytes)
    body("bytes.lost_peak", totals.peakLost)
    body("pages.bytes", pageBytes)
    body("pages.total", totals.pagesAllocated)
    body("pages.live", totals.livePages)
    body("pages.peak", totals.peakPages)
    body("addresses.live", totals.liveSpan)
    body("addresses.peak", totals.peakSpan)
    body("addresses.unflushed_peak", totals.peakUnflushed)
    forEachSpreadValue(body)
    body("frames.taken", run.framesTaken)
    body("frames.peak", run.framesPeak)
    body("frames.runs", totals.scatter.runs)
    body("frames.most_runs", totals.scatter.mostRuns)
    body("tasks", UInt64(replay.tables.tasks.count))
    body("sizes", UInt64(replay.tables.sizes.count))
  }

  private func forEachCounterValue(_ body: (StaticString, UInt64) -> Void) {
    let counters = run.counters
    body("entries.written", counters[.entriesWritten])
    body("entries.cleared", counters[.entriesCleared])
    body("tables.made", counters[.tablesMade])
    body("tables.returned", counters[.tablesReturned])
    body("leaves.split", counters[.leavesSplit])
    body("flushes.page", counters[.flushesOfPage])
    body("flushes.ranges", counters[.flushesOfRanges])
    body("flushes.all", counters[.flushesOfAll])
  }
}

extension TextSink {
  fileprivate mutating func value(_ name: StaticString, _ value: UInt64) {
    write(name)
    write("=")
    write(decimal: value)
    newline()
  }
}
