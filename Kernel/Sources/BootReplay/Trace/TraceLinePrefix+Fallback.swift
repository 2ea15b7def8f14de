// Heads without a CPU column
//
//       bash-17901   1.....   24389us+: alloc_vmap_area: ...                      (latency-format)
//       bash   17901   1 0 00000000 00000000 [249a62fd] 24.389ms (+0.315ms): ...  (and verbose)
//       bash 20874   651.867004:        vmalloc:alloc_vmap_area: ...              (perf script -F -cpu)
//     0.000 bash/21335 vmalloc:alloc_vmap_area(addr: 0xffffc90002e88000, ...)     (perf trace)
//     alloc_vmap_area: va_start: ...                                              (nocontext-info)
//
// They are rare and tried only where no CPU column was found. All but the last two are read from their time.

extension TraceLinePrefix {
  init?(withoutCPUColumn text: TraceText, line: UInt64) {
    if let found = TraceLinePrefix(readFromTime: text, line: line) ?? TraceLinePrefix(
      perfTrace: text, line: line)
      ?? TraceLinePrefix(bare: text, line: line)
    {
      self = found
    } else {
      return nil
    }
  }

  private init?(readFromTime text: TraceText, line: UInt64) {
    var cursor = TraceCursor(text, line: line)
    while !cursor.isAtEnd {
      cursor.skipBlanks()
      let start = cursor.position
      let word = cursor.word()
      var behind = cursor
      guard start > 0, let stamp = word.time(goingOnIn: &behind), let task = text.latencyTask(before: start),
        let found = try? TraceLinePrefix(task: task, timestamp: stamp, &behind)
      else { continue }
      self = found
      return
    }
    return nil
  }

  private init?(perfTrace text: TraceText, line: UInt64) {
    var cursor = TraceCursor(text, line: line)
    let stamp = cursor.word()
    guard stamp.isTime else { return nil }
    while !cursor.isAtEnd {
      cursor.skipBlanks()
      let start = cursor.position
      guard cursor.skip("vmalloc:") else {
        _ = cursor.word()
        continue
      }
      let nameStart = cursor.position
      guard let open = text.index(of: UInt8(ascii: "("), from: nameStart),
        let task = text.perfTraceTask(before: start)
      else { return nil }
      self.init(
        task: task, timestamp: stamp, event: text.cut(from: nameStart, upTo: open),
        payload: TraceCursor(text, line: line, at: open + 1), isParenthesized: true)
      return
    }
    return nil
  }

  /// A name in small letters and a payload of `name=value`: a sentence with a colon in it is none.
  private init?(bare text: TraceText, line: UInt64) {
    var cursor = TraceCursor(text, line: line)
    let name = cursor.word()
    if name.hasPrefix("<stack") {
      self.init(task: .empty, timestamp: .empty, event: .empty, payload: cursor)
      return
    }
    guard name.count > 1, name[name.count - 1] == UInt8(ascii: ":"), name.withoutLast.isEventName,
      name.withoutLast.kindOfEvent != nil || text.index(of: UInt8(ascii: "="), from: cursor.position) != nil
    else { return nil }
    self.init(task: .empty, timestamp: .empty, event: name.withoutLast, payload: cursor)
  }
}

extension TraceText {
  /// The time in `651.867004:`, `24389us+:`, `3us :` or `24.389ms (+0.315ms):`, of which `self` is the first
  /// word.
  fileprivate func time(goingOnIn cursor: inout TraceCursor) -> TraceText? {
    if isTimestamp { return withoutLast }
    var end = 0
    while end < count, self[end].isDigit || self[end] == UInt8(ascii: ".") { end += 1 }
    let digits = cut(from: 0, upTo: end)
    let unit = cut(from: end)
    guard digits.isTime, unit.hasPrefix("us") || unit.hasPrefix("ms") else { return nil }
    if unit.count > 2 { return unit[unit.count - 1] == UInt8(ascii: ":") ? digits : nil }
    let next = cursor.word()
    guard next.count > 0, next[next.count - 1] == UInt8(ascii: ":") else { return nil }
    return next.count == 1 || next.hasPrefix("(+") ? digits : nil
  }

  /// The task before the columns of a latency format, or before none at all.
  fileprivate func latencyTask(before end: Int) -> TraceText? {
    let end = indexBehindLastNonBlank(before: end)
    var start = end
    while start > 0, !self[start - 1].isBlank { start -= 1 }
    let column = cut(from: start, upTo: end)
    if column.isCPUWithFlags { return task(before: start) }
    guard column.count > 0, column[0] == UInt8(ascii: "["), column[column.count - 1] == UInt8(ascii: "]")
    else {
      return task(before: end)
    }
    // [time] behind: CPU, interrupts or policy, preemption count, index.
    for _ in 0..<4 {
      start = indexBehindLastNonBlank(before: start)
      while start > 0, self[start - 1].hexDigitValue != nil { start -= 1 }
    }
    return task(before: start)
  }

  /// `1.....`, `0d..1.`: the CPU's number and its flags without a blank between.
  private var isCPUWithFlags: Bool {
    guard count > 4, self[0].isDigit else { return false }
    var index = 0
    while index < count, self[index].isDigit { index += 1 }
    return index < count && count - index >= 3 && self[index] != UInt8(ascii: "/")
  }

  /// `bash/21335` or `(  ): bash/21335`, which ends before `end`.
  fileprivate func perfTraceTask(before end: Int) -> TraceText? {
    let end = indexBehindLastNonBlank(before: end)
    var slash = end
    while slash > 0, self[slash - 1].isDigit { slash -= 1 }
    guard slash < end, slash > 1, self[slash - 1] == UInt8(ascii: "/") else { return nil }
    var start = 0
    while start < slash, self[start].isBlank { start += 1 }
    while start < slash, !self[start].isBlank { start += 1 }
    while start < slash, self[start].isBlank { start += 1 }
    if start < slash, self[start] == UInt8(ascii: "("), let colon = index(of: UInt8(ascii: ":"), from: start)
    {
      start = colon + 1
      while start < slash, self[start].isBlank { start += 1 }
    }
    return start < slash - 1 ? cut(from: start, upTo: slash - 1) : nil
  }

  private var isWordOfSmallLetters: Bool {
    var index = 0
    while index < count {
      let byte = self[index]
      let isLetter = byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z")
      guard isLetter || byte.isDigit || byte == UInt8(ascii: "_") else { return false }
      index += 1
    }
    return count > 0
  }

  fileprivate var isEventName: Bool { isWordOfSmallLetters }

  /// Which output of ftrace's this line is that says nothing about areas.
  var unusableOutput: TraceError.Output? {
    var cursor = TraceCursor(self, line: 0)
    if isOfFormatFile { return .format }
    let first = cursor.word()
    if first.count > 1, first[0].isDigit, first[first.count - 1] == UInt8(ascii: ")") {
      return .functionGraph
    }
    let second = cursor.word()
    let third = cursor.word()
    guard cursor.word().isEqual(to: "type:"), first.isHex, second.isHex, third.isHex else { return nil }
    return first.count == 8 && second.count == 8 && third.count == 16 ? .hex : .raw
  }

  private var isOfFormatFile: Bool {
    hasPrefix("name: ") && cut(from: 6).isWordOfSmallLetters || hasPrefix("ID: ") || hasPrefix("format:")
      || hasPrefix("\tfield:") || hasPrefix("print fmt: ")
  }

  var isHex: Bool {
    var index = 0
    while index < count {
      if self[index].hexDigitValue == nil { return false }
      index += 1
    }
    return count > 0
  }
}
