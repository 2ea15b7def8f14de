internal import KernelMemory

/// What the areas of one task, or of one size, came to. Bytes are without guards.
struct Tally {
  var areas: UInt64 = 0
  var bytes: UInt64 = 0
  var liveAreas: UInt64 = 0
  var liveBytes: UInt64 = 0

  mutating func allocate(_ byteCount: UInt64) {
    areas += 1
    bytes &+= byteCount
    liveAreas += 1
    liveBytes &+= byteCount
  }

  mutating func free(_ byteCount: UInt64) {
    liveAreas -= 1
    liveBytes &-= byteCount
  }
}

/// A task of the recording, by name: tasks of one name are one.
struct TaskEntry: RankedEntry {
  /// The name's hash, never zero.
  let key: UInt64
  let name: TraceText
  /// What its areas are charged to.
  let tag: Tag
  var tally = Tally()

  init(_ name: TraceText, tag: Tag) {
    key = Self.key(of: name)
    self.name = name
    self.tag = tag
  }

  static func key(of name: TraceText) -> UInt64 { name.hash | 1 }

  private init() {
    key = 0
    name = .empty
    tag = .untagged
  }

  /// Who holds most; of those that hold the same, who took most.
  var rank: (UInt64, UInt64) { (tally.liveBytes, tally.bytes) }

  static var vacant: TaskEntry { TaskEntry() }
}

/// A size of areas, without guards.
struct SizeEntry: RankedEntry {
  /// The bytes.
  let key: UInt64
  var tally = Tally()

  /// The size that was allocated most often.
  var rank: (UInt64, UInt64) { (tally.areas, tally.bytes) }

  static var vacant: SizeEntry { SizeEntry(key: 0) }
}

/// How the frames of areas are scattered over physical memory.
struct Scatter {
  /// An area of one run lies in one piece. The last class has all above it.
  static let classes = 6
  private(set) var areas = InlineArray<6, UInt64>(repeating: 0)
  private(set) var runs: UInt64 = 0
  private(set) var frames: UInt64 = 0
  private(set) var mostRuns: UInt64 = 0

  /// The least runs in a class: 1, 2, 3, 5, 9, 17.
  static func least(_ index: Int) -> UInt64 { index < 2 ? UInt64(index + 1) : (1 << (index - 1)) + 1 }

  mutating func add(runs count: UInt64, frames frameCount: UInt64) {
    guard count > 0 else { return }
    var index = 0
    while index + 1 < Self.classes, Self.least(index + 1) <= count { index += 1 }
    areas[index] += 1
    runs += count
    frames += frameCount
    mostRuns = max(mostRuns, count)
  }
}
