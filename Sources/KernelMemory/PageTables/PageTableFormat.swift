// Page-table formats: how an architecture writes down what an entry says
//
// A format is a value. Its properties are numbers and bit patterns out of the architecture's manual, and
// nothing else: how an entry is made of them and read again is written once, in
// PageTableFormat+Entries.swift, and how addresses are cut up in PageTableFormat+Addresses.swift. No bit of
// an entry is known anywhere else.
//
// Levels count from 0, the table whose entries map single pages, up to `levels - 1`, the root. A table is a
// page of 8-byte entries; the root may use fewer of them, where addresses have fewer bits than its table
// would take.
//
// Invariants that the tests hold every format to (PageTableFormatTests): an entry of zero is not present;
// what is quarantined is neither present nor zero, whatever frame it names but frame 0, which is never handed
// out; two leaves that say different things differ; the root maps nothing itself.
//
// To port the package, write one of these, and add it to the list in Formats.swift.

/// What one architecture, in one of its modes, says in page-table entries.
protocol PageTableFormat: Equatable, Sendable {
  // MARK: Shape

  /// The size of a page, of a frame and of a table.
  var pageSize: PageSize { get }
  /// log2 of the entries in the root.
  var rootIndexBits: Int { get }
  /// Levels in use: a mode of the CPU.
  var levels: Int { get }
  /// The fewest levels of any mode, for which a walk is a straight line once it is compiled for a format.
  var leastLevels: Int { get }
  /// The highest level whose entries may be leaves on this CPU; below the root.
  var largestLeafLevel: Int { get }
  /// The same on any CPU; below `leastLevels`.
  var highestLeafLevel: Int { get }

  // MARK: Entries

  /// The lowest bit of the frame number in an entry.
  var frameShift: Int { get }
  /// How many bits of a frame number an entry holds.
  var frameBits: Int { get }
  /// The bit that is set where the CPU translates through an entry.
  var present: UInt64 { get }
  /// What an entry has instead while it is quarantined, and never while it is present; may be zero where
  /// every table entry and every leaf has another bit that is always set.
  var quarantine: UInt64 { get }
  /// An entry that names a table, without the number of its frame; all permissions are left to the leaves.
  var tableEntry: UInt64 { get }
  /// The bits by which a leaf above level 0 is told from `tableEntry`: it differs in one of them at least.
  var leafMark: UInt64 { get }
  /// Leaves of level 0.
  var leaf: LeafPattern { get }
  /// Leaves of the levels above it.
  var largeLeaf: LeafPattern { get }
  /// log2 of how many leaves of level 0 a CPU may keep as one translation, where all of these say that they
  /// map neighbours, aligned on both sides to as many pages; zero where leaves cannot say so.
  var contiguousOrder: Int { get }
  /// The bits by which such a leaf says it, all of which no other leaf has.
  var contiguousMark: UInt64 { get }
  /// Whether the lowest `contiguousOrder` bits of its frame's number are not in such a leaf: they are those
  /// of its page's number.
  var contiguousLeafHidesFrame: Bool { get }

  // MARK: Rules

  /// Whether a live leaf must be taken away, and flushed, before smaller ones may stand in its place
  /// (Arm ARM, D8.16.1: break-before-make).
  var splitNeedsBreakBeforeMake: Bool { get }
  /// Where vmalloc is when the kernel says nothing else.
  var defaultVmallocRange: PageRange { get }
}

/// The words that a leaf is composed of.
struct LeafPattern: Equatable, Sendable {
  /// What every leaf has: presence, and what hardware would otherwise have to set on the first access.
  let always: UInt64
  let writable: Choice
  let executable: Choice
  /// Kept in the TLBs when the address space is switched.
  let isGlobal: Choice
  let cache: CacheBits

  /// Two sets of bits, of which a leaf has one.
  struct Choice: Equatable, Sendable {
    let yes: UInt64
    let no: UInt64
    /// The bits that are looked at to tell which.
    let mask: UInt64

    /// - Parameter mask: nil where all bits of both sets tell.
    @inline(__always)
    init(yes: UInt64 = 0, no: UInt64 = 0, mask: UInt64? = nil) {
      self.yes = yes
      self.no = no
      self.mask = mask ?? (yes | no)
    }

    @inline(__always)
    subscript(_ isSet: Bool) -> UInt64 { isSet ? yes : no }

    @inline(__always)
    func isSet(in entry: UInt64) -> Bool { entry & mask == yes & mask }
  }
}

/// How a leaf says how caches treat its memory. A type that the architecture cannot ask for is nil.
struct CacheBits: Equatable, Sendable {
  /// All bits that say it.
  let mask: UInt64
  let writeBack: UInt64
  let writeCombining: UInt64?
  let uncachedMinus: UInt64?
  let uncached: UInt64?
  let writeThrough: UInt64?

  @inline(__always)
  subscript(_ type: CacheType) -> UInt64? {
    switch type {
    case .writeBack: writeBack
    case .writeCombining: writeCombining
    case .uncachedMinus: uncachedMinus
    case .uncached: uncached
    case .writeThrough: writeThrough
    }
  }

  /// What a leaf says; `uncached` for what none that this package writes says.
  func type(of entry: UInt64) -> CacheType {
    let bits = entry & mask
    if bits == writeBack { return .writeBack }
    if bits == writeCombining { return .writeCombining }
    if bits == uncachedMinus { return .uncachedMinus }
    return bits == writeThrough ? .writeThrough : .uncached
  }
}
