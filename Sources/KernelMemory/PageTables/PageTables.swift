internal import Synchronization

// Page tables: one root, one format, one walker

/// The page tables below one root. The walker is what reads and writes their entries: Walker.swift, and the
/// files beside it.
@safe
struct PageTables {
  let format: WalkedFormat
  let root: FrameNumber
  let table: FrameTable
  let shared: Stable<Shared>
  /// The root's address in the linear map.
  let rootTable: VirtualAddress

  init(format: WalkedFormat, root: FrameNumber, table: FrameTable, shared: Stable<Shared>) {
    self.format = format
    self.root = root
    self.table = table
    self.shared = shared
    rootTable = table.address(of: root)
  }

  /// The page tables of a manager.
  init(
    format: WalkedFormat, root: FrameNumber, _ table: FrameTable,
    carving memory: inout some Carver & ~Copyable
  ) throws(MemoryError) {
    self.init(format: format, root: root, table: table, shared: try memory.carve(1))
    unsafe shared.pointer.initialize(to: Shared())
  }

  struct Shared: ~Copyable {
    /// Over the tables' shape, what they count, and the unmaps under way. Entries are read without it.
    let lock = SpinLock()
    var unmaps = UnmapsUnderWay()
  }

  typealias Entry = Stable<Atomic<UInt64>>

  /// Changes tables, alone.
  @inline(__always)
  func locked<Result: ~Copyable, Failure: Error>(
    _ cpu: borrowing CPU, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try shared.value.lock.with(.tables, cpu, body)
  }

  /// Entries that name quarantined tables, and leaves that are unmapped by hand, become present or zero under
  /// the lock alone, so that each becomes one of them. A suspended leaf is its area's.
  func assertLocked() { assert(shared.value.lock.isHeld, "tables are changed without their lock") }

  /// Whether all of `pages` can be translated.
  @inline(__always)
  func isCanonical(_ pages: PageRange) -> Bool { format.isCanonical(pages) }

  /// log2 of the pages that a large leaf of an area maps.
  var areaLeafOrder: Int { Int(format.spanShift(format.areaLeafLevel)) }

  /// log2 of the pages that an area of so many is best aligned to: of what can be one translation in it, in
  /// blocks that there are.
  @inline(__always)
  func bestAlignment(of pages: UInt64) -> Int {
    let fits = { (order: Int) in pages &>> UInt64(truncatingIfNeeded: order) != 0 }
    if areaLeafOrder <= Frames.largestAreaOrder, fits(areaLeafOrder) { return areaLeafOrder }
    return fits(format.contiguousOrder) ? format.contiguousOrder : 0
  }

  /// Refuses a type of memory that no entry can ask for.
  /// - Throws: `cacheTypeUnavailable`.
  @inline(__always)
  func checkType(_ type: CacheType) throws(MemoryError) {
    guard format.has(type) else { throw .cacheTypeUnavailable(type) }
  }

  /// Refuses frames that no entry can name.
  /// - Throws: `frameOutOfReach`.
  func checkReach(_ first: FrameNumber, _ count: PageCount) throws(MemoryError) {
    guard format.reaches(first, count) else { throw .frameOutOfReach(first) }
  }
}
