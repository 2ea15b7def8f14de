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
  private var pages4K = AddressTable<Leaf>(shift: pageShift(level: 1))
  private var pages2M = AddressTable<Leaf>(shift: pageShift(level: 2))
  private var pages1G = AddressTable<Leaf>(shift: pageShift(level: 3))
  // By the bits of the address that have led to the table: those that its level does not resolve.
  private var pageTables = AddressTable<PageWalker.Position>(shift: pageShift(level: 2))
  private var pageDirectories = AddressTable<PageWalker.Position>(shift: pageShift(level: 3))
  private var directoryPointerTables = AddressTable<PageWalker.Position>(shift: pageShift(level: 4))
  /// With five levels: PML4 tables.
  private var fourthTables = AddressTable<PageWalker.Position>(shift: pageShift(level: 5))

  /// The pages that are known to have no translation, where the hardware remembers that.
  private var absent = AddressTable<Void>(shift: pageShift(level: 1))

  /// The translation of an address. O(1).
  func leaf(for address: UInt64, _ choice: Hardware.SizeChoice) -> Leaf? {
    switch choice {
    case .smallest: pages4K[address] ?? pages2M[address] ?? pages1G[address]
    case .largest: pages1G[address] ?? pages2M[address] ?? pages4K[address]
    }
  }

  func isAbsent(_ address: UInt64) -> Bool { absent[address] != nil }

  mutating func insertAbsent(_ address: UInt64) { absent[address] = () }

  mutating func removeAbsent(from start: UInt64, through last: UInt64) {
    absent.removeAll(from: start, through: last)
  }

  /// The cached table that leaves the fewest steps to walk for an address. O(1).
  func position(for address: UInt64) -> PageWalker.Position? {
    pageTables[address] ?? pageDirectories[address] ?? directoryPointerTables[address]
      ?? fourthTables[address]
  }

  mutating func insert(_ leaf: Leaf, for address: UInt64) {
    switch leaf.level {
    case 1: pages4K[address] = leaf
    case 2: pages2M[address] = leaf
    default: pages1G[address] = leaf
    }
  }

  mutating func insert(_ position: PageWalker.Position, for address: UInt64) {
    switch position.level {
    case 1: pageTables[address] = position
    case 2: pageDirectories[address] = position
    case 3: directoryPointerTables[address] = position
    default: fourthTables[address] = position
    }
  }
}

extension TranslationCaches {
  func forEachLeaf(_ body: (UInt64, Leaf) -> Void) {
    pages4K.forEach(body)
    pages2M.forEach(body)
    pages1G.forEach(body)
  }

  func forEachTable(_ body: (UInt64, PageWalker.Position) -> Void) {
    pageTables.forEach(body)
    pageDirectories.forEach(body)
    directoryPointerTables.forEach(body)
    fourthTables.forEach(body)
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
    pages4K.removeAll(from: start, through: last)
    pages2M.removeAll(from: start, through: last)
    pages1G.removeAll(from: start, through: last)
    absent.removeAll(from: start, through: last)
    switch drop {
    case .all: removeTables()
    case .ofAddress:
      pageTables.removeAll(from: start, through: last)
      pageDirectories.removeAll(from: start, through: last)
      directoryPointerTables.removeAll(from: start, through: last)
      fourthTables.removeAll(from: start, through: last)
    }
  }

  /// What a page fault drops: the leaves for the address, and the tables that a walk for it would use
  /// (SDM 4.10.4.1).
  mutating func dropAfterFault(at address: UInt64) {
    pages4K[address] = nil
    pages2M[address] = nil
    pages1G[address] = nil
    pageTables[address] = nil
    pageDirectories[address] = nil
    directoryPointerTables[address] = nil
    fourthTables[address] = nil
  }

  /// What MOV to CR3 drops with CR4.PCIDE 0: all tables, and all leaves but global ones (SDM 4.10.4.1).
  mutating func dropAfterRootLoad() {
    pages4K.removeAll { !$0.entry.isGlobal }
    pages2M.removeAll { !$0.entry.isGlobal }
    pages1G.removeAll { !$0.entry.isGlobal }
    absent.removeAll()
    removeTables()
  }

  /// What a change of CR4.PGE drops: everything (SDM 4.10.4.1).
  mutating func removeAll() {
    pages4K.removeAll()
    pages2M.removeAll()
    pages1G.removeAll()
    absent.removeAll()
    removeTables()
  }

  private mutating func removeTables() {
    pageTables.removeAll()
    pageDirectories.removeAll()
    directoryPointerTables.removeAll()
    fourthTables.removeAll()
  }
}
