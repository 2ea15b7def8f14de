import MachineSimulator
import Testing

@testable import KernelMemory

/// Random operations of every kind on one machine, against a plain dictionary: which page belongs to
/// whom, which frame is behind it, and what it holds. Memory is read and written by the simulated CPU
/// alone, whose TLB keeps every translation until it is told to forget it.
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

  let test: TestMachine
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
  var ranges: [(id: ArenaID, pages: PageRange)]
  var tags: [KernelMemory.Tag]
  private let initial: Snapshot

  init(
    seed: UInt64, limits: Limits = Limits(), ram: UInt64 = 64 << 20, format: TestFormat = .fourLevels
  ) throws {
    test = try TestMachine(ram: [RAMRegion(PhysicalAddress(0), byteCount: ram)], format: format)
    self.limits = limits
    random = Randomness(seed: seed)
    let modules = PageRange(unchecked: TestMachine.moduleStart, count: PageCount(500))
    let whole = PageRange(unchecked: TestMachine.vmallocStart, count: PageCount(1 << 33))
    ranges = [(test.manager.vmallocAreas, whole), (try test.manager.makeAreas(modules), modules)]
    tags = [.untagged, try test.manager.makeTag(named: "one"), try test.manager.makeTag(named: "two")]
    // The table directly below the root stays, so that it belongs to the beginning.
    let first = PageRange(unchecked: PageNumber(Self.windowStart), count: PageCount(1))
    try test.manager.map(first, to: Pages.device, MappingAttributes(.readOnly))
    try test.manager.unmap(first)
    initial = Snapshot(of: test.manager)
  }

  mutating func run(steps: Int) throws {
    for step in 0..<steps {
      do {
        try self.step()
        try readSome()
        if let violation = test.simulated.takeViolation() { throw violation }
        if let problem = test.manager.validate() { throw Failure(description: "\(problem)") }
      } catch {
        throw Failure(description: "step \(step): \(error)")
      }
    }
    try finish()
  }

  private mutating func step() throws {
    let isFull = areas.count >= limits.areas
    switch random.below(100) {
    case 0..<(isFull ? 25 : 45): try allocate()
    case 0..<65: try free()
    case 65..<80: try freeBadly()
    case 80..<90: try map()
    default: try unmap()
    }
  }

  /// Frees everything, and finds the machine as it was at first.
  private mutating func finish() throws {
    while !areas.isEmpty { try free() }
    while !windows.isEmpty { try unmap(whole: true) }
    try expect(pages.isEmpty && pageOfFrame.isEmpty && guards.isEmpty, "the oracle has lost count")
    test.expectValid()
    let end = Snapshot(of: test.manager)
    end.expectSameMemory(as: initial)
    let count = { (snapshot: Snapshot, counter: Counter) in snapshot.counters[counter] ?? 0 }
    #expect(count(end, .areasAllocated) == count(end, .areasFreed))
    #expect(count(end, .pagesAllocated) == count(end, .pagesFreed))
    // A split makes 512 leaves of one, which is counted as no entry written.
    #expect(count(end, .entriesWritten) + 511 * count(end, .leavesSplit) == count(end, .entriesCleared))
    let tablesMade = count(end, .tablesMade) - count(initial, .tablesMade)
    #expect(tablesMade == count(end, .tablesReturned) - count(initial, .tablesReturned))
    #expect(test.simulated.counters.faults(.freedFrame) == 0)
    #expect(test.simulated.counters.faults(.busError) == 0)
    #expect(test.simulated.counters.faults(.reservedBits) == 0)
  }

  func expect(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    if !condition { throw Failure(description: message()) }
  }

  static let windowStart = UInt64(0xffff_f000_0000_0000) >> 12
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
      try test.simulated.store(value, at: VirtualAddress(page << 12))
      try test.simulated.store(~value, at: VirtualAddress(page << 12 + 4088))
    } else {
      let fault = test.fault(.write, at: PageNumber(page))
      try expect(
        fault?.cause == .writeToReadOnly, "a store to read-only memory: \(String(describing: fault))")
      let words = test.manager.linearAddress(of: frame).pointer?.assumingMemoryBound(to: UInt64.self)
      words?[0] = value
      words?[511] = ~value
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
    let first: UInt64 = try test.simulated.load(at: VirtualAddress(page << 12))
    let last: UInt64 = try test.simulated.load(at: VirtualAddress(page << 12 + 4088))
    try expect(first == expected.value && last == ~expected.value, "page \(page) holds another's contents")
  }

  private mutating func readSome() throws {
    if limits.readsAll {
      for page in pages.keys { try read(page) }
    } else {
      let keys = pages.keys.sorted()
      guard !keys.isEmpty else { return }
      for _ in 0..<20 { try read(random.element(of: keys)) }
    }
  }

  /// Nobody's page: any access faults as one to a page that is not present.
  func expectGone(_ page: UInt64) throws {
    let access = Fault.Access.allCases[Int(page % 3)]
    let fault = test.fault(access, at: PageNumber(page))
    try expect(
      fault?.cause == .notPresent,
      "page \(page) is not mapped, but: \(fault.map(\.description) ?? "it can be reached")")
    try expect(test.manager.frame(at: VirtualAddress(page << 12)) == nil, "page \(page) still has a frame")
  }
}
