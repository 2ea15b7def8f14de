import BareMetal
import KernelMemory

/// The longest purge step. Each round frees what leaves one kind of work, the last one all kinds at once,
/// and then purges in steps of the default budget until nothing is left.
@safe
struct PurgeSteps {
  /// Areas of one size and alignment, that are live together.
  private struct Kind {
    let name: StaticString
    let count: Int
    let pages: Int
    let alignment: UInt64
  }

  /// What their frees leave. Of a chain of small areas, the first 256 pages stay cached.
  private static var kinds: InlineArray<5, Kind> {
    [
      Kind(name: "cached areas and batches", count: 4_000, pages: 1, alignment: 1),
      Kind(name: "cached areas of 64 pages", count: 8, pages: 64, alignment: 1),
      Kind(name: "queued areas", count: 8, pages: 512, alignment: 1),
      Kind(name: "emptied tables", count: 512, pages: 1, alignment: 2 << 20),
      Kind(name: "queued areas whose tables empty", count: 8, pages: 512, alignment: 1 << 30),
    ]
  }

  private let manager: MemoryManager
  private let places: UnsafeMutablePointer<UInt>
  private static var capacity: Int { 8_192 }

  init(on manager: MemoryManager) throws(MemoryError) {
    self.manager = manager
    let memory = unsafe try manager.vmalloc(Self.capacity * MemoryLayout<UInt>.stride)
    unsafe places = memory.bindMemory(to: UInt.self, capacity: Self.capacity)
  }

  func measure() throws(MemoryError) {
    var worst: UInt64 = 0
    try manager.flushRetired()
    for index in Self.kinds.indices {
      let kind = Self.kinds[index]
      var count = 0
      try allocate(kind, &count)
      let longest = try freeAndPurge(count, kind.name)
      worst = max(worst, longest)
    }
    var count = 0
    for index in Self.kinds.indices { try allocate(Self.kinds[index], &count) }
    worst = max(worst, try freeAndPurge(count, "all of these"))
    Row("purge_step_worst").write(worst)
    unsafe try manager.vfree(places)
    try manager.flushRetired()
  }

  private func allocate(_ kind: Kind, _ count: inout Int) throws(MemoryError) {
    var options = VmallocOptions()
    options.alignment = kind.alignment
    for _ in 0..<kind.count {
      let memory = try unsafe manager.vmalloc(kind.pages << 12, options)
      unsafe places[count] = UInt(bitPattern: memory)
      count += 1
    }
  }

  /// - Returns: the instructions of the longest step.
  private func freeAndPurge(_ count: Int, _ name: StaticString) throws(MemoryError) -> UInt64 {
    for index in 0..<count { try unsafe manager.vfree(UnsafeMutableRawPointer(bitPattern: places[index])) }
    var longest: UInt64 = 0
    var steps: UInt64 = 0
    var hasMore = true
    // What is cached ages by steps: as long as it takes for the last of it to be unmapped and freed.
    while hasMore || manager.retained != RetainedMemory() {
      let start = Platform.instructions
      hasMore = manager.purge()
      longest = max(longest, Platform.instructions &- start)
      steps += 1
      // The next step may need what another CPU does meanwhile.
      relax()
    }
    var console = SerialPort.console
    console.write("  longest of ")
    console.write(decimal: steps)
    console.write(" purge steps, ")
    console.write(name)
    console.write(": ")
    console.write(decimal: longest)
    console.newline()
    return longest
  }
}
