/// The ranges that are being unmapped by hand, whose flushes are waited for: under the lock of the tables.
/// One that overlaps another waits for it, so that the quarantined leaves in a range are those of the unmap
/// that it belongs to.
struct UnmapsUnderWay: ~Copyable {
  /// Each waits for a flush, so more than a few at a time are CPUs that wait anyway: the ninth waits, too.
  private static var capacity: Int { 8 }

  private var ranges = InlineArray<8, PageRange>(
    repeating: PageRange(unchecked: PageNumber(0), count: .zero))

  /// - Returns: where the range is noted; nil where it has to wait.
  mutating func begin(_ pages: PageRange) -> Int? {
    var free: Int?
    for slot in 0..<Self.capacity {
      if ranges[slot].overlaps(pages) { return nil }
      if ranges[slot].isEmpty { free = slot }
    }
    if let free { ranges[free] = pages }
    return free
  }

  mutating func end(_ slot: Int) { ranges[slot] = PageRange(unchecked: PageNumber(0), count: .zero) }
}
