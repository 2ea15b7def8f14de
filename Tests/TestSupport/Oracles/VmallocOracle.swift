import MachineSimulator
import Testing

@testable import KernelMemory

/// Random operations of every kind on one machine, against a plain dictionary: which page belongs to
/// whom, which frame is behind it, and what it holds. Memory is read and written by the simulated CPUs
/// alone, whose TLBs keep every translation until they are told to forget it. With several CPUs each step is
/// one of a random CPU, frames are borrowed as well, and purges and flushes come between.
struct VmallocOracle {
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  struct Limits {
    /// The most pages of an area.
    var pages: UInt64 = 64
    /// How many areas there are before frees get as likely as allocations.
    var areas = 40
    /// Whether every page is read at every step, or a few.
    var readsAll = false
  }

  struct Page {
    /// The first page of the area or window that it is in.
    let owner: UInt64
    let frame: FrameNumber
    let value: UInt64
  }

  struct Window {
    /// Pages that were mapped by hand, some of which may be unmapped by now.
    let pages: PageRange
    let frame: FrameNumber
    let order: Int
  }

  /// Frames that `vmap` has mapped, one a page.
  struct Loan {
    let pointer: UnsafeMutableRawPointer
    let frames: [FrameNumber]
  }

  let test: TestMachine
  let format: TestFormat
  let mode: FreeMode
  let cpuCount: Int
  let limits: Limits
  var random: Randomness
  /// What is mapped.
  var pages: [UInt64: Page] = [:]
  /// The page that each frame of `pages` is behind.
  var pageOfFrame: [UInt64: UInt64] = [:]
  /// The first page of the area of each guard page.
  var guards: [UInt64: UInt64] = [:]
  /// By first page.
  var areas: [UInt64: Area] = [:]
  var windows: [Window] = []
  /// First addresses of areas that were freed lately.
  var freed: [UInt64] = []
  /// By first page.
  var loans: [UInt64: Loan] = [:]
  /// Frames that were borrowed, and may be reached until a flush.
  var returned: [FrameNumber] = []
  /// Pages that were freed since the last flush.
  var leaving: Set<UInt64> = []
  /// How many areas of each kind were had that slept.
  var woken: [AreaKind: Int] = [:]
  /// How many allocations were refused for want of frames.
  var shortages = 0
  /// How many allocations had, or asked for, frames that another CPU kept.
  var takenFromOthers = 0
  var ranges: [(id: ArenaID, pages: PageRange)]
  var tags: [KernelMemory.Tag]
  private let initial: Snapshot

  init(
    seed: UInt64, limits: Limits = Limits(), ram: UInt64 = 64 << 20, format: TestFormat = .fourLevels,
    mode: FreeMode = .strict, cpuCount: Int = 1
  ) throws {
    test = try TestMachine(
      ram: [RAMRegion(PhysicalAddress(0), byteCount: ram)], format: format, mode: mode, cpuCount: cpuCount)
    self.mode = mode
    self.cpuCount = cpuCount
    self.limits = limits
    random = Randomness(seed: seed)
    self.format = format
    let modules = PageRange(unchecked: format.moduleStart, count: PageCount(500))
    let whole = format.vmallocRange
    ranges = [(test.manager.vmallocAreas, whole), (try test.manager.makeAreas(modules), modules)]
    tags = [.untagged, try test.manager.makeTag(named: "one"), try test.manager.makeTag(named: "two")]
    // The table directly below the root stays, so that it belongs to the beginning.
    let first = PageRange(unchecked: format.windowStart, count: PageCount(1))
    try test.manager.map(first, to: Pages.device, MappingAttributes(.readOnly))
    try test.manager.unmap(first)
    if mode != .strict { try test.manager.flushRetired() }
    initial = Snapshot(of: test.manager)
  }

  mutating func run(steps: Int) throws {
    for step in 0..<steps {
      do {
        try onSomeCPU { oracle in try oracle.step() }
        try readSome()
        if let violation = test.simulated.takeViolation() { throw violation }
        if let problem = test.manager.validate() { throw Failure(description: "\(problem)") }
        if let problem = test.retainedProblem { throw Failure(description: problem) }
      } catch {
        throw Failure(description: "step \(step): \(error)")
      }
    }
    try finish()
  }

  /// Runs `body` with the thread playing any of the CPUs.
  private mutating func onSomeCPU(_ body: (inout VmallocOracle) throws -> Void) throws {
    let cpu = cpuCount == 1 ? 0 : Int(random.below(UInt64(cpuCount)))
    try test.simulated.onCPU(cpu) { try body(&self) }
  }

