internal import CMachine

/// What a flush must cover: a few ranges, or, when they are too many or too large, everything.
struct FlushRanges {
  /// As many as fit in two cache lines with their count; a batch of more ranges is worth a full flush.
  static let capacity = 7

  private var ranges = InlineArray<7, cmachine_range>(repeating: cmachine_range(start: 0, end: 0))
  private(set) var count = 0
  private(set) var pages: UInt64 = 0
  private(set) var isEverything = false

  /// Adds pages; those that follow the range added last lengthen it.
  mutating func add(_ range: PageRange, _ pageSize: PageSize, threshold: PageCount) {
    guard !isEverything, !range.isEmpty else { return }
    pages &+= range.count.rawValue
    let start = UInt(range.first.address(pageSize).rawValue)
    let end = UInt(range.end.address(pageSize).rawValue)
    if count > 0 && ranges[count &- 1].end == start {
      ranges[count &- 1].end = end
    } else if count < Self.capacity {
      ranges[count] = cmachine_range(start: start, end: end)
      count &+= 1
    } else {
      isEverything = true
    }
    if pages > threshold.rawValue { isEverything = true }
  }

  /// Asks the machine for the flush, and says how it was counted.
  func flush(_ machine: Machine) -> Counter {
    guard !isEverything else {
      unsafe machine.flush(machine.context, nil, 0)
      return .flushesOfAll
    }
    unsafe ranges.span.withUnsafeBufferPointer { buffer in
      unsafe machine.flush(machine.context, buffer.baseAddress, count)
    }
    return pages == 1 ? .flushesOfPage : .flushesOfRanges
  }
}
