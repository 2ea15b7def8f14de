// One step of address translation: from a table, by the bits of the address that its level resolves, to the
// next table or to a page. A walk repeats it from the root, or from whatever table the CPU has cached
// (SDM 4.10.3.2; Arm ARM, D8.14; RISC-V privileged architecture, 12.2.1).

struct PageWalker {
  let memory: PhysicalMemory
  let mmu: any MMU
  var flagRule: FlagRule

  /// What becomes of a flag that says that a page was used, or written to, and is clear.
  enum FlagRule {
    /// Hardware sets it.
    case set
    case ignore
    /// The access faults, for software to set it.
    case fault
  }

  /// Where a walk stands.
  struct Position {
    /// The physical address of the table to look into.
    var table: UInt64
    var level: Int
    /// What the entries so far permit together.
    var rights: Rights
  }

  enum Step {
    case table(Position)
    case page(Leaf)
  }

  /// - Throws: a fault of the entry; `busError`, or `freedFrame`.
  func step(from position: Position, _ request: Request) throws(Fault) -> Step {
    let level = position.level
    let index = mmu.index(of: request.address, level: level)
    let address = position.table &+ index &* 8
    let entry = try memory.entry(at: address, for: request, level: level)
    switch mmu.meaning(of: entry, level: level, index: index) {
    case .absent: throw request.fault(.notPresent, level: level, at: address)
    case .wrong(let cause): throw request.fault(cause, level: level, at: address)
    case .table(let table):
      if !table.isAccessed && flagRule == .set {
        try set(mmu.accessed, at: address, expecting: entry, request, level: level)
      }
      return .table(
        Position(table: table.address, level: level &- 1, rights: position.rights.intersection(table.rights)))
    case .page(let page):
      try noteAccess(page, at: address, entry, request, level: level)
      let shift = mmu.pageShift(level: level)
      if page.runShift != shift { try checkRun(page, at: address, index: index, request, level: level) }
      let rights = mmu.permitted(position.rights.intersection(page.rights))
      return .page(Leaf(page, rights, entry: entry, at: address, level: level))
    }
  }

  private func noteAccess(
    _ page: PageMeaning, at address: UInt64, _ entry: UInt64, _ request: Request, level: Int
  ) throws(Fault) {
    guard !page.isAccessed else { return }
    switch flagRule {
    case .set: try set(mmu.accessed, at: address, expecting: entry, request, level: level)
    case .ignore: break
    case .fault: throw request.fault(.accessedClear, level: level, at: address)
    }
  }

  /// Notes that a page is written to.
  func noteWrite(_ leaf: Leaf, _ request: Request) throws(Fault) {
    let level = Int(leaf.level)
    switch flagRule {
    case .set: try set(mmu.dirty, at: leaf.entryAddress, expecting: leaf.entry, request, level: level)
    case .ignore: break
    case .fault: throw request.fault(.dirtyClear, level: level, at: leaf.entryAddress)
    }
  }

  private func set(
    _ change: (UInt64) -> UInt64, at address: UInt64, expecting entry: UInt64, _ request: Request, level: Int
  ) throws(Fault) {
    try memory.update(
      entryAt: address, expecting: entry, but: mmu.flags, change, for: request, level: level)
  }

  /// The entries of a run say the same of neighbouring pages, and the run is aligned to its size on both
  /// sides: any of them may translate for all (Arm ARM, D8.7.1; RISC-V, 12.5), those among them, too, that
  /// are not written yet, or are absent again.
  private func checkRun(
    _ page: PageMeaning, at address: UInt64, index: UInt64, _ request: Request, level: Int
  ) throws(Fault) {
    let shift = mmu.pageShift(level: level)
    let count = UInt64(1) &<< (page.runShift &- shift)
    let place = index & (count &- 1)
    let start = page.address &- place &<< shift
    guard start & bits(from: 0, upTo: page.runShift) == 0 else {
      throw request.fault(.inconsistentRun, level: level, at: address)
    }
    for other in 0..<count {
      let neighbour = address &+ (other &- place) &* 8
      let entry = try memory.entry(at: neighbour, for: request, level: level)
      let meaning = mmu.meaning(of: entry, level: level, index: index &- place &+ other)
      if meaning.isAbsent { continue }
      guard case .page(let next) = meaning,
        next.address == start &+ other &<< shift, next.runShift == page.runShift, next.rights == page.rights,
        next.memoryType == page.memoryType, next.isGlobal == page.isGlobal
      else { throw request.fault(.inconsistentRun, level: level, at: neighbour) }
    }
  }
}

/// A finished translation of one page of any size, or of a run of pages, with what a TLB keeps of it
/// (SDM 4.10.2.2).
struct Leaf {
  /// The entry that it was read from.
  var entry: UInt64
  /// The physical address of that entry, where the dirty flag is to be set.
  var entryAddress: UInt64
  /// Of the first byte.
  var address: UInt64
  /// log2 of the bytes.
  var shift: UInt8
  var level: UInt8
  var rights: Rights
  var memoryType: UInt8
  var isGlobal: Bool
  /// Whether the CPU knows that nothing is left to note when it is written to.
  var isDirty: Bool

  init(_ page: PageMeaning, _ rights: Rights, entry: UInt64, at entryAddress: UInt64, level: Int) {
    self.entry = entry
    self.entryAddress = entryAddress
    address = page.address & ~bits(from: 0, upTo: page.runShift)
    shift = UInt8(truncatingIfNeeded: page.runShift)
    self.level = UInt8(truncatingIfNeeded: level)
    self.rights = rights
    memoryType = page.memoryType
    isGlobal = page.isGlobal
    isDirty = page.isDirty
  }

  func physicalAddress(of address: UInt64) -> UInt64 {
    self.address | address & bits(from: 0, upTo: UInt64(shift))
  }
}
