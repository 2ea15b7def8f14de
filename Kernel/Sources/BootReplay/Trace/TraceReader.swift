// The recording
//
// The text of ftrace's `trace` file, of `trace-cmd report` or of `perf script`, with the three events of
// vmalloc. Every line is an event, a comment (`#`), a frame of a stack (` =>`), or an error: a line that is
// passed over in silence could be the free that makes all later numbers wrong. A well-formed event of another
// name is counted; a trace often has more than vmalloc in it.
//
// A reader of events takes lost events for an error and not for a warning. Behind a hole nobody knows what is
// live: the next allocation may be at an address that the hole freed, and the figures of such a replay would
// be of no boot that ever was. What was overwritten *before* the first event (the header tells) is different:
// it is a recording that began later, consistent in itself, but for frees of what was there before. Who reads
// items goes on behind lost events and behind errors, and counts them.

/// What a line of a recording is.
public enum TraceItem {
  case event(TraceEvent, TraceLinePrefix)
  /// A function of the stack of the event before.
  case frame(TraceText)
  /// The kernel lost events here; zero where it does not say how many.
  case lost(UInt64)
  /// A comment, or a line of a header.
  case comment
}

/// The events of a recording, in order, with the line of each.
public struct TraceReader {
  private var lines: TraceLines
  /// What the headers so far announce, and what they say was recorded and overwritten since.
  public private(set) var announcedEvents: UInt64 = 0
  public private(set) var overwrittenEvents: UInt64 = 0
  /// Whether any line was more than blanks.
  private(set) var isBlank = true

  /// - Parameter line: the number of the line before the first one, where the text is a part of a recording.
  public init(_ text: TraceText, behind line: UInt64 = 0) { lines = TraceLines(text, behind: line) }

  /// The number of the line that was read last; zero before.
  public var line: UInt64 { lines.number }

  /// The next event, or nil behind the last line.
  mutating func next() throws(TraceError) -> TraceEvent? {
    while let item = try nextItem() {
      switch item {
      case .event(let event, _): return event
      case .lost(let count): throw TraceError(line: line, .lostEvents(count))
      case .frame, .comment: break
      }
    }
    return nil
  }

  /// What the next line is that is not blank, or nil behind the last one. Behind an error it goes on with the
  /// line after.
  public mutating func nextItem() throws(TraceError) -> TraceItem? {
    while let text = try lines.next() {
      var cursor = TraceCursor(text, line: line)
      cursor.skipBlanks()
      if cursor.isAtEnd { continue }
      isBlank = false
      do {
        return try item(text, &cursor)
      } catch {
        // A file that is not text has control characters, and no line that makes sense.
        throw text.firstControl.map { TraceError(line: line, .notText($0)) } ?? error
      }
    }
    return nil
  }

  private mutating func item(_ text: TraceText, _ cursor: inout TraceCursor) throws(TraceError) -> TraceItem {
    if cursor.skip("#") {
      try readHeader(&cursor)
      return .comment
    }
    if cursor.skip("=> ") { return .frame(cursor.word()) }
    let prefix: TraceLinePrefix
    do {
      prefix = try TraceLinePrefix(text, line: line)
    } catch {
      return try otherItem(text, error)
    }
    return .event(try event(prefix), prefix)
  }

  /// What a line is that has no event.
  private func otherItem(_ text: TraceText, _ problem: TraceError) throws(TraceError) -> TraceItem {
    if let lost = try text.lostEvents(line: line) { return .lost(lost) }
    if let frame = text.perfFrame { return .frame(frame) }
    if text.isHeaderOfTraceCmd { return .comment }
    throw text.isSnapshotRow ? TraceError(line: line, .snapshot) : problem
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

  private func event(_ prefix: TraceLinePrefix) throws(TraceError) -> TraceEvent {
    var payload = prefix.payload
    switch prefix.kind {
    case .allocation:
      return .allocation(
        prefix.isParenthesized
          ? try TraceAllocation(by: prefix.task, parenthesized: payload)
          : try TraceAllocation(by: prefix.task, &payload))
    case .free:
      if prefix.isParenthesized {
        return .free(try payload.argument(.vaStart).checkedPage(.vaStart, line: line))
      }
      let address = try payload.number(of: .vaStart)
      _ = try payload.number(of: .nrLazy)
      _ = try payload.number(of: .nrLazyMax)
      return .free(try address.checkedPage(.vaStart, line: line))
    case .purge:
      if prefix.isParenthesized { return .purge }
      _ = try payload.number(of: .start)
      _ = try payload.number(of: .end)
      _ = try payload.number(of: .numPurged)
      return .purge
    case nil:
      return .other
    }
  }
}

extension TraceAllocation {
  fileprivate init(by task: TraceText, _ payload: inout TraceCursor) throws(TraceError) {
    try self.init(
      by: task, line: payload.line, address: payload.number(of: .vaStart),
      byteCount: payload.number(of: .size),
      alignment: payload.number(of: .align), vstart: payload.number(of: .vstart),
      vend: payload.number(of: .vend), failed: payload.number(of: .failed))
  }

