import BareMetal
import BootReplay
import KernelMemory

// Instructions per operation. Under QEMU's `-icount shift=0,sleep=off` an instruction advances the time-stamp
// counter by one, on every machine and in every run; without it the figures mean nothing.
//
// The manager's mode is chosen at start, so a run measures one: `cold` is lazy mode, where every pair
// edits the page tables and flushes are shared; `warm` is warm mode; `strict` has a flush for each pair.
// On a machine with several CPUs one of them works, the others serve its flushes, and the rows end in
// `_2cpu`.

/// Prints `bench NAME INSTRUCTIONS` for each figure; `broken` instead of `bench` where a rule of
/// Figures.swift was broken, and the run has failed.
struct Bench {
  let manager: MemoryManager
  let mode: FreeMode

  init(on manager: MemoryManager, mode: FreeMode) {
    self.manager = manager
    self.mode = mode
  }

  func run(_ part: BenchPart) -> ExitStatus {
    reporting { () throws(MemoryError) in
      switch part {
      case .operations: try measureOperations()
      case .tests: try TestModule(manager: manager, mode: mode).run()
      case .growth: try Growth(manager: manager, mode: mode).run()
      case .memory: try MemoryCost(on: manager).measure()
      case .contention: try Contention.measure(on: manager, mode: mode)
      case .access: try AccessSpeed(manager: manager).measure()
      }
    }
  }

  private func reporting(_ body: () throws(MemoryError) -> Bool) -> ExitStatus {
    do throws(MemoryError) {
      return try body() ? .success : .jobFailed
    } catch {
      var console = SerialPort.console
      console.write("an operation that was to be measured was refused: ")
      console.write(error)
      console.newline()
      return .jobFailed
    }
  }

  /// Runs pairs that Scripts/profile.sh counts by function.
  func profile(_ options: Options) -> ExitStatus {
    let size = PairLoop.Size(name: "profile", pages: options.profiledPages, pairs: options.profiledPairs)
    return reporting { () throws(MemoryError) in
      let before = manager.counters
      try PairLoop(size, on: manager).runMarked()
      let work = manager.counters.since(before)
      var console = SerialPort.console
      console.write("profile.allocated", equals: work[.areasAllocated])
      console.write("profile.flushes", equals: work[.flushesOfAll])
      console.write("profile.notifications", equals: work[.notifications])
      return true
    }
  }

  /// - Returns: whether the rules held.
  private func measureOperations() throws(MemoryError) -> Bool {
    var isRight = true
    for index in 0..<PairLoop.sizeCount(mode) {
      isRight = try measure(PairLoop.size(index, mode)) && isRight
    }
    switch mode {
    case .strict: break
    case .lazy:
      try measureFrames()
      try measureLookup()
      try measureVmap("vm_map_ram_1", pages: 1)
      try measureVmap("vm_map_ram_64", pages: 64)
      try KmallocPairs(manager: manager).measure()
      isRight = try measureLive() && isRight
    case .warm: try PurgeSteps(on: manager).measure()
    }
    return isRight
  }

  /// - Returns: whether the rules held.
  private func measure(_ size: PairLoop.Size) throws(MemoryError) -> Bool {
    let loop = PairLoop(size, on: manager)
    var figures = try loop.measure()
    figures.extremes = try loop.examine()
    let isRight = size.row(mode).write(figures, brokenRule: figures.brokenRule(mode))
    if size.pages == 1 && mode == .lazy {
      Row("vmalloc_4K_worst").write(figures.extremes.allocation)
      Row("vfree_4K_worst").write(figures.extremes.free)
    }
    return isRight
  }

  private func measureFrames() throws(MemoryError) {
    try measure("alloc_page", operations: 100_000) { () throws(MemoryError) in
      let frame = try manager.allocateFrames()
      unsafe manager.linearAddress(of: frame).pointer?.storeBytes(of: 1, as: UInt8.self)
      try manager.freeFrames(frame)
    }
  }

