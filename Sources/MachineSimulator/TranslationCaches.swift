// What one CPU has cached of the page tables (SDM 4.10): finished translations, in one TLB for each page
// size, and tables on the way to them, in one paging-structure cache for each level.
//
// Nothing is evicted. Two things that the architecture promises limit how stale an answer can be: entries
// that are not present are never cached (4.10.2.3, 4.10.3.1), and a page fault drops what was cached for
// its address (4.10.4.1).
//
// Pages of several sizes may be cached for one address, after a table was replaced by a large page without
// a flush, or the other way round. Which of them is used is up to the hardware.

struct TranslationCaches {
  /// One for each size of pages, and of runs of pages, that a translation may be of; ascending.
  private var pages: [AddressTable<Leaf>]
  private let shifts: [UInt64]
  /// One for each level below the root, from the lowest on. By the bits of the address that have led to the
  /// table: those that its level does not resolve.
  private var tables: [AddressTable<PageWalker.Position>]

  /// The pages that are known to have no translation, where the hardware remembers that.
  private var absent: AddressTable<Void>

  init(_ mmu: any MMU) {
    shifts = mmu.translationShifts
    pages = shifts.map { AddressTable(shift: $0) }
    tables = (2...mmu.levels).map { AddressTable(shift: mmu.pageShift(level: $0)) }
    absent = AddressTable(shift: mmu.granuleShift)
  }

  /// The translation of an address. O(1).
  func leaf(for address: UInt64, _ choice: Hardware.SizeChoice) -> Leaf? {
    switch choice {
    case .smallest:
      for table in pages { if let leaf = table[address] { return leaf } }
    case .largest:
      for table in pages.reversed() { if let leaf = table[address] { return leaf } }
    }
    return nil
  }

  func isAbsent(_ address: UInt64) -> Bool { absent[address] != nil }

  mutating func insertAbsent(_ address: UInt64) { absent[address] = () }

  mutating func removeAbsent(from start: UInt64, through last: UInt64) {
    absent.removeAll(from: start, through: last)
  }

  /// The cached table that leaves the fewest steps to walk for an address. O(1).
  func position(for address: UInt64) -> PageWalker.Position? {
    for table in tables { if let position = table[address] { return position } }
    return nil
  }

  mutating func insert(_ leaf: Leaf, for address: UInt64) {
    guard let size = shifts.firstIndex(of: UInt64(leaf.shift)) else {
      stop("no TLB keeps pages of 2^\(leaf.shift) bytes")
    }
    pages[size][address] = leaf
  }

  mutating func insert(_ position: PageWalker.Position, for address: UInt64) {
    tables[position.level &- 1][address] = position
  }
}

extension TranslationCaches {
  func forEachLeaf(_ body: (UInt64, Leaf) -> Void) {
    for table in pages { table.forEach(body) }
  }

  func forEachTable(_ body: (UInt64, PageWalker.Position) -> Void) {
    for table in tables { table.forEach(body) }
  }

  /// What is cached for addresses from `start` to `last`, both included.
  func cached(from start: UInt64, through last: UInt64) -> (leaves: [Leaf], tables: [PageWalker.Position]) {
    var found: (leaves: [Leaf], tables: [PageWalker.Position]) = ([], [])
    for table in pages { table.forEach(from: start, through: last) { found.leaves.append($0) } }
    for table in tables { table.forEach(from: start, through: last) { found.tables.append($0) } }
    return found
  }

  /// The lowest address of everything that is cached, in order.
  var addresses: [UInt64] {
    var addresses: [UInt64] = []
    forEachLeaf { address, _ in addresses.append(address) }
    forEachTable { address, _ in addresses.append(address) }
    return addresses.sorted()
  }
}

extension TranslationCaches {
  /// INVLPG for every page that holds a byte from `start` to `last`, both included: their leaves of any
  /// size, global ones too, and tables.
  mutating func invalidate(from start: UInt64, through last: UInt64, _ drop: Hardware.TableDrop) {
    for size in pages.indices { pages[size].removeAll(from: start, through: last) }
    absent.removeAll(from: start, through: last)
    switch drop {
    case .all: removeTables()
    case .ofAddress:
      for level in tables.indices { tables[level].removeAll(from: start, through: last) }
    case .none: break
    }
  }

  /// What a page fault drops: the leaves for the address, and the tables that a walk for it would use
  /// (SDM 4.10.4.1).
  mutating func dropAfterFault(at address: UInt64) {
    for size in pages.indices { pages[size][address] = nil }
    for level in tables.indices { tables[level][address] = nil }
  }

  /// What MOV to CR3 drops with CR4.PCIDE 0: all tables, and all leaves but global ones (SDM 4.10.4.1).
  mutating func dropAfterRootLoad() {
    for size in pages.indices { pages[size].removeAll { !$0.isGlobal } }
    absent.removeAll()
    removeTables()
  }

  /// What a change of CR4.PGE drops: everything (SDM 4.10.4.1).
  mutating func removeAll() {
    for size in pages.indices { pages[size].removeAll() }
    absent.removeAll()
    removeTables()
  }

  private mutating func removeTables() {
    for level in tables.indices { tables[level].removeAll() }
  }
}
