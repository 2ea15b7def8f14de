internal import CMachine

/// What a flush must cover: a few ranges, or, when they are too many or too large, everything.
struct FlushRanges {
  /// With the two counts they fill two cache lines; a batch of more ranges is worth a full flush.
  static let capacity = 7

  private var ranges = InlineArray<7, cmachine_range>(repeating: cmachine_range(start: 0, end: 0))
  private(set) var count = 0
  private(set) var pages: UInt64 = 0
  private(set) var isEverything = false

  /// Adds pages; those that follow the range added last lengthen it.
  @inline(__always)
  mutating func add(_ range: PageRange, _ pageSize: PageSize, threshold: PageCount) {
    if !isEverything && !range.isEmpty { lengthen(range, pageSize, threshold: threshold) }
  }

  @inline(never)
  private mutating func lengthen(_ range: PageRange, _ pageSize: PageSize, threshold: PageCount) {
    #if Ablations
    let isShort = Ablation.shortFlush.isOn && range.count.rawValue > 1
    let range = PageRange(unchecked: range.first, count: PageCount(range.count.rawValue &- (isShort ? 1 : 0)))
    #endif
    add(
      cmachine_range(
        start: UInt(range.first.address(pageSize).rawValue), end: UInt(range.end.address(pageSize).rawValue)),
      pages: range.count.rawValue, threshold: threshold)
  }

  /// Adds all that other ranges cover.
  mutating func add(_ other: FlushRanges, threshold: PageCount) {
    if other.isEverything { isEverything = true }
    for index in 0..<other.count { add(other.ranges[index], pages: 0, threshold: threshold) }
    pages &+= other.pages
    if pages > threshold.rawValue { isEverything = true }
  }

  /// Adds one page, unless it is there.
  mutating func add(_ page: PageNumber, _ pageSize: PageSize, threshold: PageCount) {
    let address = UInt(page.address(pageSize).rawValue)
    for index in 0..<count where ranges[index].start <= address && address < ranges[index].end { return }
    add(PageRange(unchecked: page, count: PageCount(1)), pageSize, threshold: threshold)
  }

  mutating func addEverything() { isEverything = true }

  private mutating func add(_ range: cmachine_range, pages more: UInt64, threshold: PageCount) {
    guard !isEverything else { return }
    pages &+= more
    let (start, end) = (range.start, range.end)
    // Behind the last page of the address space, whose end is zero, is none.
    if count > 0 && ranges[count &- 1].end == start && start != 0 {
      ranges[count &- 1].end = end
    } else if count < Self.capacity {
      ranges[count] = range
      count &+= 1
    } else {
      isEverything = true
    }
    if pages > threshold.rawValue { isEverything = true }
  }

  var isEmpty: Bool { count == 0 && !isEverything }

  /// How a flush of them is counted.
  var kind: Counter {
    isEverything ? .flushesOfAll : pages == 1 ? .flushesOfPage : .flushesOfRanges
  }

  /// Flushes them on this CPU; nothing where there are none.
  func flush(_ machine: Machine) {
    if isEmpty { return }
    #if Ablations
    if Ablation.dropFlush.isOn { return }
    #endif
    if isEverything {
      unsafe machine.flush(machine.context, nil, 0)
    } else {
      unsafe ranges.span.withUnsafeBufferPointer { buffer in
        unsafe machine.flush(machine.context, buffer.baseAddress, count)
      }
    }
  }
}
