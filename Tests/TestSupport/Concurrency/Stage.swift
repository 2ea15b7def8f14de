import MachineSimulator

@testable import KernelMemory

/// What a program for several CPUs has shown to be wrong.
struct Mistake: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

/// An area with a word of its own at the start of each page, that nobody else has written anywhere.
struct Block {
  let pointer: UnsafeMutableRawPointer
  let pageCount: Int
  let firstWord: UInt64

  var address: VirtualAddress { VirtualAddress(pointer) }

  func address(ofPage page: Int) -> VirtualAddress {
    VirtualAddress(address.rawValue + UInt64(page) * 4096)
  }
}

/// A small machine on which programs for several CPUs are played, each from the same moment on; and what
/// is known of its pages, so that every access can be judged: it finds what the owner of the address has
/// written, or what was there until it was freed, or it faults. It never finds what belongs to another
/// address, nor comes to a frame that is free.
///
/// CPUs must run one at a time: what is known is changed where no other CPU runs in between.
final class Stage {
  /// Who has a page, by what is to be found there.
  private enum Page {
    case live(UInt64)
    /// A free has begun.
    case leaving(UInt64)
    /// It has returned.
    case gone(UInt64)
  }

  /// All that a program may change.
  private struct Knowledge {
    var pages: [UInt64: Page] = [:]
    var blocks: [UInt64: Block] = [:]
    var slots = [Block?](repeating: nil, count: 8)
    /// Allocations that have begun and are not written yet: a page that is gone may be any of theirs.
    var making = 0
    var lastWord: UInt64 = 0
    var freed = 0
  }

  /// What machines have where nothing else is said.
  @TaskLocal static var hardware = Hardware()

  let test: TestMachine
  let mode: FreeMode
  private var known = Knowledge()
  private var start: (machine: Checkpoint, known: Knowledge)
  /// Frames that are in use when nothing is allocated.
  private let emptyFrames: UInt64
  private let emptyCounters: Counters

  var manager: MemoryManager { test.manager }

  /// - Parameters:
  ///   - joined: how many CPUs take part from the start.
  ///   - prepare: what happens before the moment from which programs are played.
  init(
    _ mode: FreeMode, cpuCount: Int = 2, joined: Int? = nil, pages: UInt64 = 1024,
    hardening: SlabHardening = .none, hardware: Hardware = hardware, hasIncoherentCache: Bool = false,
    prepare: (Stage) throws -> Void = { _ in }
  ) throws {
    self.mode = mode
    test = try TestMachine(
      ram: [RAMRegion(PhysicalAddress(0), byteCount: pages * 4096)], vmallocPages: 1 << 14,
      format: TestFormat(on: hardware), mode: mode, cpuCount: cpuCount,
      joined: joined, hardening: hardening, hasIncoherentCache: hasIncoherentCache, hardware: hardware)
    let (simulated, manager) = (test.simulated, test.manager)
    try manager.flushRetired()
    emptyFrames = test.framesInUse
    emptyCounters = manager.counters
    start = (simulated.checkpoint(), known)
    try prepare(self)
    start = (simulated.checkpoint(), known)
  }

  /// Has the machine's MMUs do more than accesses ask for, from the start on.
  func speculate(_ speculation: Speculation) {
    restore()
    test.simulated.speculation = speculation
    start.machine = test.simulated.checkpoint()
  }

  /// Takes this moment for that from which programs are played.
  func begin() { start = (test.simulated.checkpoint(), known) }

  /// Back to the start.
  func restore() {
    test.simulated.restore(start.machine)
    known = start.known
  }

  /// Where CPUs leave blocks for each other.
  subscript(slot: Int) -> Block? {
    get { known.slots[slot] }
    set {
      // However a kernel hands an address over, it is a release.
      test.simulated.releaseStores()
      known.slots[slot] = newValue
    }
  }

  /// Takes a block out of its slot: of two CPUs that try, one gets it.
  func take(_ slot: Int) -> Block? {
    defer { known.slots[slot] = nil }
    return known.slots[slot]
  }
}

// MARK: - What CPUs do

extension Stage {
  /// Allocates pages and writes a word of its own into each.
  func allocate(_ pageCount: Int = 1, _ options: VmallocOptions = VmallocOptions()) throws -> Block {
    known.making += 1
    defer { known.making -= 1 }
    let pointer = try manager.vmalloc(pageCount * 4096, options)
    return try claim(pointer, pageCount)
  }

  /// As `allocate`, expecting zeros.
  func allocateCleared(_ pageCount: Int = 1) throws -> Block {
    known.making += 1
    defer { known.making -= 1 }
    let pointer = try manager.vzalloc(pageCount * 4096)
    for page in 0..<pageCount {
      let address = VirtualAddress(VirtualAddress(pointer).rawValue + UInt64(page) * 4096)
      let word = try test.simulated.load(UInt64.self, at: address)
      guard word == 0 else { throw Mistake("vzalloc has left \(word) at \(address)") }
    }
    return try claim(pointer, pageCount)
  }

  private func claim(_ pointer: UnsafeMutableRawPointer, _ pageCount: Int) throws -> Block {
    let block = Block(pointer: pointer, pageCount: pageCount, firstWord: known.lastWord + 1)
    known.lastWord += UInt64(pageCount)
    for page in 0..<pageCount {
      let (address, word) = (block.address(ofPage: page), block.firstWord + UInt64(page))
      try test.simulated.store(word, at: address)
      if case .live(let other) = known.pages[address.rawValue] {
        throw Mistake("the page at \(address) was handed out to two: \(other) and \(word)")
      }
      known.pages[address.rawValue] = .live(word)
    }
    known.blocks[block.address.rawValue] = block
    return block
  }