  /// Of 64 pages in turn.
  private func measureLookup() throws(MemoryError) {
    let memory = unsafe try manager.vmalloc(64 << 12)
    var page = unsafe VirtualAddress(memory).rawValue
    let end = page + 64 << 12
    try measure("vmalloc_to_page", operations: 100_000) { () throws(MemoryError) in
      guard manager.frame(at: VirtualAddress(page)) != nil else { panic("a live page has no frame") }
      page += 4096
      if page == end { unsafe page = VirtualAddress(memory).rawValue }
    }
    unsafe try manager.vfree(memory)
  }

  /// What the pairs left to flush is in the time.
  private func measureVmap(_ name: StaticString, pages: Int) throws(MemoryError) {
    let frames = try BorrowedFrames(pages, from: manager)
    let operations: UInt64 = 100_000
    for _ in 0..<operations / 100 { unsafe try manager.vunmap(try manager.vmap(frames.buffer)) }
    try manager.flushRetired()
    let start = Platform.instructions
    for _ in 0..<operations { unsafe try manager.vunmap(try manager.vmap(frames.buffer)) }
    try manager.flushRetired()
    Row(name).write(rounding(Platform.instructions &- start, over: operations))
    try frames.free(to: manager)
  }

  private func measureLive() throws(MemoryError) -> Bool {
    let figures = try LiveAreas.measure(on: manager)
    return Row("live_4096").write(figures, brokenRule: figures.brokenRule(mode))
  }

  @inline(__always)
  private func measure(
    _ name: StaticString, operations: UInt64, _ body: () throws(MemoryError) -> Void
  ) throws(MemoryError) {
    for _ in 0..<operations / 100 { try body() }
    let start = Platform.instructions
    for _ in 0..<operations { try body() }
    Row(name).write(rounding(Platform.instructions &- start, over: operations))
  }
}

/// The nearest whole number.
func rounding(_ sum: UInt64, over count: UInt64) -> UInt64 { (sum + count / 2) / count }

/// A name of a figure.
struct Row {
  private let name: StaticString
  private let detail: StaticString
  private let suffix: StaticString

  init(_ name: StaticString, _ detail: StaticString = "") {
    self.name = name
    self.detail = detail
    suffix = ""
  }

  init(_ name: StaticString, _ mode: FreeMode) { self.init(name, "", mode) }

  init(_ name: StaticString, _ detail: StaticString, _ mode: FreeMode) {
    self.name = name
    self.detail = detail
    suffix =
      switch mode {
      case .strict: "_strict"
      case .lazy: "_cold"
      case .warm: "_warm"
      }
  }

  /// Writes a figure with its details.
  /// - Returns: whether no rule is broken.
  func write(_ figures: Figures, brokenRule problem: StaticString?) -> Bool {
    write(figures.perOperation, isUsable: problem == nil)
    figures.writeDetails()
    guard let problem else { return true }
    var console = SerialPort.console
    console.write("  broken rule: ")
    console.write(problem)
    console.newline()
    return false
  }

  func write(_ value: UInt64, isUsable: Bool = true) {
    writeName(isUsable: isUsable)
    var console = SerialPort.console
    console.write(decimal: value)
    console.newline()
  }

  /// Writes a figure with two decimals.
  func write(hundredths: UInt64) {
    writeName(isUsable: true)
    var console = SerialPort.console
    console.write(hundredths: hundredths)
    console.newline()
  }

  private func writeName(isUsable: Bool) {
    var console = SerialPort.console
    console.write(isUsable ? "bench " : "broken ")
    console.write(name)
    console.write(detail)
    console.write(suffix)
    if Processors.count > 1 {
      console.write("_")
      console.write(decimal: UInt64(Processors.count))
      console.write("cpu")
    }
    console.write(" ")
  }
}

extension SerialPort {
  /// With two decimals.
  mutating func write(hundredths: UInt64) {
    write(decimal: hundredths / 100)
    write(hundredths % 100 < 10 ? ".0" : ".")
    write(decimal: hundredths % 100)
  }
}
