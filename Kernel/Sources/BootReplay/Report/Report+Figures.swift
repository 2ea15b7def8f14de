internal import KernelMemory

// Areas, frames, page tables, flushes.

extension Report {
  func writeAreas(to sink: inout some TextSink) {
    sink.heading("Areas")
    sink.figure("allocated", totals.areasAllocated)
    sink.figure("freed", totals.areasFreed)
    sink.figure("live", totals.liveAreas, atMost: totals.peakAreas)
    if totals.unguarded > 0 {
      sink.figure("without a guard", totals.unguarded, "of one page, which has no room for one")
    }
    sink.figure("bytes live, with guards", totals.liveBytes, atMost: totals.peakBytes)
    writeSpread(to: &sink)
  }

  func writeFrames(to sink: inout some TextSink) {
    let scatter = totals.scatter
    sink.heading("Pages and their frames")
    writePageSize(to: &sink)
    sink.figure("pages mapped", totals.pagesAllocated, "each to a frame of its own")
    sink.figure("pages live", totals.livePages, atMost: totals.peakPages)
    sink.figure("frames taken in all", run.framesTaken, atMost: run.framesPeak)
    sink.write("    beside the pages, those of page tables and of the manager's records of areas\n")
    sink.figure(
      "peak memory, in bytes", run.framesPeak * pageBytes, "all frames taken, at the worst moment")
    sink.startFigure("physical runs", scatter.runs)
    sink.write("  ")
    sink.write(quotient: scatter.runs, by: totals.areasAllocated)
    sink.write(" an area, at most ")
    sink.write(grouped: scatter.mostRuns)
    sink.write("; ")
    sink.write(quotient: scatter.frames, by: scatter.runs)
    sink.write(" frames a run\n")
    writeHistogram(scatter, to: &sink)
  }

  var pageBytes: UInt64 { replay.manager.pageSize.bytes }

  /// Whether pages here are larger than those of the recording, whose sizes are multiples of its own.
  private var hasLargerPages: Bool { pageBytes > TraceRange.pageBytes }

  /// What follows from larger pages: an area ends with a part of one that nobody asked for.
  private func writePageSize(to sink: inout some TextSink) {
    guard hasLargerPages else { return }
    sink.figure("bytes of a page", pageBytes, "those of the recording have 4,096")
    sink.figure("lost in last pages, in bytes", totals.liveLost, atMost: totals.peakLost)
  }

  /// `areas of 1, 2, 3-4, ... runs`.
  private func writeHistogram(_ scatter: Scatter, to sink: inout some TextSink) {
    sink.startRow("areas by number of runs")
    for index in 0..<Scatter.classes {
      sink.write(index == 0 ? "" : "   ")
      sink.write(decimal: Scatter.least(index))
      if index + 1 == Scatter.classes {
        sink.write("+")
      } else if Scatter.least(index + 1) - 1 > Scatter.least(index) {
        sink.write("-")
        sink.write(decimal: Scatter.least(index + 1) - 1)
      }
      sink.write(": ")
      sink.write(grouped: scatter.areas[index])
    }
    sink.newline()
  }

  func writeTables(to sink: inout some TextSink) {
    let counters = run.counters
    sink.heading("Page tables and TLB, by the manager's counters")
    sink.figure("entries written", counters[.entriesWritten])
    sink.figure("entries cleared", counters[.entriesCleared])
    sink.figure("tables made", counters[.tablesMade])
    if hasLargerPages { sink.figure("bytes of a table", pageBytes, "each is a page") }
    sink.figure("tables returned", counters[.tablesReturned])
    if counters[.leavesSplit] > 0 { sink.figure("large leaves split", counters[.leavesSplit]) }
    sink.figure("flushes of one page", counters[.flushesOfPage])
    sink.figure("flushes of ranges", counters[.flushesOfRanges])
    sink.figure("flushes of everything", counters[.flushesOfAll])
  }

  func writeVerification(to sink: inout some TextSink) {
    let verifier = replay.verifier
    sink.heading("Verification, through the MMU")
    sink.figure("words written", verifier.wordsWritten, "four in every 4 KiB")
    sink.figure("words read back", verifier.wordsRead, "before the free, or at the end")
    sink.figure("touches of guards", verifier.guardTouches, "loads and stores, which have to fault")
    sink.figure("touches of freed areas", verifier.freedTouches, "the same")
    sink.figure("violations", verifier.violations.count)
  }
}
