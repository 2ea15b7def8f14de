internal import KernelMemory

/// The tables of one run, in memory of the caller's.
struct JobTables {
  var areas: ProbeTable<LiveArea>
  /// The same areas by address, while the recording is being checked.
  var order: AreaTree
  var tasks: ProbeTable<TaskEntry>
  var sizes: ProbeTable<SizeEntry>

  /// More names than any machine's tasks have at one time; what is above shares one entry.
  private static let mostTasks = 4096

  /// The bytes for a recording of so many allocations.
  static func byteCount(_ census: TraceCensus) -> Int {
    let allocations = Int(census.allocations)
    return ProbeTable<LiveArea>.byteCount(capacity: allocations)
      + ProbeTable<TaskEntry>.byteCount(capacity: min(allocations, mostTasks) + 1)
      + ProbeTable<SizeEntry>.byteCount(capacity: allocations)
      + AreaTree.byteCount(capacity: allocations)
  }

  /// Nil where `memory` is smaller, or not aligned to 16 bytes.
  init?(_ census: TraceCensus, in memory: UnsafeMutableRawBufferPointer) {
    let allocations = Int(census.allocations)
    let taskCount = min(allocations, Self.mostTasks) + 1
    var rest = unsafe memory
    guard let areas = unsafe ProbeTable<LiveArea>(capacity: allocations, in: &rest),
      let tasks = unsafe ProbeTable<TaskEntry>(capacity: taskCount, in: &rest),
      let sizes = unsafe ProbeTable<SizeEntry>(capacity: allocations, in: &rest),
      let order = unsafe AreaTree(capacity: allocations, in: &rest)
    else { return nil }
    self.areas = areas
    self.tasks = tasks
    self.sizes = sizes
    self.order = order
  }
}
