// The head of a line
//
//               init-1       [000] d..1.     0.023258: alloc_vmap_area: va_start: ...
//     kworker/1:2-177 (  177) [001] .....    36.462497: free_vmap_area_noflush: ...
//     <--- task --> pid tgid  cpu   flags    timestamp  event
//
// A task may call itself anything, with blanks, dashes and brackets, so the head is read from its CPU
// column: the first ` [digits] ` that has a dash and a number before it and a timestamp behind it.
// The tgid and the flags are columns that can be switched off. The clock may print seconds or counts.

/// A line of an event, split.
struct TraceLinePrefix {
  let task: TraceText
  /// The name of the event; empty for the stack of an event, which has no name.
  let event: TraceText
  /// What lies behind the name.
  let payload: TraceCursor

  init(_ text: TraceText, line: UInt64) throws(TraceError) {
    var problem = TraceError(line: line, .malformed(.task))
    var start = 0
    while let bracket = text.index(of: UInt8(ascii: "["), from: start) {
      start = bracket + 1
      guard let task = text.task(before: bracket), let end = text.cpuColumnEnd(from: bracket) else {
        continue
      }
      do {
        try self.init(task: task, behindCPU: TraceCursor(text, line: line, at: end))
        return
      } catch {
        problem = error
      }
    }
    throw problem
  }

  private init(task: TraceText, behindCPU cursor: TraceCursor) throws(TraceError) {
    var cursor = cursor
    let first = cursor.word()
    if !first.isTimestamp, !cursor.word().isTimestamp {
      throw TraceError(line: cursor.line, .malformed(.timestamp))
    }
    let name = cursor.word()
    self.task = task
    payload = cursor
    if name.hasPrefix("<") {
      event = .empty
    } else if name.count > 1, name[name.count - 1] == UInt8(ascii: ":") {
      event = name.cut(from: 0, upTo: name.count - 1)
    } else {
      throw TraceError(line: cursor.line, .malformed(.event))
    }
  }
}

extension TraceText {
  /// The name in `    NAME-PID (TGID) ` that ends at `end`.
  fileprivate func task(before end: Int) -> TraceText? {
    var end = indexBehindLastNonBlank(before: end)
    if end > 0, self[end - 1] == UInt8(ascii: ")") {
      while end > 0, self[end - 1] != UInt8(ascii: "(") { end -= 1 }
      guard end > 0 else { return nil }
      end = indexBehindLastNonBlank(before: end - 1)
    }
    let pidEnd = end
    while end > 0, self[end - 1].isDigit { end -= 1 }
    guard end < pidEnd, end > 1, self[end - 1] == UInt8(ascii: "-") else { return nil }
    var start = 0
    while start < end - 1, self[start].isBlank { start += 1 }
    return start < end - 1 ? cut(from: start, upTo: end - 1) : nil
  }

  private func indexBehindLastNonBlank(before end: Int) -> Int {
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
  fileprivate var isTimestamp: Bool {
    guard count > 1, self[count - 1] == UInt8(ascii: ":"), self[0].isDigit else { return false }
    var points = 0
    var index = 0
    while index < count - 1 {
      if self[index] == UInt8(ascii: ".") { points += 1 } else if !self[index].isDigit { return false }
      index += 1
    }
    return points <= 1
  }
}
