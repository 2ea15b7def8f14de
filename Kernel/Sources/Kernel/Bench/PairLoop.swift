import BareMetal
import CKernel
import KernelMemory

/// Pairs of one size: an allocation, a byte written, a free.
struct PairLoop {
  struct Size {
    let name: StaticString
    let pages: UInt64
    let pairs: UInt64
    var leaves = LeafPolicy.base

    /// Of its figure: those of large leaves have a name of their own, whatever the mode.
    func row(_ mode: FreeMode) -> Row {
      leaves == .largeWherePossible && mode == .lazy ? Row(name) : Row(name, mode)
    }
  }

  /// How many sizes a mode is measured with. The warm cache keeps nothing as large as the last two.
  static func sizeCount(_ mode: FreeMode) -> Int { mode == .warm ? 3 : 5 }

  /// A fifth of the pairs in strict mode, where each waits for a flush of its own.
  static func size(_ index: Int, _ mode: FreeMode) -> Size {
    let share: UInt64 = mode == .strict ? 5 : 1
    return switch index {
    case 0: Size(name: "vmalloc_4K", pages: 1, pairs: 100_000 / share)
    case 1: Size(name: "vmalloc_16K", pages: 4, pairs: 100_000 / share)
    case 2: Size(name: "vmalloc_64K", pages: 16, pairs: 100_000 / share)
    case 3: Size(name: "vmalloc_2M", pages: 512, pairs: 2_000 / share)
    default: Size(name: "vmalloc_2M_huge", pages: 512, pairs: 2_000 / share, leaves: .largeWherePossible)
    }
  }

  private let size: Size
  private let manager: MemoryManager
  private var options = VmallocOptions()

  init(_ size: Size, on manager: MemoryManager) {
    self.size = size
    self.manager = manager
    options.leaves = size.leaves
  }

  private var byteCount: Int { Int(size.pages << 12) }

  /// A hundredth of the pairs runs before the clock does: by then the caches of frames and tables are as
  /// full as they stay. It stops when nothing is on its way back: what those left is paid for too.
  func measure() throws(MemoryError) -> Figures {
    try warmUp()
    var figures = Figures(operations: size.pairs, from: manager)
    let start = Platform.instructions
    for _ in 0..<size.pairs { try unsafe manager.vfree(try allocate()) }
    figures.endLoop(manager)
    try manager.flushRetired()
    figures.instructions = Platform.instructions &- start
    figures.end(manager)
    return figures
  }

  /// The same pairs once more, each looked at, which takes time of its own.
  func examine() throws(MemoryError) -> Extremes {
    try warmUp()
    var extremes = Extremes()
    for _ in 0..<size.pairs {
      let start = Platform.instructions
      let memory = unsafe try allocate()
      let between = Platform.instructions
      try unsafe manager.vfree(memory)
      extremes.add(allocation: between &- start, free: Platform.instructions &- between)
      extremes.add(manager.retained)
    }
    try manager.flushRetired()
    return extremes
  }

  /// The pairs between two calls of `kernel_profile_mark`, after others.
  func runMarked() throws(MemoryError) {
    // So long that more than one batch has been freed, and the caches are as they will be.
    for _ in 0..<size.pairs * 3 { try unsafe manager.vfree(try allocate()) }
    kernel_profile_mark()
    for _ in 0..<size.pairs { try unsafe manager.vfree(try allocate()) }
    kernel_profile_mark()
  }

  private func warmUp() throws(MemoryError) {
    try manager.flushRetired()
    for _ in 0..<size.pairs / 100 { try unsafe manager.vfree(try allocate()) }
  }

  @inline(__always)
  private func allocate() throws(MemoryError) -> UnsafeMutableRawPointer {
    let memory = try unsafe manager.vmalloc(byteCount, options)
    unsafe memory.storeBytes(of: 1, as: UInt8.self)
    return unsafe memory
  }
}

/// The worst single operations of a loop, and the most that it kept at one time.
struct Extremes {
  private(set) var allocation: UInt64 = 0
  private(set) var free: UInt64 = 0
  /// Which allocation was the worst one, counted from the first that was looked at.
  private(set) var worstAllocation: UInt64 = 0
  private var allocations: UInt64 = 0
  private(set) var retained = RetainedMemory()

  mutating func add(allocation: UInt64, free: UInt64) {
    if allocation > 0 { allocations += 1 }
    if allocation > self.allocation { worstAllocation = allocations }
    self.allocation = max(self.allocation, allocation)
    self.free = max(self.free, free)
  }

  mutating func add(_ now: RetainedMemory) {
    retained.unflushed = max(retained.unflushed, now.unflushed)
    retained.frames = max(retained.frames, now.frames)
    retained.cached = max(retained.cached, now.cached)
  }
}
