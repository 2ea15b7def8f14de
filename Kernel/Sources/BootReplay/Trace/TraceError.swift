public import KernelMemory

/// Why a recording cannot be replayed, and at which of its lines (the first is 1).
public struct TraceError: Error, Equatable {
  public let line: UInt64
  public let problem: Problem

  init(line: UInt64, _ problem: Problem) {
    self.line = line
    self.problem = problem
  }

  /// The kernel lost events, for a reader of items that takes this for an error.
  public init(line: UInt64, lostEvents: UInt64) { self.init(line: line, .lostEvents(lostEvents)) }

  public enum Problem: Equatable, Sendable {
    /// Nothing, or nothing but white space.
    case empty
    /// A byte that no text has.
    case notText(UInt8)
    /// The text begins with a byte order mark.
    case byteOrderMark
    /// Output of ftrace's that says nothing about areas.
    case unusable(Output)
    /// The last line has no end.
    case truncated
    /// The header announces more events than follow.
    case eventsMissing(announced: UInt64, found: UInt64)
    /// A listing of /proc/vmallocinfo, which says what was live at one moment and not how it came about.
    case snapshot
    /// A header, but no event.
    case noEvents
    /// The kernel says that it dropped events here; zero where it does not say how many.
    case lostEvents(UInt64)
    /// A field that is missing, or does not read as what it should be.
    case malformed(Field)
    /// A number of more than 64 bits.
    case overflow(Field)
    /// A free of an address inside an area, which is live since the given line.
    case freeInsideArea(UInt64, since: UInt64)
    /// An allocation that overlaps an area, which is live since the given line.
    case overlap(UInt64, since: UInt64)
  }

  /// What ftrace can print instead of events in words.
  public enum Output: Equatable, Sendable {
    case raw, hex, functions, functionGraph, format
  }

  /// A part of a line, by the name that ftrace prints.
  public enum Field: Equatable, Sendable {
    case entries
    case task
    case timestamp
    case event
    case vaStart
    case size
    case align
    case vstart
    case vend
    case failed
    case nrLazy
    case nrLazyMax
    case start
    case end
    case numPurged
    case address

    var name: StaticString {
      switch self {
      case .entries: "entries-in-buffer/entries-written"
      case .task: "TASK-PID [CPU]"
      case .timestamp: "TIMESTAMP"
      case .event: "the event's name"
      case .vaStart: "va_start"
      case .size: "size"
      case .align: "align"
      case .vstart: "vstart"
      case .vend: "vend"
      case .failed: "failed"
      case .nrLazy: "nr_lazy"
      case .nrLazyMax: "nr_lazy_max"
      case .start: "start"
      case .end: "end"
      case .numPurged: "num_purged"
      case .address: "addr"
      }
    }
  }
}

extension TraceError {
  /// One sentence for a person: where, what, and what to do about it where that is known.
  public func write(to sink: inout some TextSink) {
    sink.write("cannot replay the trace: line ")
    sink.write(decimal: line)
    sink.write(": ")
    problem.write(to: &sink)
    sink.newline()
  }
}

extension TraceError.Problem {
  fileprivate func write(to sink: inout some TextSink) {
    switch self {
    case .empty:
      sink.write("the trace is empty")
    case .notText(let byte):
      sink.write("not text: a byte 0x")
      sink.write(hex: UInt64(byte), width: 2)
      sink.write("; is the file compressed, or the binary trace.dat?")
    case .truncated:
      sink.write("the trace is truncated: its last line has no end")
    case .eventsMissing(let announced, let found):
      sink.write("the trace is truncated: its header announces ")
      sink.write(decimal: announced)
      sink.write(" events, and ")
      sink.write(decimal: found)
      sink.write(" follow (of a trace that was filtered by hand, remove the header)")
    case .snapshot:
      sink.write("this is a /proc/vmallocinfo listing, the snapshot format: it has no events to replay; ")
      sink.write("give the text of ftrace's trace file, with the events of vmalloc")
    case .noEvents:
      sink.write("the trace ends here, with a header but no events")
    case .lostEvents(let count):
      writeLost(count, to: &sink)
    case .malformed(let field):
      sink.write("not a line of ftrace's: ")
      sink.write(field.name)
      sink.write(" is missing or malformed")
    case .overflow(let field):
      sink.write("the number in ")
      sink.write(field.name)
      sink.write(" does not fit into 64 bits")
    case .freeInsideArea(let address, let since):
      sink.write("frees ")
      sink.write(address: address)
      sink.write(", which is inside an area that is allocated since line ")
      sink.write(decimal: since)
    case .overlap(let address, let since):
      sink.write("allocates ")
      sink.write(address: address)
      sink.write(", which overlaps an area that is allocated since line ")
      sink.write(decimal: since)
    case .byteOrderMark:
      sink.write("the trace begins with a byte order mark, so an editor has saved it anew; ")
      sink.write("save it as UTF-8 without one")
    case .unusable(let output):
      output.write(to: &sink)
    }
  }

  private func writeLost(_ count: UInt64, to sink: inout some TextSink) {
    sink.write("the kernel lost ")
    if count > 0 {
      sink.write(decimal: count)
      sink.write(" ")
    }
    sink.write("events here, so what was live after is unknown; record again with a larger buffer_size_kb")
  }
}

extension TraceError.Output {
  fileprivate func write(to sink: inout some TextSink) {
    switch self {
    case .raw: sink.write("this is ftrace's raw output: its events have no names; echo noraw > trace_options")
    case .hex: sink.write("this is ftrace's hex output: its events have no names; echo nohex > trace_options")
    case .functions: sink.write("this is a function tracer's output: ")
    case .functionGraph: sink.write("this is the function graph tracer's output: ")
    case .format:
      sink.write("this is the format file of an event, which says how its lines look and has none")
    }
    if self == .functions || self == .functionGraph {
      sink.write("calls say nothing about areas; echo nop > current_tracer, and enable events/vmalloc")
    }
  }
}
