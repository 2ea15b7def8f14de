// The head of a line
//
//               init-1       [000] d..1.     0.023258: alloc_vmap_area: va_start: ...
//     kworker/1:2-177 (  177) [001] .....    36.462497: free_vmap_area_noflush: ...
//     <--- task --> pid tgid  cpu   flags    timestamp  event
//               bash 20874/20874 [001]   651.867004946:        vmalloc:alloc_vmap_area: ...    (perf script)
//
// A task may call itself anything of up to 15 bytes, with blanks, dashes and brackets, so the head is read
// from its CPU column: a ` [digits] ` that has a number before it and a timestamp behind it. Where a name
// holds such a column itself, or a payload does, several places may read so: the one that makes an event of
// vmalloc of a task whose name is not too long is the right one, since neither a name has room for all of
// that, nor has a payload that is read as part of a name. The tgid and the flags are columns that can be
// switched off. The clock may print seconds or counts. Lines that have no such column:
// TraceLinePrefix+Fallback.swift.

/// A line of an event, split.
public struct TraceLinePrefix {
  /// The task's name; empty where the line has none.
  public let task: TraceText
  /// The digits of the time, with a point where the clock counts seconds; empty where the line has none.
  public let timestamp: TraceText
  /// The name of the event without its group; empty for the stack of an event, which has no name.
  public let event: TraceText
  /// What lies behind the name.
  let payload: TraceCursor
  /// Whether the payload is `(name: value, name: value)`, as `perf trace` has it.
  let isParenthesized: Bool
  /// Which of the events that are replayed it is; nil for another one.
  let kind: Kind?

  enum Kind {
    case allocation, free, purge
  }

  init(
    task: TraceText, timestamp: TraceText, event: TraceText, payload: TraceCursor,
    isParenthesized: Bool = false
  ) {
    self.task = task
    self.timestamp = timestamp
    self.event = event
    self.payload = payload
    self.isParenthesized = isParenthesized
    kind = event.kindOfEvent
  }

  /// The most bytes in the name of a task (TASK_COMM_LEN without its NUL).
  private static var longestTask: Int { 15 }

  init(_ text: TraceText, line: UInt64) throws(TraceError) {
    var problem = TraceError(line: line, .malformed(.task))
    var first: TraceLinePrefix?
    var start = 0
    while let bracket = text.index(of: UInt8(ascii: "["), from: start) {
      start = bracket + 1
      guard let task = text.task(before: bracket), let end = text.cpuColumnEnd(from: bracket) else {
        continue
      }
      do {
        let found = try TraceLinePrefix(task: task, behindCPU: TraceCursor(text, line: line, at: end))
        if found.isOfVmalloc, task.count <= Self.longestTask {
          self = found
          return
        }
        if first == nil { first = found }
      } catch {
        if first == nil { problem = error }
      }
    }
    if let found = first ?? TraceLinePrefix(withoutCPUColumn: text, line: line) {
      self = found
      return
    }
    throw text.unusableOutput.map { TraceError(line: line, .unusable($0)) } ?? problem
  }

  private init(task: TraceText, behindCPU cursor: TraceCursor) throws(TraceError) {
    var cursor = cursor
    var stamp = cursor.word()
    if !stamp.isTimestamp {
      stamp = cursor.word()
      guard stamp.isTimestamp else { throw TraceError(line: cursor.line, .malformed(.timestamp)) }
    }
    try self.init(task: task, timestamp: stamp.withoutLast, &cursor)
  }

  /// Reads the event's name.
  init(task: TraceText, timestamp: TraceText, _ cursor: inout TraceCursor) throws(TraceError) {
    let name = cursor.word()
    let event: TraceText
    if name.hasPrefix("<stack") {
      event = .empty
    } else if name.count > 1, name[name.count - 1] == UInt8(ascii: ":") {
      event = name.withoutLast.withoutGroup
    } else {
      let isCall = cursor.word().hasPrefix("<-")
      throw TraceError(line: cursor.line, isCall ? .unusable(.functions) : .malformed(.event))
    }
    if event.isEqual(to: "function") || event.hasPrefix("funcgraph_") {
      throw TraceError(line: cursor.line, .unusable(.functions))
    }
    self.init(task: task, timestamp: timestamp, event: event, payload: cursor)
  }

  /// Whether the event is one of those that are replayed.
  var isOfVmalloc: Bool { kind != nil }
}

extension TraceText {
  /// Lengths tell the three names apart, so that one of them at most is compared.
  var kindOfEvent: TraceLinePrefix.Kind? {
    switch count {
    case 15: isEqual(to: "alloc_vmap_area") ? .allocation : nil
    case 22: isEqual(to: "free_vmap_area_noflush") ? .free : nil
    case 20: isEqual(to: "purge_vmap_area_lazy") ? .purge : nil
    default: nil
    }
  }

  var withoutLast: TraceText { cut(from: 0, upTo: count - 1) }

  /// `vmalloc:alloc_vmap_area` without the group's name, as perf has it.
  var withoutGroup: TraceText { hasPrefix("vmalloc:") ? cut(from: 8) : self }

  /// The name in `    NAME-PID (TGID) `, `    NAME PID ` or `    NAME PID/TID ` that ends at `end`.
  func task(before end: Int) -> TraceText? {
    var end = indexBehindLastNonBlank(before: end)
    if end > 0, self[end - 1] == UInt8(ascii: ")") {
      while end > 0, self[end - 1] != UInt8(ascii: "(") { end -= 1 }
      guard end > 0 else { return nil }
      end = indexBehindLastNonBlank(before: end - 1)
    }
    guard var start = indexOfNumber(before: end), start > 1 else { return nil }
    if self[start - 1] == UInt8(ascii: "/") {
      guard let first = indexOfNumber(before: start - 1), first > 1 else { return nil }
      start = first
    }
    guard self[start - 1] == UInt8(ascii: "-") || self[start - 1].isBlank else { return nil }
    let nameEnd =
      self[start - 1] == UInt8(ascii: "-") ? start - 1 : indexBehindLastNonBlank(before: start - 1)
    start = 0
    while start < nameEnd, self[start].isBlank { start += 1 }
    return start < nameEnd ? cut(from: start, upTo: nameEnd) : nil
  }

  /// Where the number begins whose last digit is before `end`.
  private func indexOfNumber(before end: Int) -> Int? {
    var start = end
    while start > 0, self[start - 1].isDigit { start -= 1 }
    return start < end ? start : nil
  }

  func indexBehindLastNonBlank(before end: Int) -> Int {
    var end = end
    while end > 0, self[end - 1].isBlank { end -= 1 }
    return end
  }

  /// The place behind `[digits]`, if that is what begins at `bracket`.
  fileprivate func cpuColumnEnd(from bracket: Int) -> Int? {
    var index = bracket + 1
    while index < count, self[index].isDigit { index += 1 }
    guard index > bracket + 1, index < count, self[index] == UInt8(ascii: "]") else { return nil }
    return index + 1
  }

  /// Digits with at most one point among them, and a colon: `36.462497:`.
  var isTimestamp: Bool {
    guard count > 1, self[count - 1] == UInt8(ascii: ":"), self[0].isDigit else { return false }
    return cut(from: 0, upTo: count - 1).isTime
  }

  /// Digits with at most one point among them.
  var isTime: Bool {
    guard count > 0, self[0].isDigit else { return false }
    var points = 0
    var index = 0
    while index < count {
      if self[index] == UInt8(ascii: ".") { points += 1 } else if !self[index].isDigit { return false }
      index += 1
    }
    return points <= 1
  }
}
