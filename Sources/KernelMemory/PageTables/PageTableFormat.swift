/// A page-table format: how one architecture writes down what an entry says.
///
/// A format turns (frame, level, attributes) into an entry and back. No bit of an entry is known
/// anywhere else. Levels count from 0, the table whose entries map single pages, up to `levels - 1`, the
/// root. To port the package, write one of these and add it to the list in `PageTables`; the tests
/// in `PageTableFormatTests` run over every format.
protocol PageTableFormat {
  static var pageSize: PageSize { get }
  /// log2 of the entries in a table.
  static var indexBits: Int { get }
  /// How many bits of a frame number an entry holds.
  static var frameBits: Int { get }
  /// Whether a live leaf must be taken away, and flushed, before smaller ones may stand in its place
  /// (Arm ARM, D8.16.1: break-before-make).
  static var splitNeedsBreakBeforeMake: Bool { get }

  /// Levels in use.
  var levels: Int { get }
  /// The highest level whose entries may be leaves on this CPU.
  var largestLeafLevel: Int { get }

  /// Whether the CPU translates through `entry`. An entry of zero is never present.
  static func isPresent(_ entry: UInt64) -> Bool
  /// Whether an entry of a table of `level`, present or quarantined, maps memory, rather than naming a table.
  static func isLeaf(_ entry: UInt64, level: Int) -> Bool
  /// The table that a present entry names.
  static func nextTable(_ entry: UInt64) -> FrameNumber
  /// The address of that table.
  static func nextTableAddress(_ entry: UInt64) -> PhysicalAddress
  /// The first frame of a leaf of a table of `level`.
  static func frame(ofLeaf entry: UInt64, level: Int) -> FrameNumber
  /// An entry that names a table; all permissions are left to the leaves.
  static func table(_ frame: FrameNumber) -> UInt64
  /// A present entry made absent, which CPUs may still have in their TLBs or walk caches. It says what it
  /// said, and is not zero.
  static func quarantined(_ entry: UInt64) -> UInt64
  /// What `quarantined` made absent, present again.
  static func revived(_ entry: UInt64) -> UInt64
  /// The bits of `attributes` in a leaf of `level`; computed once a call, not once an entry.
  static func bits(_ attributes: MappingAttributes, level: Int) -> UInt64
  /// A leaf; `frame` is aligned to its size.
  static func leaf(_ frame: FrameNumber, bits: UInt64) -> UInt64
  /// The attributes of a leaf.
  static func attributes(of entry: UInt64, level: Int) -> MappingAttributes
}

extension PageTableFormat {
  /// Whether an entry is in quarantine: it was present, and its flush may not be complete.
  @inline(__always)
  static func isQuarantined(_ entry: UInt64) -> Bool { entry != 0 && !isPresent(entry) }

  /// The table that a quarantined entry of a table of `level` named. It may be freed at any time, but for
  /// whoever has the tables' lock.
  @inline(__always)
  static func quarantinedTable(_ entry: UInt64, level: Int) -> FrameNumber? {
    isQuarantined(entry) && !isLeaf(entry, level: level) ? nextTable(entry) : nil
  }

  /// log2 of the pages that an entry of a table of `level` covers.
  @inline(__always)
  static func spanShift(_ level: Int) -> UInt64 { UInt64(truncatingIfNeeded: level &* indexBits) }

  /// The pages that an entry of a table of `level` covers.
  @inline(__always)
  static func span(_ level: Int) -> UInt64 { 1 &<< spanShift(level) }

  /// The level of the leaves that map a whole block of an area, and of their tables.
  static var areaLeafLevel: Int { 1 }

  /// Whether entries hold the numbers of all frames from `first` on that `count` pages are mapped to.
  static func reaches(_ first: FrameNumber, _ count: PageCount) -> Bool {
    let limit = UInt64(1) &<< UInt64(truncatingIfNeeded: frameBits)
    return first.rawValue < limit && count.rawValue <= limit &- first.rawValue
  }

  /// The page number whose bits above the translated ones copy the highest of these.
  func canonical(_ page: PageNumber) -> PageNumber {
    let width = UInt64(levels * Self.indexBits)
    guard page.rawValue &>> (width &- 1) & 1 == 1 else { return page }
    let all = UInt64.max &>> UInt64(Self.pageSize.shift)
    return PageNumber(page.rawValue | (all &<< width & all))
  }

  /// The index of an address in the root; nil where the bits above the translated ones do not copy the
  /// highest of these.
  @inline(__always)
  func rootIndex(of address: VirtualAddress) -> Int? {
    let half = Self.span(1) &>> 1
    let shift = Int64(truncatingIfNeeded: Self.spanShift(levels &- 1)) &+ Int64(Self.pageSize.shift)
    let index = UInt64(bitPattern: Int64(bitPattern: address.rawValue) &>> shift) &+ half
    return index < Self.span(1) ? Int(truncatingIfNeeded: index ^ half) : nil
  }

  /// Whether all of `pages` lie in one half of the translatable address space: the bits above it
  /// copy its highest bit.
  func isCanonical(_ pages: PageRange) -> Bool {
    let width = UInt64(levels * Self.indexBits)
    let numberBits = 64 - UInt64(Self.pageSize.shift)
    let halves = pages.first.rawValue &>> (width &- 1)
    let upper = (UInt64(1) &<< (numberBits &- width &+ 1)) &- 1
    guard halves == 0 || halves == upper else { return false }
    return pages.isEmpty || (pages.end.rawValue &- 1) &>> (width &- 1) == halves
  }
}
