extension Recording {
  /// What was mended, passed over or left out, a sentence each; none for a recording that is whole.
  public var notes: [String] {
    let rows: [(UInt64, String)] = [
      (
        counts.freesOfOthers,
        "frees of areas from before the recording, or allocated without an event (per-CPU): passed over"
      ),
      (counts.freesUnseen, "areas lay where another one was: their frees were not recorded, and happen then"),
      (counts.freesInside, "frees inside an area: left out"),
      (counts.failedAllocations, "allocations that found no room: not replayed"),
      (counts.overwrittenEvents, "events overwritten before the first one: the recording began later"),
      (counts.unreadLines, "lines that could not be read, the first of them line \(counts.firstUnreadLine)"),
    ]
    var notes = rows.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)." }
    if counts.gaps > 0 {
      let lost = counts.lostEvents > 0 ? ", of \(counts.lostEvents) events as far as it says" : ""
      notes.append("The kernel lost events in \(counts.gaps) places\(lost): what was live after is a guess.")
    }
    if counts.announcedEvents > counts.events {
      notes.append("The header announces \(counts.announcedEvents) events, and \(counts.events) are there.")
    }
    return notes
  }
}
