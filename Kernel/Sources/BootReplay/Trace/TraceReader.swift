// The recording
//
// The text of ftrace's `trace` file with the three events of vmalloc. Every line is an event, a comment
// (`#`), a frame of a stack (` =>`), or an error: a line that is passed over in silence could be
// the free that makes all later numbers wrong. A well-formed event of another name is counted; a trace
// often has more than vmalloc in it.
//
// Lost events are an error and not a warning. Behind a hole nobody knows what is live: the next free
// may be of an area that the hole allocated, the next allocation at an address that the hole freed, and
// the figures of such a replay would be of no boot that ever was. What was overwritten *before* the first
// event (the header tells) is different: it is a recording that began later, consistent in itself.

/// The events of a recording, in order, with the line of each.
struct TraceReader {
  private var lines: TraceLines
  /// What the headers so far announce, and what they say was recorded and overwritten since.
  private(set) var announcedEvents: UInt64 = 0
  private(set) var overwrittenEvents: UInt64 = 0
  /// Whether any line was more than blanks.
  private(set) var isBlank = true

  init(_ text: TraceText) { lines = TraceLines(text) }

  /// The number of the line that `next` read last; zero before.
  var line: UInt64 { lines.number }

  /// The next event, or nil behind the last line.
  mutating func next() throws(TraceError) -> TraceEvent? {
    while let text = try lines.next() {
      var cursor = TraceCursor(text, line: line)
      cursor.skipBlanks()
      if cursor.isAtEnd { continue }
      isBlank = false
      if cursor.skip("#") {
        try readHeader(&cursor)
      } else if !cursor.skip("=> ") {
        return try event(text)
      }
    }
    return nil
  }

  /// `# entries-in-buffer/entries-written: 1816/1816   #P:2`; every other comment says nothing that counts.
  private mutating func readHeader(_ cursor: inout TraceCursor) throws(TraceError) {
    cursor.skipBlanks()
    guard cursor.skip(TraceError.Field.entries.name), cursor.skip(":") else { return }
    cursor.skipBlanks()
    let announced = try cursor.number(.entries)
    guard cursor.skip("/") else { throw TraceError(line: line, .malformed(.entries)) }
    let written = try cursor.number(.entries)
    let (sum, overflow) = announcedEvents.addingReportingOverflow(announced)
    guard !overflow, written >= announced else { throw TraceError(line: line, .malformed(.entries)) }
    announcedEvents = sum
    overwrittenEvents &+= written &- announced
  }

  private func event(_ text: TraceText) throws(TraceError) -> TraceEvent {
    if text.isSnapshotRow { throw TraceError(line: line, .snapshot) }
    if let lost = try text.lostEvents(line: line) { throw TraceError(line: line, .lostEvents(lost)) }
    let prefix = try TraceLinePrefix(text, line: line)
    var payload = prefix.payload
    if prefix.event.isEqual(to: "alloc_vmap_area") {
      return .allocation(try TraceAllocation(by: prefix.task, &payload))
    }
    if prefix.event.isEqual(to: "free_vmap_area_noflush") {
      let address = try payload.number(of: .vaStart)
      _ = try payload.number(of: .nrLazy)
      _ = try payload.number(of: .nrLazyMax)
      guard address.isPageAddress else { throw TraceError(line: line, .malformed(.vaStart)) }
      return .free(address)
    }
    if prefix.event.isEqual(to: "purge_vmap_area_lazy") {
      _ = try payload.number(of: .start)
      _ = try payload.number(of: .end)
      _ = try payload.number(of: .numPurged)
      return .purge
    }
    return .other
  }
}

extension TraceAllocation {
  fileprivate init(by task: TraceText, _ payload: inout TraceCursor) throws(TraceError) {
    let line = payload.line
    let address = try payload.number(of: .vaStart)
    let byteCount = try payload.number(of: .size)
    let alignment = try payload.number(of: .align)
    let vstart = try payload.number(of: .vstart)
    let vend = try payload.number(of: .vend)
    let failed = try payload.number(of: .failed)
    guard byteCount.isPageAddress else { throw TraceError(line: line, .malformed(.size)) }
    guard alignment > 0, alignment & (alignment - 1) == 0 else {
      throw TraceError(line: line, .malformed(.align))
    }
    let range = TraceRange(vstart: vstart, vend: vend)
    guard vstart & (TraceRange.pageBytes - 1) == 0 else { throw TraceError(line: line, .malformed(.vstart)) }
    guard vstart < range.end else { throw TraceError(line: line, .malformed(.vend)) }
    guard failed <= 1 else { throw TraceError(line: line, .malformed(.failed)) }
    if failed == 0 {
      try TraceAllocation.check(address, byteCount, in: range, line: line)
    }
    self.init(
      task: task, address: address, byteCount: byteCount, alignment: alignment, range: range,
      failed: failed == 1)
  }

  /// An area that does not lie where it was asked to lie is a damaged line.
  private static func check(
    _ address: UInt64, _ byteCount: UInt64, in range: TraceRange, line: UInt64
  ) throws(TraceError) {
    guard address.isPageAddress, address >= range.start, address < range.end else {
      throw TraceError(line: line, .malformed(.vaStart))
    }
    guard byteCount <= range.end - address else { throw TraceError(line: line, .malformed(.size)) }
  }
}

extension UInt64 {
  /// A whole number of pages, and not none.
  fileprivate var isPageAddress: Bool { self > 0 && self & (TraceRange.pageBytes - 1) == 0 }
}

extension TraceText {
  /// `0xff7d531e80000000-0xff7d531e80005000   20480 ...`, a row of /proc/vmallocinfo.
  fileprivate var isSnapshotRow: Bool {
    var cursor = TraceCursor(self, line: 0)
    cursor.skipBlanks()
    guard cursor.skip("0x"), cursor.skipHexDigits(), cursor.skip("-0x"), cursor.skipHexDigits() else {
      return false
    }
    return cursor.isAtEnd || self[cursor.position].isBlank
  }

  /// `CPU:1 [LOST 12 EVENTS]`, or `CPU:1 [LOST EVENTS]` where the kernel did not count them.
  fileprivate func lostEvents(line: UInt64) throws(TraceError) -> UInt64? {
    var cursor = TraceCursor(self, line: line)
    guard cursor.skip("CPU:") else { return nil }
    _ = cursor.word()
    cursor.skipBlanks()
    guard cursor.skip("[LOST ") else { return nil }
    return cursor.skip("EVENTS]") ? 0 : try cursor.number(.event)
  }
}