  private mutating func step() throws {
    let isFull = areas.count >= limits.areas
    switch random.below(cpuCount == 1 ? 100 : 160) {
    case 0..<(isFull ? 25 : 45): try allocate()
    case 0..<65: try free()
    case 65..<80: try freeBadly()
    case 80..<90: try map()
    case 90..<100: try unmap()
    case 100..<112: try mapBorrowed()
    case 112..<124: try takeBack()
    case 124..<146: try renew()
    case 146..<158: test.manager.purge(budget: 1 + Int(random.below(300)))
    default: if random.oneIn(4) { try flush() }
    }
  }

  /// Frees everything, and finds the machine as it was at first.
  private mutating func finish() throws {
    while !areas.isEmpty { try free() }
    while !windows.isEmpty { try unmap(whole: true) }
    while !loans.isEmpty { try takeBack(again: false) }
    if mode != .strict { try flush() }
    try expect(pages.isEmpty && pageOfFrame.isEmpty && guards.isEmpty, "the oracle has lost count")
    test.expectValid()
    let end = Snapshot(of: test.manager)
    end.expectSameMemory(as: initial)
    let count = { (snapshot: Snapshot, counter: Counter) in snapshot.counters[counter] ?? 0 }
    #expect(count(end, .areasAllocated) == count(end, .areasFreed))
    #expect(count(end, .pagesAllocated) == count(end, .pagesFreed))
    // A split makes a table of leaves of one, which is counted as no entry written.
    #expect(
      count(end, .entriesWritten) + (format.largeLeaf - 1) * count(end, .leavesSplit)
        == count(end, .entriesCleared))
    let tablesMade = count(end, .tablesMade) - count(initial, .tablesMade)
    #expect(tablesMade == count(end, .tablesReturned) - count(initial, .tablesReturned))
    #expect(test.simulated.counters.faults(.freedFrame) == 0)
    #expect(test.simulated.counters.faults(.busError) == 0)
    #expect(test.simulated.counters.faults(.reservedBits) == 0)
  }

  func expect(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    if !condition { throw Failure(description: message()) }
  }

  /// Of pages.
  var pageBytes: UInt64 { format.pageSize.bytes }
  var pageShift: UInt64 { UInt64(format.pageSize.shift) }

  func address(_ page: UInt64) -> VirtualAddress { format.address(ofPage: page) }
}

// MARK: - Contents

extension VmallocOracle {
  /// Takes a page into the books and writes to its first and its last word.
  mutating func add(_ page: UInt64, owner: UInt64, frame: FrameNumber, isWritable: Bool) throws {
    try expect(pages[page] == nil && guards[page] == nil, "page \(page) was handed out twice")
    let other = pageOfFrame[frame.rawValue]
    try expect(other == nil, "frame \(frame.rawValue) is behind pages \(page) and \(other ?? 0)")
    let value = random.next()
    pages[page] = Page(owner: owner, frame: frame, value: value)
    pageOfFrame[frame.rawValue] = page
    if isWritable {
      try test.simulated.store(value, at: address(page))
      try test.simulated.store(~value, at: VirtualAddress((page + 1) << pageShift - 8))
    } else {
      let fault = test.fault(.write, at: PageNumber(page))
      try expect(
        fault?.cause == .writeToReadOnly, "a store to read-only memory: \(String(describing: fault))")
      let words = test.manager.linearAddress(of: frame).pointer?.assumingMemoryBound(to: UInt64.self)
      words?[0] = value
      words?[Int(pageBytes / 8 - 1)] = ~value
    }
    try read(page)
  }

  mutating func remove(_ page: UInt64) {
    guard let old = pages.removeValue(forKey: page) else { return }
    pageOfFrame[old.frame.rawValue] = nil
  }

  /// Reads what a page must hold.
  func read(_ page: UInt64) throws {
    guard let expected = pages[page] else { return }
    let first: UInt64 = try test.simulated.load(at: address(page))
    let last: UInt64 = try test.simulated.load(at: VirtualAddress((page + 1) << pageShift - 8))
    try expect(first == expected.value && last == ~expected.value, "page \(page) holds another's contents")
  }

  private mutating func readSome() throws {
    if limits.readsAll {
      try onSomeCPU { oracle in for page in oracle.pages.keys { try oracle.read(page) } }
    } else {
      let keys = pages.keys.sorted()
      guard !keys.isEmpty else { return }
      for _ in 0..<20 {
        let page = random.element(of: keys)
        try onSomeCPU { oracle in try oracle.read(page) }
      }
    }
  }

  /// Nobody's page: any access faults as one to a page that is not present.
  func expectGone(_ page: UInt64) throws {
    let access = Fault.Access.allCases[Int(page % 3)]
    let fault = test.fault(access, at: PageNumber(page))
    try expect(
      fault?.cause == .notPresent,
      "page \(page) is not mapped, but: \(fault.map(\.description) ?? "it can be reached")")
    try expect(test.manager.frame(at: address(page)) == nil, "page \(page) still has a frame")
  }
}
