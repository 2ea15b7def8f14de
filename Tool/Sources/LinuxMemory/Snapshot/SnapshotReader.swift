// One pass over the lines of a text, each of which is taken for what it is: the area of a kernel's list, as
// most are; the rest of the area before it; a line of another file that lies beside the list; or damage,
// which is counted. A line as kernels print it never leaves the first branch of `take`.

struct SnapshotReader {
  var snapshot: Snapshot
  /// The area that the next line may go on with.
  private var partial = PartialArea()
  private var partialLine = 0
  /// A line that goes on in the next one without a blank.
  private var carry: [UInt8] = []
  private var replayReport = ReplayReportPart.none
  private let isStrict: Bool

  init(_ snapshot: Snapshot, isStrict: Bool) {
    self.snapshot = snapshot
    self.isStrict = isStrict
  }

  /// Takes a line; with `isStrict`, throws for damage.
  mutating func take(_ line: Span<UInt8>, _ number: Int) throws {
    snapshot.report.lines = number
    if carry.isEmpty, !LineCleaner.mayBeEncoded(line), let range = AddressScanner.plain(line) {
      finish()
      begin(range, number)
      if FieldScanner.scan(
        line, from: range.place.upperBound, into: &partial, &snapshot.callers, lenient: false),
        partial.stage >= .sized
      {
        return
      }
      partial = PartialArea()
    }
    let damage = snapshot.report.counts
    takePasted(line, number)
    try refuseBinary(line, number)
    if isStrict { try refuse(since: damage, number) }
  }

  /// The end of the text.
  mutating func end() throws {
    let damage = snapshot.report.counts
    if !carry.isEmpty {
      let rest = carry
      carry = []
      takeCleaned(rest.span, partialLine)
    }
    finish()
    if isStrict { try refuse(since: damage, partialLine) }
  }

  private func refuse(since before: [ReadReport.Damage: Int], _ number: Int) throws {
    for damage in ReadReport.Damage.allCases where snapshot.report[damage] > before[damage] ?? 0 {
      throw DamagedLine(name: snapshot.name, line: number, damage: damage)
    }
  }

  /// What has bytes of zero in a thousand lines of which none could be read is of no text, and may never end.
  private func refuseBinary(_ line: Span<UInt8>, _ number: Int) throws {
    guard snapshot.report[.unread] >= 1000, snapshot.isEmpty,
      line.indices.contains(where: { line.byte($0) == 0 })
    else { return }
    throw InputError.unsuitable(snapshot.name, "it is no text: line \(number) has bytes of zero")
  }

  private mutating func begin(_ range: AddressRange, _ number: Int) {
    partial.area.start = range.start
    partial.area.end = range.end
    partial.area.addresses = range.state
    partial.stage = .addressed
    partialLine = number
  }

  /// Adds the area that is complete now, since no line goes on with it.
  private mutating func finish() {
    if partial.stage == .empty { return }
    if partial.area.addresses == .hashed { partial.area.judgeAddresses() }
    let isReal = partial.area.addresses == .real
    if partial.area.size == nil {
      if isReal { partial.area.size = partial.area.end - partial.area.start }
      snapshot.report.add(.cut)
    } else if partial.area.addresses == .absent
      || partial.area.unknownWords.contains(where: { $0.contains("=") })
    {
      snapshot.report.add(.cut)
    }
    snapshot.add(partial.area)
    partial = PartialArea()
  }

  private mutating func takePasted(_ line: Span<UInt8>, _ number: Int) {
    if replayReport.takes(line) {
      finish()
      snapshot.report.foreign += 1
      return
    }
    var cleaned = LineCleaner.clean(line)
    if cleaned.wasMended { snapshot.report.add(.mended) }
    if !carry.isEmpty {
      var at = LinePrefix.length(cleaned.bytes.span)
      if at == cleaned.bytes.count { at = 0 }
      cleaned.bytes = carry + cleaned.bytes[at...]
      carry = []
      snapshot.report.add(.joined)
    }
    if cleaned.isBroken, !cleaned.bytes.isEmpty, cleaned.bytes.count < 4096 {
      carry = cleaned.bytes
      if partial.stage == .empty { partialLine = number }
      return
    }
    takeCleaned(cleaned.bytes.span, number)
  }

  private mutating func takeCleaned(_ line: Span<UInt8>, _ number: Int) {
    let ranges = AddressScanner.all(line)
    guard let first = ranges.first else {
      takeOther(line, number)
      return
    }
    takePrefix(line.extracting(0..<first.place.lowerBound), number)
    for (index, range) in ranges.enumerated() {
      finish()
      begin(range, number)
      if index > 0 { snapshot.report.add(.split) }
      let end = index + 1 < ranges.count ? ranges[index + 1].place.lowerBound : line.count
      let rest = line.extracting(range.place.upperBound..<end)
      if FieldScanner.scan(rest, from: 0, into: &partial, &snapshot.callers, lenient: true) { continue }
      if partial.stage >= .sized {
        snapshot.report.add(.stripped)
      } else {
        partial = PartialArea()
        snapshot.report.addUnread(number, line.text(0..<Swift.min(line.count, 120)))
      }
    }
  }

