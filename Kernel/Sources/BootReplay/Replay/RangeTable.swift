// Ranges
//
// A recorded allocation names the range in which it had to lie. Each range becomes an arena of
// its own, at the recorded addresses, where the manager can have it there. It cannot where the addresses are
// of more levels than its page tables have (a kernel with 5 levels places its vmalloc range by 57 bits), or
// where the range meets one that it manages already. Then its own vmalloc range stands in, and the report
// says so. Ranges that come after the table is full share its last row, and the vmalloc range.

internal import KernelMemory

/// A range of the recording, and what stands for it here.
struct ReplayRange {
  let recorded: TraceRange
  let areas: ArenaID
  /// Why the manager's vmalloc range stands in; nil where the recorded addresses are used.
  let refusal: MemoryError?
  var allocations: UInt64 = 0
  var bytes: UInt64 = 0

  /// Whether an area may lie at this address.
  func allows(_ address: UInt64, byteCount: UInt64) -> Bool {
    guard refusal == nil else { return true }
    return address >= recorded.start && address < recorded.end && byteCount <= recorded.end - address
  }
}

/// The ranges of one recording, in the order in which they come.
struct RangeTable {
  static var capacity: Int { 8 }
  private var ranges = InlineArray<8, ReplayRange?>(repeating: nil)
  private(set) var count = 0
  /// Allocations in ranges that share the last row, besides its own.
  private(set) var sharing: UInt64 = 0

  subscript(index: Int) -> ReplayRange? { ranges[index] }

  /// The row of a range; a new one gets its arena.
  mutating func index(of recorded: TraceRange, in manager: MemoryManager) -> Int {
    for index in 0..<count where ranges[index]?.recorded == recorded { return index }
    guard count < Self.capacity else {
      sharing += 1
      return Self.capacity - 1
    }
    ranges[count] = Self.range(recorded, in: manager, isLast: count == Self.capacity - 1)
    count += 1
    return count - 1
  }

  mutating func count(_ byteCount: UInt64, in index: Int) {
    ranges[index]?.allocations += 1
    ranges[index]?.bytes &+= byteCount
  }

  /// Of a size that may be larger than that of the recording's.
  private static func wholePages(of recorded: TraceRange, _ pageSize: PageSize) -> PageRange {
    let first = VirtualAddress(recorded.start).number(pageSize)
    let end = VirtualAddress(recorded.end).number(pageSize)
    let isWhole = recorded.start & pageSize.offsetMask == 0
    let start = PageNumber(isWhole ? first.rawValue : first.rawValue + 1)
    return PageRange(from: min(start, end), upTo: end)
  }

  private static func range(_ recorded: TraceRange, in manager: MemoryManager, isLast: Bool) -> ReplayRange {
    do throws(MemoryError) {
      let pages = wholePages(of: recorded, manager.pageSize)
      guard !isLast, !pages.isEmpty else { throw .areasUnavailable }
      return ReplayRange(recorded: recorded, areas: try manager.makeAreas(pages), refusal: nil)
    } catch {
      return ReplayRange(recorded: recorded, areas: manager.vmallocAreas, refusal: error)
    }
  }
}
