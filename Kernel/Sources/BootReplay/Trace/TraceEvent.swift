/// What one line of a recording says.
public enum TraceEvent {
  /// alloc_vmap_area
  case allocation(TraceAllocation)
  /// free_vmap_area_noflush, with its va_start
  case free(UInt64)
  /// purge_vmap_area_lazy: how the recorded kernel gave ranges back late; a replay has its own ways.
  case purge
  /// An event of another name, or the stack of one.
  case other
}

/// An `alloc_vmap_area` event.
public struct TraceAllocation {
  /// Who asked: the task's name without its number.
  public let task: TraceText
  /// va_start: where the recorded kernel put the area. Nothing more than a name here.
  public let address: UInt64
  /// The bytes of the range, its guard page included.
  public let byteCount: UInt64
  public let alignment: UInt64
  public let range: TraceRange
  /// The recorded kernel found no room.
  public let failed: Bool

  public init(
    task: TraceText, address: UInt64, byteCount: UInt64, alignment: UInt64, range: TraceRange, failed: Bool
  ) {
    self.task = task
    self.address = address
    self.byteCount = byteCount
    self.alignment = alignment
    self.range = range
    self.failed = failed
  }
}

/// Where an allocation was asked to lie. Linux writes the end of its vmalloc range as that of the last
/// byte, others as the first byte behind, but compares both as the latter: the unfinished page at the
/// end of the former is never handed out, and rounding down says the same of both.
public struct TraceRange: Hashable, Sendable {
  public let start: UInt64
  /// The first byte behind, rounded down to a page.
  public let end: UInt64

  public init(vstart: UInt64, vend: UInt64) {
    start = vstart
    end = vend & ~(TraceRange.pageBytes - 1)
  }

  /// The recordings are of kernels with pages of 4 KiB.
  public static var pageBytes: UInt64 { 4096 }
}
