import BareMetal
import KernelMemory

// Does a pair cost the same in a full machine as in an empty one? The pair of one page is measured with
// nothing else live, and then in one state after the other: many live areas, memory nearly used up and in
// pieces, addresses nearly used up and in pieces, and after a long mixed history. The row of a state is its
// mean; `make bench` divides it by the row of the empty machine. The worst operations are of the
// same loop, looked at one by one, from empty caches on.
//
// It needs 8 GiB of RAM, of which little is touched.

/// Measures pairs of one page in each state.
struct Growth {
  let manager: MemoryManager
  let mode: FreeMode

  /// Several times what may be freed and not flushed.
  private static var pairs: UInt64 { 20_000 }

  /// - Returns: whether the rules of Figures.swift held in each state.
  func run() throws(MemoryError) -> Bool {
    var isRight = try measure("growth_empty")
    isRight = try measureWithLiveAreas() && isRight
    isRight = try measureWithUsedMemory() && isRight
    isRight = try measureWithUsedAddresses() && isRight
    return try measureWithHistory() && isRight
  }

  /// Measures the pair in the state that there is now.
  func measure(
    _ name: StaticString, _ options: VmallocOptions = VmallocOptions()
  ) throws(MemoryError) -> Bool {
    var watcher = NoWatcher()
    try manager.flushRetired()
    let usage = (areas: manager.liveAreas, frames: manager.usedFrames.rawValue)
    try runPairs(Self.pairs / 100, options, &watcher)
    var figures = Figures(operations: Self.pairs, from: manager)
    let start = Platform.instructions
    try runPairs(Self.pairs, options, &watcher)
    figures.endLoop(manager)
    try manager.flushRetired()
    figures.instructions = Platform.instructions &- start
    figures.end(manager)
    try runPairs(Self.pairs, options, &figures.extremes)
    try manager.flushRetired()
    let isRight = Row(name, mode).write(figures, brokenRule: figures.brokenRule(mode))
    write(usage)
    Row(name, "_worst_vmalloc", mode).write(figures.extremes.allocation)
    Row(name, "_worst_vfree", mode).write(figures.extremes.free)
    return isRight
  }

  private func write(_ usage: (areas: UInt64, frames: UInt64)) {
    var console = SerialPort.console
    console.write("  live areas ")
    console.write(decimal: usage.areas)
    console.write(", frames in use ")
    console.write(decimal: usage.frames)
    console.write(" of ")
    console.write(decimal: manager.managedFrames)
    console.newline()
  }

  private func runPairs(
    _ count: UInt64, _ options: VmallocOptions, _ watcher: inout some PairWatcher
  ) throws(MemoryError) {
    for _ in 0..<count {
      let start = watcher.now
      let memory = unsafe try manager.vmalloc(4096, options)
      let between = watcher.now
      unsafe memory.storeBytes(of: 1, as: UInt8.self)
      let beforeFree = watcher.now
      unsafe try manager.vfree(memory)
      watcher.add(allocation: between &- start, free: watcher.now &- beforeFree)
      watcher.look(manager)
    }
  }
}

/// Whoever times each operation of a loop.
protocol PairWatcher: LoopWatcher {
  var now: UInt64 { get }
  mutating func add(allocation: UInt64, free: UInt64)
}

extension NoWatcher: PairWatcher {
  var now: UInt64 { 0 }
  mutating func add(allocation: UInt64, free: UInt64) {}
}

extension Extremes: PairWatcher {
  var now: UInt64 { Platform.instructions }
}
