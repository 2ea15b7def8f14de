import BareMetal
import KernelMemory

/// Many areas at once: 4,096 of one page are allocated and written to, then all are freed.
enum LiveAreas {
  private static var count: Int { 4_096 }
  private static var rounds: UInt64 { 10 }

  /// An operation is one page, allocated and freed.
  static func measure(on manager: MemoryManager) throws(MemoryError) -> Figures {
    let memory = unsafe try manager.vmalloc(count * MemoryLayout<UInt>.stride)
    let places = unsafe memory.bindMemory(to: UInt.self, capacity: count)
    var extremes = Extremes()
    unsafe try round(places, manager) { start, between, isFree in
      extremes.add(allocation: isFree ? 0 : between &- start, free: isFree ? between &- start : 0)
      extremes.add(manager.retained)
    }
    try manager.flushRetired()
    var figures = Figures(operations: UInt64(count) * rounds, from: manager)
    let start = Platform.instructions
    for _ in 0..<rounds { unsafe try round(places, manager) }
    figures.endLoop(manager)
    try manager.flushRetired()
    figures.instructions = Platform.instructions &- start
    figures.end(manager)
    figures.extremes = extremes
    unsafe try manager.vfree(memory)
    return figures
  }

  private static func round(
    _ places: UnsafeMutablePointer<UInt>, _ manager: MemoryManager
  ) throws(MemoryError) {
    for index in 0..<count {
      let memory = try unsafe manager.vmalloc(1 << 12)
      unsafe memory.storeBytes(of: 1, as: UInt8.self)
      unsafe places[index] = UInt(bitPattern: memory)
    }
    for index in 0..<count {
      try unsafe manager.vfree(UnsafeMutableRawPointer(bitPattern: places[index]))
    }
  }

  /// The same, with a look at each operation.
  private static func round(
    _ places: UnsafeMutablePointer<UInt>, _ manager: MemoryManager,
    _ look: (_ start: UInt64, _ end: UInt64, _ isFree: Bool) -> Void
  ) throws(MemoryError) {
    for index in 0..<count {
      let start = Platform.instructions
      let memory = try unsafe manager.vmalloc(1 << 12)
      look(start, Platform.instructions, false)
      unsafe places[index] = UInt(bitPattern: memory)
    }
    for index in 0..<count {
      let start = Platform.instructions
      try unsafe manager.vfree(UnsafeMutableRawPointer(bitPattern: places[index]))
      look(start, Platform.instructions, true)
    }
  }
}
