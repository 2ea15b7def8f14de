internal import KernelMemory

// The report for a program: a test reads these lines of two machines and compares them.

extension Report {
  func writeValues(to sink: inout some TextSink) {
    sink.heading("Values")
    writeTraceValues(to: &sink)
    writeAreaValues(to: &sink)
    writeCounterValues(to: &sink)
    let verifier = replay.verifier
    sink.value("words.written", verifier.wordsWritten)
    sink.value("words.read", verifier.wordsRead)
    sink.value("touches.guard", verifier.guardTouches)
    sink.value("touches.freed", verifier.freedTouches)
    sink.value("violations", verifier.violations.count)
    sink.write(run.isPassed(replay) ? "verdict=pass\n" : "verdict=fail\n")
  }

  private func writeTraceValues(to sink: inout some TextSink) {
    sink.value("trace.lines", job.census.lines)
    sink.value("trace.allocations", job.census.allocations)
    sink.value("trace.allocations_failed", job.census.failedAllocations)
    sink.value("trace.frees", job.census.frees)
    sink.value("trace.frees_of_others", run.figures.freesOfOthers)
    sink.value("trace.purges", job.census.purges)
    sink.value("trace.others", job.census.others)
    sink.value("trace.overwritten", job.census.overwritten)
    sink.value("laps", run.laps)
  }

  private func writeAreaValues(to sink: inout some TextSink) {
    sink.value("areas.total", totals.areasAllocated)
    sink.value("areas.freed", totals.areasFreed)
    sink.value("areas.live", totals.liveAreas)
    sink.value("areas.peak", totals.peakAreas)
    sink.value("areas.unguarded", totals.unguarded)
    sink.value("bytes.live", totals.liveBytes)
    sink.value("bytes.peak", totals.peakBytes)
    sink.value("pages.total", totals.pagesAllocated)
    sink.value("pages.live", totals.livePages)
    sink.value("pages.peak", totals.peakPages)
    sink.value("frames.taken", run.framesTaken)
    sink.value("frames.peak", run.framesPeak)
    sink.value("frames.runs", totals.scatter.runs)
    sink.value("frames.most_runs", totals.scatter.mostRuns)
    sink.value("tasks", UInt64(replay.tables.tasks.count))
    sink.value("sizes", UInt64(replay.tables.sizes.count))
  }

  private func writeCounterValues(to sink: inout some TextSink) {
    let counters = run.counters
    sink.value("entries.written", counters[.entriesWritten])
    sink.value("entries.cleared", counters[.entriesCleared])
    sink.value("tables.made", counters[.tablesMade])
    sink.value("tables.returned", counters[.tablesReturned])
    sink.value("leaves.split", counters[.leavesSplit])
    sink.value("flushes.page", counters[.flushesOfPage])
    sink.value("flushes.ranges", counters[.flushesOfRanges])
    sink.value("flushes.all", counters[.flushesOfAll])
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