  /// Arguments by name, of which those that are zero may be missing.
  fileprivate init(by task: TraceText, parenthesized payload: TraceCursor) throws(TraceError) {
    try self.init(
      by: task, line: payload.line, address: payload.argument(.address), byteCount: payload.argument(.size),
      alignment: payload.argument(.align), vstart: payload.argument(.vstart), vend: payload.argument(.vend),
      failed: payload.argument(.failed))
  }

  private init(
    by task: TraceText, line: UInt64, address: UInt64, byteCount: UInt64, alignment: UInt64, vstart: UInt64,
    vend: UInt64, failed: UInt64
  ) throws(TraceError) {
    let byteCount = try byteCount.checkedPage(.size, line: line)
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
    guard address & (TraceRange.pageBytes - 1) == 0, address >= range.start, address < range.end else {
      throw TraceError(line: line, .malformed(.vaStart))
    }
    guard byteCount <= range.end - address else { throw TraceError(line: line, .malformed(.size)) }
  }
}

extension UInt64 {
  /// A whole number of pages, and not none.
  fileprivate func checkedPage(_ field: TraceError.Field, line: UInt64) throws(TraceError) -> UInt64 {
    guard self > 0, self & (TraceRange.pageBytes - 1) == 0 else {
      throw TraceError(line: line, .malformed(field))
    }
    return self
  }
}

extension TraceText {
  /// `0xff7d531e80000000-0xff7d531e80005000   20480 ...`, a row of /proc/vmallocinfo, also where the
  /// addresses are hidden: `0x(____ptrval____)-0x(____ptrval____)`.
  fileprivate var isSnapshotRow: Bool {
    var cursor = TraceCursor(self, line: 0)
    cursor.skipBlanks()
    guard cursor.skipPointer(), cursor.skip("-"), cursor.skipPointer() else { return false }
    return cursor.isAtEnd || self[cursor.position].isBlank
  }

  /// `CPU:1 [LOST 12 EVENTS]`, or `CPU:1 [LOST EVENTS]` where the kernel did not count them; trace-cmd has
  /// `[12 EVENTS DROPPED]`, perf a record of its own.
  fileprivate func lostEvents(line: UInt64) throws(TraceError) -> UInt64? {
    var cursor = TraceCursor(self, line: line)
    if cursor.skip("CPU:") {
      _ = cursor.word()
      cursor.skipBlanks()
      if cursor.skip("[LOST ") { return cursor.skip("EVENTS]") ? 0 : try cursor.number(.event) }
      if cursor.skip("[EVENTS DROPPED]") { return 0 }
      return cursor.skip("[") ? try? cursor.number(.event) : nil
    }
    while !cursor.isAtEnd {
      guard cursor.word().hasPrefix("PERF_RECORD_LOST") else { continue }
      _ = cursor.word()
      cursor.skipBlanks()
      return (try? cursor.number(.event)) ?? 0
    }
    return nil
  }

  /// The function in `<tab>ffffffff81607dc4 alloc_vmap_area+0x684 ([kernel.kallsyms])`.
  fileprivate var perfFrame: TraceText? {
    var cursor = TraceCursor(self, line: 0)
    cursor.skipBlanks()
    guard cursor.position > 0 else { return nil }
    let address = cursor.word()
    guard address.count >= 4, address.isHex else { return nil }
    let symbol = cursor.word()
    guard symbol.count > 0 else { return nil }
    return symbol.cut(from: 0, upTo: symbol.index(of: UInt8(ascii: "+")) ?? symbol.count)
  }

  /// Lines before the events of `trace-cmd report`.
  fileprivate var isHeaderOfTraceCmd: Bool {
    hasPrefix("cpus=") || hasPrefix("version = ") || hasPrefix("CPU ") && index(of: UInt8(ascii: "[")) == nil
  }
}