  /// What stands before the first addresses: the end of the area before, or a prefix.
  private mutating func takePrefix(_ prefix: Span<UInt8>, _ number: Int) {
    var at = 0
    prefix.skipSpaces(&at)
    if at == prefix.count { return }
    if continues(prefix, from: LinePrefix.length(prefix)) {
      takeContinuation(prefix, from: LinePrefix.length(prefix))
      return
    }
    finish()
    snapshot.report.add(.stripped)
    let mark = prefix.byte(at)
    if at == prefix.count - 1, mark == 0x2D || mark == 0x3C { snapshot.report.removedByDiff += 1 }
  }

  private mutating func takeOther(_ line: Span<UInt8>, _ number: Int) {
    let at = LinePrefix.length(line)
    if at == line.count {
      var blank = 0
      line.skipSpaces(&blank)
      if blank < line.count { snapshot.report.add(.stripped) }
      return
    }
    if continues(line, from: at) {
      takeContinuation(line, from: at)
      return
    }
    finish()
    if snapshot.meminfo.take(line) { return }
    switch snapshot.allocinfo.take(line) {
    case true?: break
    case nil: unread(line, number)
    case false?: takeStranger(line, at, number)
    }
  }

  /// A line that belongs to none of the files: an elision, half an area, or prose.
  private mutating func takeStranger(_ line: Span<UInt8>, _ at: Int, _ number: Int) {
    switch StrangeLine.classify(line, from: at) {
    case .elision: snapshot.report.add(.elided)
    case .foreign: snapshot.report.foreign += 1
    case .trace: snapshot.report.traceLines += 1
    case .half(let range, let size):
      partial.area.size = size
      partial.stage = .sized
      partialLine = number
      let half = line.extracting(range)
      _ = FieldScanner.scan(half, from: 0, into: &partial, &snapshot.callers, lenient: true)
      finish()
    case .unknown: unread(line, number)
    }
  }

  private mutating func unread(_ line: Span<UInt8>, _ number: Int) {
    snapshot.report.addUnread(number, line.text(0..<Swift.min(line.count, 120)))
  }

  /// Whether a line goes on with the area before it: its first word is what is still missing there.
  private func continues(_ line: Span<UInt8>, from at: Int) -> Bool {
    guard partial.stage > .empty, at < line.count else { return false }
    let words = line.words(in: at..<line.count)
    guard let first = words.first else { return false }
    let isAttribute = StrangeLine.isAttribute(line, first)
    switch partial.stage {
    case .empty: return false
    case .addressed: return line.byte(first.lowerBound).isDigit && !line.has("0x", at: first.lowerBound)
    case .sized: return isAttribute || StrangeLine.isCaller(line, words)
    case .called:
      return isAttribute || line.byte(first.lowerBound) == 0x5B
        || (partial.callerIsCut && line.byte(first.lowerBound) == 0x2F)
    case .attributed: return isAttribute
    }
  }

  private mutating func takeContinuation(_ line: Span<UInt8>, from at: Int) {
    snapshot.report.add(.joined)
    if !FieldScanner.scan(line, from: at, into: &partial, &snapshot.callers, lenient: true) {
      snapshot.report.add(.stripped)
    }
  }
}

extension Snapshot {
  /// Reads a file; `-` is standard input.
  ///
  /// Throws `InputError` for a file that cannot be read or holds nothing of interest, and `DamagedLine` for
  /// the first line that is not as a kernel prints it, with `isStrict`.
  public static func read(
    path: String, keepingAreas: Bool = false, isStrict: Bool = false
  ) throws -> Snapshot {
    var reader = try LineReader(path: path)
    return try read(&reader, keepingAreas: keepingAreas, isStrict: isStrict)
  }

  /// Reads a text in memory.
  public static func read(
    _ bytes: [UInt8], name: String = "memory", keepingAreas: Bool = false, isStrict: Bool = false
  ) throws -> Snapshot {
    var reader = LineReader(bytes, name: name)
    return try read(&reader, keepingAreas: keepingAreas, isStrict: isStrict)
  }

  private static func read(
    _ reader: inout LineReader, keepingAreas: Bool, isStrict: Bool
  ) throws -> Snapshot {
    var state = SnapshotReader(
      Snapshot(name: reader.name, keepsAreas: keepingAreas), isStrict: isStrict)
    try reader.forEachLine { line, number in
      if number == 1, let reason = StrangeLine.reasonToRefuse(line) {
        throw InputError.unsuitable(state.snapshot.name, reason)
      }
      try state.take(line, number)
    }
    try state.end()
    return state.snapshot
  }
}
