// The report
//
// For a person, in columns, and at its end once more for a program: `name=value` lines, whose names stay
// as they are and whose values depend on the recording alone as far as the manager's behaviour does. Of
// what the machine decides (how scattered the frames are), nothing is in those lines but under `frames.`.

internal import KernelMemory

/// What one run of the job came to, ready to be written.
struct Report {
  let census: TraceCensus
  let options: JobOptions
  let run: JobRun
  let replay: Replay

  var totals: ReplayTotals { replay.totals }

  func write(to sink: inout some TextSink) {
    sink.write("swift-vmalloc: a recorded boot of Linux, replayed on ")
    sink.write(options.machineName)
    sink.newline()
    writeRecording(to: &sink)
    writeRanges(to: &sink)
    writeAreas(to: &sink)
    writeFrames(to: &sink)
    writeTables(to: &sink)
    writeCallers(to: &sink)
    writeSizes(to: &sink)
    writeListing(to: &sink)
    writeVerification(to: &sink)
    writeValues(to: &sink)
    writeVerdict(to: &sink)
  }

  private func writeRecording(to sink: inout some TextSink) {
    sink.heading("The recording")
    sink.figure("allocations", census.allocations, "alloc_vmap_area")
    sink.figure("frees", census.frees, "free_vmap_area_noflush")
    if run.figures.freesOfOthers > 0 {
      sink.figure(
        "frees of areas unknown", run.figures.freesOfOthers,
        "allocated before, or without an event; passed over")
    }
    sink.figure("purges", census.purges, "purge_vmap_area_lazy, which are not replayed")
    if census.failedAllocations > 0 {
      sink.figure("failed allocations", census.failedAllocations, "not replayed: there was no room for them")
    }
    if census.others > 0 {
      sink.figure("events of other names", census.others, "not replayed")
    }
    if census.overwritten > 0 {
      sink.figure("events overwritten", census.overwritten, "before the first one: the recording began later")
    }
    sink.figure("lines", census.lines)
    sink.startFigure("laps", run.laps)
    sink.write("  of ")
    sink.write(decimal: options.laps)
    sink.newline()
  }

  private func writeRanges(to sink: inout some TextSink) {
    sink.heading("Ranges of the recording                         areas   bytes with guards  replayed in")
    for index in 0..<replay.ranges.count {
      guard let range = replay.ranges[index] else { continue }
      sink.write("  ")
      sink.write(address: range.recorded.start)
      sink.write("-")
      sink.write(address: range.recorded.end)
      sink.write(grouped: range.allocations, width: 14)
      sink.write(grouped: range.bytes, width: 20)
      sink.write(range.refusal == nil ? "  the same place\n" : "  the vmalloc range\n")
      if let refusal = range.refusal { writeRefusal(refusal, to: &sink) }
    }
    if replay.ranges.sharing > 0 {
      sink.figure(
        "allocations elsewhere", replay.ranges.sharing, "in further ranges, in the last row's place")
    }
    sink.write(
      "  Modules, vmap and devices (ioremap) leave the same event as vmalloc, so all areas are replayed\n"
    )
    sink.write(
      "  as RAM: a range of a device is not told from others, and no device is touched. Chunks of per-CPU\n")
    sink.write(
      "  memory leave an event when they are freed, and none when they are allocated: they are passed over.\n"
    )
  }

  private func writeRefusal(_ error: MemoryError, to sink: inout some TextSink) {
    sink.write("    not the same place: ")
    sink.write(error)
    sink.newline()
  }

  private func writeVerdict(to sink: inout some TextSink) {
    sink.newline()
    writeRefusal(to: &sink)
    if let first = replay.verifier.violations.first {
      sink.write("the first violation: ")
      first.write(to: &sink)
      sink.newline()
    }
    sink.write(
      run.isPassed(replay)
        ? "PASS: every area was where it had to be, and every touch of a guard or a freed area faulted\n"
        : "FAIL\n")
  }

  /// Why the replay did not get to its end.
  func writeRefusal(to sink: inout some TextSink) {
    guard let stop = run.stop else { return }
    sink.write("line ")
    sink.write(decimal: stop.line)
    sink.write(stop.byteCount > 0 ? ": vmalloc of " : ": vfree")
    if stop.byteCount > 0 {
      sink.write(grouped: stop.byteCount)
      sink.write(" bytes")
    }
    sink.write(" was refused: ")
    sink.write(stop.error)
    sink.newline()
  }
}
