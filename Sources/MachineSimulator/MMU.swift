internal import KernelMemory

// What an MMU reads in page tables, one file for each family of formats: X86MMU, AArch64MMU, RISCVMMU. They
// are written from the architectures' manuals, and share nothing with the formats of the memory manager.
//
// Levels count from the page: 1 is the table whose entries map single pages, `levels` the root.

/// How the tables of one architecture, in one of its modes, are read.
protocol MMU: Sendable {
  /// log2 of the bytes of a page, and of a table.
  var granuleShift: UInt64 { get }
  var levels: Int { get }
  /// log2 of the entries in the root.
  var rootIndexBits: UInt64 { get }
  /// log2 of the bytes that a TLB keeps one translation of: pages of each level, and runs of entries that say
  /// that they belong together. Ascending.
  var translationShifts: [UInt64] { get }
  /// The bits of a leaf that hardware sets, or clears, to say that it was used.
  var flags: UInt64 { get }
  /// Whether an access faults where a flag is clear that hardware does not set.
  var clearFlagsFault: Bool { get }
  /// Whether leaves say of which type their memory is.
  var hasMemoryTypes: Bool { get }
  /// Whether a live entry may not become another one but by an absent one, and a flush (break-before-make).
  var breaksBeforeMaking: Bool { get }

  /// What an entry says.
  /// - Parameters:
  ///   - level: of its table.
  ///   - index: its place there.
  func meaning(of bits: UInt64, level: Int, index: UInt64) -> Meaning

  /// What remains of the rights that all entries of a translation have together.
  func permitted(_ rights: Rights) -> Rights

  /// The same entry, of a page or table that was used.
  func accessed(_ bits: UInt64) -> UInt64
  /// The same leaf, of a page that was written to.
  func dirty(_ bits: UInt64) -> UInt64

  /// Whether accesses of a type go through caches, to be written back.
  func isWriteBack(_ memoryType: UInt8) -> Bool
}

extension MMU {
  func permitted(_ rights: Rights) -> Rights { rights }

  /// log2 of the entries in a table other than the root.
  var indexBits: UInt64 { granuleShift &- 3 }

  /// log2 of the bytes that one entry of a table of `level` covers.
  @inline(__always)
  func pageShift(level: Int) -> UInt64 {
    granuleShift &+ indexBits &* UInt64(truncatingIfNeeded: level &- 1)
  }

  /// How many entries a table has.
  func entryCount(level: Int) -> UInt64 { 1 &<< (level == levels ? rootIndexBits : indexBits) }

  func index(of address: UInt64, level: Int) -> UInt64 {
    (address &>> pageShift(level: level)) & (entryCount(level: level) &- 1)
  }

  /// How many bits of an address are translated.
  var addressBits: UInt64 { pageShift(level: levels) &+ rootIndexBits }

  /// An address with these translated bits: all bits above them copy the highest of them.
  func canonical(_ address: UInt64) -> UInt64 {
    let unused = 64 &- addressBits
    return UInt64(bitPattern: Int64(bitPattern: address &<< unused) &>> Int64(bitPattern: unused))
  }

  var pageSize: PageSize {
    switch granuleShift {
    case 14: .size16K
    case 16: .size64K
    default: .size4K
    }
  }
}

/// What an entry says to an MMU.
enum Meaning {
  /// Nothing: a translation ends here.
  case absent
  /// What must not be there.
  case wrong(Fault.Cause)
  case table(TableMeaning)
  case page(PageMeaning)

  var isAbsent: Bool {
    if case .absent = self { true } else { false }
  }
}

struct TableMeaning {
  var address: UInt64
  /// What it leaves to the pages below it.
  var rights = Rights.all
  /// False where hardware is to note that the table was used.
  var isAccessed = true
}

struct PageMeaning {
  /// Of its first byte.
  var address: UInt64
  var rights: Rights
  var memoryType: UInt8
  var isGlobal: Bool
  var isAccessed: Bool
  /// Whether nothing is left to note when it is written to.
  var isDirty: Bool
  /// log2 of the bytes of the run of entries that it is a part of; that of its page where it stands alone.
  var runShift: UInt64
}

/// What the entries of a translation permit to the supervisor together, and whether to users, too.
struct Rights: OptionSet {
  let rawValue: UInt8
  static let write = Rights(rawValue: 1)
  static let user = Rights(rawValue: 2)
  static let execute = Rights(rawValue: 4)
  static let read = Rights(rawValue: 8)
  static let all: Rights = [.read, .write, .user, .execute]
}

/// Ones from bit `low` up to and without bit `high`.
@inline(__always)
func bits(from low: UInt64, upTo high: UInt64) -> UInt64 {
  high > low ? (UInt64(1) &<< high) &- (UInt64(1) &<< low) : 0
}
