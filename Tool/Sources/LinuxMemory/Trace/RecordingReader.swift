internal import BootReplay
public import KernelMemory

/// A recording that cannot be read at all, or not under `--strict`, as a sentence.
public struct RecordingError: Error, Equatable, CustomStringConvertible {
  public let name: String
  public let line: UInt64
  /// Whether the text could have been read leniently.
  public let isOfStrict: Bool
  public let description: String

  init(_ error: TraceError, in name: String, isOfStrict: Bool = false) {
    self.name = name
    self.isOfStrict = isOfStrict
    line = error.line
    var text = TextCollector()
    error.write(to: &text)
    let sentence = text.string.dropLast()
    let reason = sentence.split(separator: ": ", maxSplits: 1).last.map(String.init) ?? String(sentence)
    description = "\(name): \(reason)."
  }

  init(name: String, line: UInt64, isOfStrict: Bool = false, _ reason: String) {
    self.name = name
    self.isOfStrict = isOfStrict
    self.line = line
    description = "\(name): \(reason)."
  }
}

extension Recording {
  /// Reads a trace in one pass; `-` is standard input.
  /// - Parameters:
  ///   - isStrict: whether the first line that is damaged, and lost events, are errors.
  ///   - progress: called after each block with the bytes read and, for a file, the bytes of all.
  /// - Throws: `InputError`, `RecordingError`.
  public static func read(
    path: String, isStrict: Bool = false, block: Int = 1 << 20, progress: (Int, Int?) -> Void = { _, _ in }
  ) throws -> Recording {
    var blocks = try BlockReader(path: path, block: block)
    var reader = RecordingReader(name: path == "-" ? "standard input" : path, isStrict: isStrict)
    let total = blocks.byteCount
    try unsafe blocks.forEachBlock { bytes, bytesRead in
      try unsafe reader.add(bytes)
      progress(bytesRead, total)
    }
    return try reader.finish()
  }

  /// Reads a trace that is in memory.
  public static func read(_ bytes: [UInt8], name: String = "memory", isStrict: Bool = false) throws
    -> Recording
  {
    var reader = RecordingReader(name: name, isStrict: isStrict)
    try unsafe bytes.withUnsafeBytes { bytes in try unsafe reader.add(bytes) }
    return try reader.finish()
  }
}

/// Makes a recording of blocks of lines.
struct RecordingReader {
  private var recording: Recording
  private let isStrict: Bool
  private var rangeNumbers: [TraceRange: UInt16] = [:]
  /// The event that the next frames of a stack belong to, while its caller is unknown.
  private var stackOwner: Int?
  /// The last bytes had no line end.
  private var isCut = false
  private var hasText = false

  init(name: String, isStrict: Bool) {
    recording = Recording(name: name)
    self.isStrict = isStrict
  }

  /// Reads whole lines; the last block's last line may have no end.
  @unsafe
  mutating func add(_ bytes: UnsafeRawBufferPointer) throws {
    var hasMark = recording.counts.lines == 0
    if hasMark { unsafe hasMark = bytes.starts(with: [0xef, 0xbb, 0xbf]) }
    let bytes = unsafe UnsafeRawBufferPointer(rebasing: bytes[(hasMark ? 3 : 0)...])
    guard let last = unsafe bytes.last else { return }
    if last == UInt8(ascii: "\n") {
      try read(unsafe TraceText(bytes))
    } else {
      isCut = true
      let mended = unsafe Array(bytes) + [UInt8(ascii: "\n")]
      try unsafe mended.withUnsafeBytes { bytes in try read(unsafe TraceText(bytes)) }
    }
  }

  private mutating func read(_ text: TraceText) throws {
    var reader = TraceReader(text, behind: recording.counts.lines)
    var isMore = true
    while isMore {
      do throws(TraceError) {
        if let item = try reader.nextItem() { try add(item, line: reader.line) } else { isMore = false }
      } catch {
        try count(error)
      }
    }
    recording.counts.lines = reader.line
    recording.counts.announcedEvents &+= reader.announcedEvents
    recording.counts.overwrittenEvents &+= reader.overwrittenEvents
  }

  /// What is no trace at all is an error; a damaged line is one that was not read.
  private mutating func count(_ error: TraceError) throws {
    let isFirst = recording.counts.events == 0
    switch error.problem {
    case .unusable, .byteOrderMark: throw RecordingError(error, in: recording.name)
    case .snapshot where isFirst, .notText where isFirst: throw RecordingError(error, in: recording.name)
    default: break
    }
    if isStrict { throw RecordingError(error, in: recording.name, isOfStrict: true) }
    recording.counts.unreadLines += 1
    if recording.counts.firstUnreadLine == 0 { recording.counts.firstUnreadLine = error.line }
  }