  /// Whether the block's pages hold what was written there, and its guard faults.
  func check(_ block: Block) throws {
    for page in 0..<block.pageCount { try peek(block, page: page) }
    if let fault = test.fault(.read, at: block.address(ofPage: block.pageCount)), fault.cause == .notPresent {
      return
    }
    // The guard may be somebody else's only where the block is gone meanwhile.
    if isLive(block) {
      throw Mistake("the guard behind \(block.address) does not fault")
    }
  }

  /// Frees a block that its caller owns.
  func free(_ block: Block) throws {
    if let error = tryFree(block) { throw error }
  }

  /// Frees a block; nil where it succeeds.
  func tryFree(_ block: Block) -> MemoryError? {
    for page in 0..<block.pageCount { update(block, page) { .leaving($0) } }
    if isLive(block) { known.blocks[block.address.rawValue] = nil }
    do throws(MemoryError) { try manager.vfree(block.pointer) } catch { return error }
    known.freed += 1
    for page in 0..<block.pageCount { update(block, page) { .gone($0) } }
    return nil
  }

  /// Notes what becomes of a page, unless it is somebody else's by now.
  private func update(_ block: Block, _ page: Int, _ next: (UInt64) -> Page) {
    let (address, word) = (block.address(ofPage: page).rawValue, block.firstWord + UInt64(page))
    switch known.pages[address] {
    case .live(word), .leaving(word): known.pages[address] = next(word)
    default: break
    }
  }

  /// Reads a page of a block that may be freed at any time, and judges what is found.
  func peek(_ block: Block, page: Int = 0) throws {
    let address = block.address(ofPage: page)
    let value: UInt64
    do throws(Fault) {
      value = try test.simulated.load(UInt64.self, at: address)
    } catch {
      if error.cause == .notPresent, !isLive(address) { return }
      throw error
    }
    try judge(value, at: address)
  }

  private func isLive(_ address: VirtualAddress) -> Bool {
    if case .live = known.pages[address.rawValue] { true } else { false }
  }

  private func judge(_ value: UInt64, at address: VirtualAddress) throws {
    switch known.pages[address.rawValue] {
    case .live(value), nil: return
    case .live(let word): throw Mistake("the owner's word at \(address) is \(word), but \(value) was read")
    case .leaving(value): return
    case .gone(value) where mode != .strict: return
    case .leaving(let word), .gone(let word):
      // Somebody may be about to have the page; what it holds before it is written is anybody's past.
      if known.making == 0 { throw Mistake("\(value) was read at \(address), where \(word) was freed") }
    }
    for (other, page) in known.pages where other != address.rawValue {
      if case .live(value) = page {
        throw Mistake("the word of \(VirtualAddress(other)) was read at \(address), which is free")
      }
    }
  }

  /// How many frees have succeeded since the start.
  var freed: Int { known.freed - start.known.freed }

  /// Whether nobody has begun to free the block.
  func isLive(_ block: Block) -> Bool {
    known.blocks[block.address.rawValue]?.firstWord == block.firstWord
  }

  var counters: Counters { manager.counters }

  func expect(_ condition: Bool, _ text: @autoclosure () -> String) throws {
    if !condition { throw Mistake(text()) }
  }
}

// MARK: - The end

extension Stage {
  /// When all CPUs are done: nothing is broken, whoever owns a block finds it as it was, and after a purge
  /// everything is back.
  func finish(validating: Bool, checksWork: Bool = true) throws {
    test.simulated.checkCaches()
    if let violation = test.simulated.takeViolation() { throw violation }
    if validating, let problem = test.linearMapProblem { throw Mistake(problem) }
    if validating, let problem = manager.validate() { throw Mistake("\(problem)") }
    if validating, let problem = test.retainedProblem { throw Mistake(problem) }
    for block in known.blocks.values.sorted(by: { $0.address < $1.address }) {
      for cpu in 0..<manager.cpus.count where manager.quarantine.shootdown.isOnline(cpu) {
        try test.simulated.onCPU(cpu) { try check(block) }
      }
      try free(block)
    }
    try manager.flushRetired()
    let work = manager.counters.since(emptyCounters)
    try expect(
      work[.areasAllocated] == work[.areasFreed]
        && (work[.areasFreed] == UInt64(known.freed) || !checksWork),
      "\(known.freed) frees succeeded, \(work[.areasFreed]) of \(work[.areasAllocated]) areas are counted")
    try expect(work[.pagesAllocated] == work[.pagesFreed], "the counts of pages are wrong")
    try expect(
      work[.entriesWritten] + 511 * work[.leavesSplit] == work[.entriesCleared],
      "the counts of entries are wrong")
    try expect(
      manager.usage(of: .untagged).livePages == 0, "the tag is still charged with pages")
    try expect(
      test.framesInUse == emptyFrames,
      "\(test.framesInUse) frames are in use in the end, \(emptyFrames) at the beginning")
    for (address, page) in known.pages {
      guard case .gone = page else { continue }
      let fault = test.fault(.read, at: VirtualAddress(address))
      try expect(fault?.cause == .notPresent, "a freed page at \(VirtualAddress(address)) does not fault")
    }
    if validating, let problem = manager.validate() { throw Mistake("in the end: \(problem)") }
  }
}
