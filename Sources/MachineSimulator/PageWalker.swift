// One step of address translation with 4-level or 5-level paging (SDM 4.5): from a table, by the bits of the
// address that its level resolves, to the next table or to a page. A walk repeats it from the root, or from
// whatever table the CPU has cached (SDM 4.10.3.2).

struct PageWalker {
  let memory: PhysicalMemory
  let setsAccessed: Bool
  let hasGigabytePages: Bool

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

  /// - Throws: the fault `notPresent` or `reservedBits` (SDM 4.7), `busError`, or `freedFrame`.
  func step(from position: Position, _ request: Request) throws(Fault) -> Step {
    let level = position.level
    let address = position.table &+ (request.address >> pageShift(level: level)) % 512 &* 8
    let entry = try memory.entry(at: address, for: request, level: level)
    guard entry.isPresent else { throw request.fault(.notPresent, level: level, at: address) }
    guard
      entry.reservedBits(level: level, physicalAddressBits: memory.physicalAddressBits) == 0,
      level != 3 || hasGigabytePages || !entry.isLeaf(level: level)
    else {
      throw request.fault(.reservedBits, level: level, at: address)
    }
    if setsAccessed && !entry.isAccessed {
      try memory.set(
        PagingEntry.accessedFlag, inEntryAt: address, expecting: entry, for: request, level: level)
    }
    let rights = position.rights.intersection(entry.rights)
    if entry.isLeaf(level: level) {
      return .page(
        Leaf(
          entry: entry, entryAddress: address, level: UInt8(level), rights: rights,
          isDirty: entry.isDirty))
    }
    return .table(Position(table: entry.address(level: level), level: level &- 1, rights: rights))
  }
}

/// A finished translation of one page of any size, with what a TLB keeps of it (SDM 4.10.2.2).
struct Leaf {
  var entry: PagingEntry
  /// The physical address of the entry, where the dirty flag is to be set.
  var entryAddress: UInt64
  var level: UInt8
  var rights: Rights
  /// Whether the CPU knows the dirty flag in the entry to be set.
  var isDirty: Bool

  func physicalAddress(of address: UInt64) -> UInt64 {
    let offset = (UInt64(1) << pageShift(level: Int(level))) &- 1
    return entry.address(level: Int(level)) | address & offset
  }
}