  private mutating func add(_ item: TraceItem, line: UInt64) throws(TraceError) {
    switch item {
    case .event(let event, let prefix): add(event, prefix, line)
    case .frame(let function):
      recording.counts.stackFrames += 1
      if let owner = stackOwner, !function.isOfAllocator {
        recording.events[owner].caller = recording.names.number(of: function)
        stackOwner = nil
      }
    case .lost(let events):
      if isStrict { throw TraceError(line: line, lostEvents: events) }
      recording.counts.gaps += 1
      recording.counts.lostEvents &+= events
    case .comment: break
    }
  }

  private mutating func add(_ event: TraceEvent, _ prefix: TraceLinePrefix, _ line: UInt64) {
    switch event {
    case .allocation(let area) where area.failed:
      recording.counts.failedAllocations += 1
      stackOwner = nil
    case .allocation(let area):
      recording.counts.allocations += 1
      append(area, prefix, line)
    case .free(let address):
      recording.counts.frees += 1
      stackOwner = nil
      recording.events.append(
        Recording.Event(kind: .free, address: address, line: line, time: time(prefix.timestamp)))
    case .purge:
      recording.counts.purges += 1
      stackOwner = nil
    case .other:
      recording.counts.others += 1
      stackOwner = prefix.event.isEmpty ? allocation(before: prefix.task) : nil
    }
  }

  private mutating func append(_ area: TraceAllocation, _ prefix: TraceLinePrefix, _ line: UInt64) {
    stackOwner = recording.events.count
    recording.events.append(
      Recording.Event(
        kind: .allocation, alignmentShift: UInt8(area.alignment.trailingZeroBitCount),
        range: number(of: area.range),
        task: recording.names.number(of: area.task), address: area.address, byteCount: area.byteCount,
        line: line,
        time: time(prefix.timestamp)))
  }

  /// The allocation whose stack comes now: the last one by that task, not far above.
  private mutating func allocation(before task: TraceText) -> Int? {
    let number = recording.names.number(of: task)
    return recording.events.indices.suffix(16).last {
      recording.events[$0].kind == .allocation && recording.events[$0].task == number
    }
  }

  private mutating func number(of range: TraceRange) -> UInt16 {
    for number in 0..<min(4, recording.ranges.count) where recording.ranges[number] == range {
      return UInt16(number)
    }
    if let known = rangeNumbers[range] { return known }
    // Ranges are a handful; a text that has more has them shared.
    let number = UInt16(min(recording.ranges.count, 1 << 15))
    if Int(number) == recording.ranges.count { recording.ranges.append(range) }
    rangeNumbers[range] = number
    return number
  }

  /// Nanoseconds of `36.462497`, or the number of a clock that counts.
  private mutating func time(_ text: TraceText) -> UInt64 {
    unsafe text.withUTF8 { digits in
      var value: UInt64 = 0
      var decimals = -1
      for index in 0..<digits.count {
        let byte = unsafe digits[index]
        if byte == UInt8(ascii: ".") {
          decimals = 0
        } else if decimals < 9 {
          value = value &* 10 &+ UInt64(byte &- UInt8(ascii: "0"))
          if decimals >= 0 { decimals += 1 }
        }
      }
      guard decimals >= 0 else { return value }
      recording.hasSeconds = true
      for _ in decimals..<9 { value = value &* 10 }
      return value
    }
  }

  /// The recording, paired.
  mutating func finish() throws -> Recording {
    let counts = recording.counts
    if isStrict, isCut {
      throw RecordingError(
        name: recording.name, line: counts.lines, isOfStrict: true, "its last line has no end")
    }
    if counts.lines == 0 { throw RecordingError(name: recording.name, line: 0, "it is empty") }
    if counts.events == 0 {
      throw RecordingError(
        name: recording.name, line: counts.firstUnreadLine,
        counts.unreadLines > 0
          ? "no line of it is an event; the first that could not be read is line \(counts.firstUnreadLine)"
          : "it has a header but no events")
    }
    recording.pair()
    return recording
  }
}

extension TraceText {
  /// Functions between the caller and the event: of no use for saying whose an area is.
  fileprivate var isOfAllocator: Bool {
    unsafe withUTF8 { bytes in
      let name = unsafe String(decoding: bytes, as: UTF8.self)
      let bare = name.drop { $0 == "_" }
      return Self.allocators.contains { bare.hasPrefix($0) }
    }
  }

  private static let allocators = [
    "trace_event_raw_event", "bpf_trace_run", "traceiter_", "perf_trace_", "alloc_vmap_area", "get_vm_area",
    "vmalloc", "vzalloc", "vcalloc", "kvmalloc", "kvzalloc", "kvcalloc", "kvrealloc", "vmap", "vm_map_ram",
    "ioremap",
    "module_alloc", "execmem_", "new_vmap_block", "vb_alloc", "dma_common_", "vmalloc_node_range",
  ]
}

/// Collects what is written to it.
public struct TextCollector: TextSink {
  private var bytes: [UInt8] = []

  public init() {}

  public mutating func write(_ byte: UInt8) { bytes.append(byte) }

  public var string: String { String(decoding: bytes, as: UTF8.self) }
}
