internal import KernelMemory

/// An area that the recording has allocated and not yet freed: where it was there, and where it is here.
struct LiveArea: ProbeEntry {
  /// The recorded va_start, by which its free names it.
  var key: UInt64
  /// The recorded bytes, guard page included.
  var byteCount: UInt64
  /// The line of the allocation.
  var line: UInt64
  /// Where it is here.
  var address: UInt64 = 0
  /// Counts the areas of all laps: no two areas have the same pattern.
  var ordinal: UInt64 = 0
  /// The slots of its task and its size in the tables of these.
  var task: Int = 0
  var size: Int = 0

  /// The pages behind it that are not mapped.
  let guardPages: UInt64
  /// The size of a page here, which may be larger than one of the recording's.
  private let pageSize: PageSize

  /// - Parameters:
  ///   - guardPages: how many it gets; nil for as many as it had.
  ///   - pageSize: the size of a page here.
  init(
    recorded address: UInt64, byteCount: UInt64, line: UInt64, guardPages: UInt16? = nil,
    pageSize: PageSize = .size4K
  ) {
    self.pageSize = pageSize
    key = address
    self.byteCount = byteCount
    self.line = line
    self.guardPages = guardPages.map { UInt64($0) } ?? Self.recordedGuards(byteCount)
  }

  static var vacant: LiveArea { LiveArea(recorded: 0, byteCount: 0, line: 0) }

  /// A recorded size includes one guard page. One page alone has no room for a guard: it is an area that
  /// was made without one (blocks of vm_map_ram), and so is ours.
  private static func recordedGuards(_ byteCount: UInt64) -> UInt64 {
    byteCount > TraceRange.pageBytes ? 1 : 0
  }

  /// What is asked for, and its pages in the recording.
  var askedBytes: UInt64 { recordedPages * TraceRange.pageBytes }
  var recordedPages: UInt64 { byteCount / TraceRange.pageBytes - Self.recordedGuards(byteCount) }

  /// Its pages here, and their bytes: those of the last page that nobody asked for are lost.
  var pages: UInt64 { PageCount(bytes: askedBytes, pageSize).rawValue }
  var mappedBytes: UInt64 { pages * pageSize.bytes }
  var lostBytes: UInt64 { mappedBytes - askedBytes }

  /// What it takes of addresses here.
  var spanBytes: UInt64 { mappedBytes + guardPages * pageSize.bytes }
}
