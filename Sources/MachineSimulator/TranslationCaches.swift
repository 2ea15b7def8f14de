// What one CPU has cached of the page tables (SDM 4.10): finished translations, in one TLB for each page
// size, and tables on the way to them, in one paging-structure cache for each level.
//
// Nothing is evicted. Two things that the architecture promises limit how stale an answer can be: entries
// that are not present are never cached (4.10.2.3, 4.10.3.1), and a page fault drops what was cached for
// its address (4.10.4.1).
//
// Pages of several sizes may be cached for one address, after a table was replaced by a large page without
// a flush. The smallest is used: it is the oldest, because a cached large page would have kept every
// walk below it from happening.

struct TranslationCaches {
  private var pages4K = AddressTable<Leaf>(shift: pageShift(level: 1))
  private var pages2M = AddressTable<Leaf>(shift: pageShift(level: 2))
  private var pages1G = AddressTable<Leaf>(shift: pageShift(level: 3))
  // By the bits of the address that have led to the table: those that its level does not resolve.
  private var pageTables = AddressTable<PageWalker.Position>(shift: pageShift(level: 2))
  private var pageDirectories = AddressTable<PageWalker.Position>(shift: pageShift(level: 3))
  private var directoryPointerTables = AddressTable<PageWalker.Position>(shift: pageShift(level: 4))

  /// The translation of an address. O(1).
  func leaf(for address: UInt64) -> Leaf? {
    pages4K[address] ?? pages2M[address] ?? pages1G[address]
  }

  /// The cached table that leaves the fewest steps to walk for an address. O(1).
  func position(for address: UInt64) -> PageWalker.Position? {
    pageTables[address] ?? pageDirectories[address] ?? directoryPointerTables[address]
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
    default: directoryPointerTables[address] = position
    }
  }
}

extension TranslationCaches {
  /// INVLPG for every page that holds a byte from `start` to `last`, both included: their leaves of any
  /// size, global ones too, and all tables, whatever their addresses (SDM 4.10.4.1).
  mutating func invalidate(from start: UInt64, through last: UInt64) {
    pages4K.removeAll(from: start, through: last)
    pages2M.removeAll(from: start, through: last)
    pages1G.removeAll(from: start, through: last)
    removeTables()
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
  }

  /// What MOV to CR3 drops with CR4.PCIDE 0: all tables, and all leaves but global ones (SDM 4.10.4.1).
  mutating func dropAfterRootLoad() {
    pages4K.removeAll { !$0.entry.isGlobal }
    pages2M.removeAll { !$0.entry.isGlobal }
    pages1G.removeAll { !$0.entry.isGlobal }
    removeTables()
  }

  /// What a change of CR4.PGE drops: everything (SDM 4.10.4.1).
  mutating func removeAll() {
    pages4K.removeAll()
    pages2M.removeAll()
    pages1G.removeAll()
    removeTables()
  }

  private mutating func removeTables() {
    pageTables.removeAll()
    pageDirectories.removeAll()
    directoryPointerTables.removeAll()
  }
}
