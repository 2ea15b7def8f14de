// A recording in memory
//
// What `vmalloc replay` and `vmalloc explore` work on: the allocations and frees of a trace that belong
// together, or the areas of a listing, in order, 48 bytes each. Reading is lenient: what a strict replay
// refuses is mended where there is one way to do so, and counted. A free of an area that was never allocated
// is left out (the recording began late, or it is per-CPU memory). An allocation over a live area says that
// the free of that one was lost, and so it is freed first. A free inside an area, and a line that nobody can
// read, are left out.
public import BootReplay

/// The events of vmalloc that a replay can follow.
public struct Recording: Sendable {
  public enum Kind: UInt8, Sendable {
    case allocation, free
  }

  public struct Event: Sendable {
    public var kind: Kind
    /// The logarithm of the alignment.
    public var alignmentShift: UInt8 = 0
    /// Which of `ranges`.
    public var range: UInt16 = 0
    /// The task, and the function that asked where the trace has stacks; numbers in `names`, 0 for none.
    public var task: UInt32 = 0
    public var caller: UInt32 = 0
    /// The first address, and the bytes with the guard.
    public var address: UInt64
    public var byteCount: UInt64 = 0
    public var line: UInt64
    /// Nanoseconds where the clock has seconds, or else its counts.
    public var time: UInt64 = 0
  }

  /// What was read, line by line.
  public struct Counts: Equatable, Sendable {
    public var lines: UInt64 = 0
    public var allocations: UInt64 = 0
    public var failedAllocations: UInt64 = 0
    public var frees: UInt64 = 0
    public var purges: UInt64 = 0
    /// Events of other names, and stacks.
    public var others: UInt64 = 0
    public var stackFrames: UInt64 = 0
    /// Places where the kernel lost events, and how many, as far as it says.
    public var gaps: UInt64 = 0
    public var lostEvents: UInt64 = 0
    public var overwrittenEvents: UInt64 = 0
    public var announcedEvents: UInt64 = 0
    public var unreadLines: UInt64 = 0
    public var firstUnreadLine: UInt64 = 0
    /// Frees that nothing in the recording belongs to; frees inside an area.
    public var freesOfOthers: UInt64 = 0
    public var freesInside: UInt64 = 0
    /// Areas that must have been freed unseen, since another one lies where they were.
    public var freesUnseen: UInt64 = 0
    /// Allocations and frees that are replayed.
    public var replayed: UInt64 = 0

    public init() {}

    public var events: UInt64 { allocations + failedAllocations + frees + purges + others }
  }

  /// The name of the file.
  public var name: String
  public internal(set) var events: [Event] = []
  public internal(set) var names = NameTable()
  public internal(set) var ranges: [TraceRange] = []
  public internal(set) var counts = Counts()
  /// What the events come to.
  public internal(set) var figures = TraceFigures(
    liveAreas: 0, liveBytes: 0, peakBytes: 0, peakAreas: 0, freesOfOthers: 0)
  /// Whether times are nanoseconds.
  public internal(set) var hasSeconds = false
  /// Whether the events are areas of a listing, which has no frees and no times.
  public internal(set) var isListing = false

  init(name: String) { self.name = name }

  /// Who an event is charged to: the function that asked, where that is known, or else the task.
  public func owner(of event: Event) -> UInt32 { event.caller != 0 ? event.caller : event.task }
}

extension Recording {
  /// The counts as the replay's report has them.
  public var census: TraceCensus {
    TraceCensus(
      lines: counts.lines, allocations: figures.allocations(of: self),
      failedAllocations: counts.failedAllocations, frees: counts.frees, purges: counts.purges,
      others: counts.others,
      overwritten: counts.overwrittenEvents)
  }
}

extension TraceFigures {
  fileprivate func allocations(of recording: Recording) -> UInt64 {
    recording.events.reduce(0) { $0 + ($1.kind == .allocation ? 1 : 0) }
  }
}
