internal import KernelMemory

// The largest callers, the commonest sizes, the listing of what is live.

extension Report {
  private static var rowsOfTop: Int { 10 }
  private static var rowsAtEachEnd: UInt64 { 8 }

  func writeCallers(to sink: inout some TextSink) {
    sink.heading("Largest callers              live bytes  live areas       bytes, all  areas, all")
    var slot = replay.tables.tasks.largest(after: nil)
    for _ in 0..<Self.rowsOfTop {
      guard let found = slot else { break }
      let entry = replay.tables.tasks[found]
      sink.write("  ")
      sink.write(entry.name)
      sink.spaces(22 - entry.name.count)
      write(entry.tally, to: &sink)
      slot = replay.tables.tasks.largest(after: found)
    }
    sink.figure("tasks, by name", UInt64(replay.tables.tasks.count))
    if replay.callers.sharing > 0 {
      sink.figure("tasks that share one tag", replay.callers.sharing, "the manager has no more tags")
    }
  }

  func writeSizes(to sink: inout some TextSink) {
    sink.heading("Commonest sizes, in bytes     live bytes  live areas       bytes, all  areas, all")
    var slot = replay.tables.sizes.largest(after: nil)
    for _ in 0..<Self.rowsOfTop {
      guard let found = slot else { break }
      let entry = replay.tables.sizes[found]
      sink.write(grouped: entry.key, width: 24)
      write(entry.tally, to: &sink)
      slot = replay.tables.sizes.largest(after: found)
    }
    sink.figure("sizes", UInt64(replay.tables.sizes.count))
  }

  private func write(_ tally: Tally, to sink: inout some TextSink) {
    sink.write(grouped: tally.liveBytes, width: 15)
    sink.write(grouped: tally.liveAreas, width: 12)
    sink.write(grouped: tally.bytes, width: 17)
    sink.write(grouped: tally.areas, width: 12)
    sink.newline()
  }

  /// /proc/vmallocinfo as it would be now, without what lies in the machine's own range.
  func writeListing(to sink: inout some TextSink) {
    var counter = RowCounter()
    writeRows(of: replay.manager, to: &counter)
    sink.heading("/proc/vmallocinfo at the end")
    if job.options.listsAllAreas {
      writeRows(of: replay.manager, to: &sink)
    } else {
      var filter = RowFilter(sink, rows: counter.rows, atEachEnd: Self.rowsAtEachEnd)
      writeRows(of: replay.manager, to: &filter)
      sink = filter.base
    }
  }

  private func writeRows(of manager: MemoryManager, to sink: inout some TextSink) {
    do throws(MemoryError) {
      try manager.forEachArea { area in
        if area.areas != job.options.machineAreas { manager.writeVmallocInfo(of: area, to: &sink) }
      }
    } catch {
      sink.write(error)
    }
  }
}
