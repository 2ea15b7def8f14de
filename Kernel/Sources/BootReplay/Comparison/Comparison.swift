// kmalloc beside vmalloc
//
// The same pairs (allocate, free) of three sizes on both sides, and what they cost, as the manager counts it:
// entries written, flushes by kind, and, for allocations that are live together, the runs of contiguous
// frames behind them and the addresses that they take, guards included. A manager has one mode from start to
// end, so a run is that of one manager: a lazy one measures kmalloc and cold pairs of vmalloc, which edit
// page tables; a warm one measures pairs that find a mapped area again. Scripts/compare.sh has a table
// made of the lines of both (Benchmarks/Figures). All figures in a line are totals, divided there.

public import KernelMemory

/// A run on one manager.
public struct Comparison {
  /// One side, by the name in its lines.
  private enum Side {
    case kmalloc, cold, warm

    var name: StaticString {
      switch self {
      case .kmalloc: "kmalloc"
      case .cold: "vmalloc_cold"
      case .warm: "vmalloc_warm"
      }
    }
  }

  /// What the pairs of a line did.
  private struct Work {
    /// Nil where the machine has no counter of instructions.
    var instructions: UInt64?
    var counters = Counters()
    var frameRuns: UInt64 = 0
    var addressBytes: UInt64 = 0
  }

  private let manager: MemoryManager
  private let mode: FreeMode

  /// - Parameters:
  ///   - manager: in lazy or warm mode, used by nobody else meanwhile.
  ///   - mode: its mode.
  public init(on manager: MemoryManager, mode: FreeMode) {
    self.manager = manager
    self.mode = mode
  }

  private static var sizeCount: Int { 3 }
  private static func byteCount(_ index: Int) -> Int {
    index == 0 ? 4 << 10 : index == 1 ? 64 << 10 : 2 << 20
  }
  private static func name(_ index: Int) -> StaticString { index == 0 ? "4K" : index == 1 ? "64K" : "2M" }
  private static func pairs(_ index: Int) -> UInt64 { index == 2 ? 400 : 40_000 }
  /// Live at one time, to be looked at.
  private static var samples: Int { 16 }

  /// Measures, and writes a line `compare SIZE SIDE name=value ...` for each size and side.
  /// - Parameter clock: instructions so far; nil where nothing counts them.
  /// - Throws: what the manager refuses.
  public func run(
    clock: () -> UInt64?, reportingTo sink: inout some TextSink
  ) throws(MemoryError) {
    for index in 0..<Self.sizeCount {
      if mode != .warm { try measure(index, .kmalloc, clock, &sink) }
      try measure(index, mode == .warm ? .warm : .cold, clock, &sink)
    }
  }

  /// A tenth of the pairs runs first, so that the caches are as full as they stay; the clock stops when
  /// nothing that the pairs freed is on its way back.
  private func measure(
    _ index: Int, _ side: Side, _ clock: () -> UInt64?, _ sink: inout some TextSink
  ) throws(MemoryError) {
    let byteCount = Self.byteCount(index)
    let pairs = Self.pairs(index)
    try manager.flushRetired()
    for _ in 0..<pairs / 10 { try pair(byteCount, side) }
    var work = Work()
    let before = manager.counters
    let start = clock()
    for _ in 0..<pairs { try pair(byteCount, side) }
    try manager.flushRetired()
    if let start, let end = clock() { work.instructions = end &- start }
    work.counters = manager.counters.since(before)
    try examine(byteCount, side, &work)
    write(work, index, side, to: &sink)
  }

  @inline(__always)
  private func pair(_ byteCount: Int, _ side: Side) throws(MemoryError) {
    let memory = unsafe try allocate(byteCount, side)
    unsafe try free(memory, side)
  }

  private func allocate(_ byteCount: Int, _ side: Side) throws(MemoryError) -> UnsafeMutableRawPointer {
    side == .kmalloc ? unsafe try manager.kmalloc(byteCount) : unsafe try manager.vmalloc(byteCount)
  }

  private func free(_ memory: UnsafeMutableRawPointer?, _ side: Side) throws(MemoryError) {
    if side == .kmalloc {
      unsafe try manager.kfree(memory)
    } else {
      unsafe try manager.vfree(memory)
    }
  }
}

// MARK: - What allocations take

extension Comparison {
  /// Looks at allocations that are live together, and frees them.
  private func examine(_ byteCount: Int, _ side: Side, _ work: inout Work) throws(MemoryError) {
    var live = InlineArray<16, UInt>(repeating: 0)
    for index in 0..<Self.samples {
      let memory = unsafe try allocate(byteCount, side)
      live[index] = UInt(bitPattern: memory)
      if side == .kmalloc {
        unsafe try addLinear(memory, &work)
      } else {
        unsafe addVirtual(memory, &work)
      }
    }
    for index in 0..<Self.samples {
      unsafe try free(UnsafeMutableRawPointer(bitPattern: live[index]), side)
    }
  }

  /// Page by page, as anybody would ask who does not know that kmalloc's memory is contiguous.
  private func addLinear(_ memory: UnsafeMutableRawPointer, _ work: inout Work) throws(MemoryError) {
    let byteCount = UInt64(unsafe manager.ksize(of: memory) ?? 0)
    work.addressBytes += byteCount
    var offset: UInt64 = 0
    var expected: PhysicalAddress?
    while offset < byteCount {
      let physical = unsafe try manager.physicalAddress(of: memory + Int(offset))
      if physical != expected { work.frameRuns += 1 }
      expected = PhysicalAddress(physical.rawValue + manager.pageSize.bytes)
      offset += manager.pageSize.bytes
    }
  }

  private func addVirtual(_ memory: UnsafeMutableRawPointer, _ work: inout Work) {
    guard let area = unsafe manager.area(containing: VirtualAddress(memory)) else { return }
    let pages = area.pages.count.rawValue + area.guardPages.rawValue
    work.addressBytes += pages * manager.pageSize.bytes
    manager.forEachRun(of: area) { _ in work.frameRuns += 1 }
  }
}

// MARK: - The lines

extension Comparison {
  private func write(_ work: Work, _ index: Int, _ side: Side, to sink: inout some TextSink) {
    sink.write("compare ")
    sink.write(Self.name(index))
    sink.write(" ")
    sink.write(side.name)
    sink.write("pairs", equals: Self.pairs(index))
    if let instructions = work.instructions { sink.write("instructions", equals: instructions) }
    sink.write("entries", equals: work.counters[.entriesWritten])
    sink.write("page", equals: work.counters[.flushesOfPage])
    sink.write("ranges", equals: work.counters[.flushesOfRanges])
    sink.write("everything", equals: work.counters[.flushesOfAll])
    sink.write("samples", equals: UInt64(Self.samples))
    sink.write("runs", equals: work.frameRuns)
    sink.write("bytes", equals: work.addressBytes)
    sink.newline()
  }
}

extension TextSink {
  fileprivate mutating func write(_ name: StaticString, equals value: UInt64) {
    write(" ")
    write(name)
    write("=")
    write(decimal: value)
  }
}
