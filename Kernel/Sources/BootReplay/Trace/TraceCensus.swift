/// What a recording has, counted in one pass that needs no memory. A recording that has been counted is
/// well-formed to its last line: a later pass meets no malformed one.
public struct TraceCensus: Equatable, Sendable {
  public private(set) var lines: UInt64 = 0
  public private(set) var allocations: UInt64 = 0
  /// Allocations for which the recorded kernel found no room; they are not among `allocations`.
  public private(set) var failedAllocations: UInt64 = 0
  public private(set) var frees: UInt64 = 0
  public private(set) var purges: UInt64 = 0
  /// Events of other names.
  public private(set) var others: UInt64 = 0
  /// Events before the first one, which the recording's buffer had no room to keep.
  public private(set) var overwritten: UInt64 = 0

  /// The counts of events that were read elsewhere.
  public init(
    lines: UInt64, allocations: UInt64, failedAllocations: UInt64, frees: UInt64, purges: UInt64,
    others: UInt64,
    overwritten: UInt64
  ) {
    self.lines = lines
    self.allocations = allocations
    self.failedAllocations = failedAllocations
    self.frees = frees
    self.purges = purges
    self.others = others
    self.overwritten = overwritten
  }

  public init(_ trace: TraceText) throws(TraceError) {
    var reader = TraceReader(trace)
    while let event = try reader.next() {
      switch event {
      case .allocation(let allocation) where allocation.failed: failedAllocations += 1
      case .allocation: allocations += 1
      case .free: frees += 1
      case .purge: purges += 1
      case .other: others += 1
      }
    }
    lines = reader.line
    overwritten = reader.overwrittenEvents
    if reader.isBlank { throw TraceError(line: max(lines, 1), .empty) }
    if events < reader.announcedEvents, events > 0 {
      throw TraceError(line: lines, .eventsMissing(announced: reader.announcedEvents, found: events))
    }
    if events == 0 { throw TraceError(line: lines, .noEvents) }
  }

  public var events: UInt64 { allocations + failedAllocations + frees + purges + others }
}
