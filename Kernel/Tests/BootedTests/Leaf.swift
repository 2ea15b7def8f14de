/// A leaf of the page tables, as far as both the kernel and the emulator's monitor tell of it.
struct Leaf: Hashable {
  let address: UInt64
  let frame: UInt64
  let isLarge: Bool
  let isWritable: Bool
  let isExecutable: Bool
  let isGlobal: Bool
  /// PCD and PWT, or what the kernel calls the cache type that they stand for.
  let isWriteBack: Bool
  let isUser: Bool
}

/// A run of mapped addresses with the same protection, as `info mem` prints it.
struct Extent: Hashable {
  let start: UInt64
  var end: UInt64
  let isWritable: Bool
}

/// A line of the kernel's listing: `mapping 0xADDRESS 0xFRAME PAGES rwx global|local CACHE`.
struct ListedLeaf {
  let leaf: Leaf
  let pages: UInt64

  init?(_ line: Substring) {
    let words = line.split(separator: " ")
    guard words.count == 7, words[0] == "mapping", let address = UInt64(words[1].dropFirst(2), radix: 16),
      let frame = UInt64(words[2].dropFirst(2), radix: 16), let pages = UInt64(words[3])
    else { return nil }
    self.pages = pages
    leaf = Leaf(
      address: address, frame: frame, isLarge: pages > 1, isWritable: words[4].contains("w"),
      isExecutable: words[4].contains("x"), isGlobal: words[5] == "global",
      isWriteBack: words[6] == "write-back", isUser: false)
  }

  /// Whether both map a page frame in common.
  func overlaps(_ other: ListedLeaf) -> Bool {
    leaf.frame < other.leaf.frame + other.pages * 4096 && other.leaf.frame < leaf.frame + pages * 4096
  }

  static func all(in serial: String) -> [ListedLeaf] {
    serial.split(separator: "\n").compactMap(ListedLeaf.init)
  }
}

extension Leaf {
  /// A line of `info tlb`: the address, the frame, and nine flags, each a letter or a dash: X no-execute, G
  /// global, P page size, D dirty, A accessed, C cache disable, T write-through, U user, W writable.
  init?(monitorLine line: Substring) {
    let words = line.split(separator: " ")
    guard words.count == 3, words[0].count == 17, words[0].hasSuffix(":"), words[2].count == 9,
      let address = UInt64(words[0].dropLast(), radix: 16), let frame = UInt64(words[1], radix: 16)
    else { return nil }
    let flags = words[2]
    self.init(
      address: address, frame: frame, isLarge: flags.contains("P"), isWritable: flags.contains("W"),
      isExecutable: !flags.contains("X"), isGlobal: flags.contains("G"),
      isWriteBack: !flags.contains("C") && !flags.contains("T"), isUser: flags.contains("U"))
  }
}

extension Extent {
  /// A line of `info mem`: `START-END SIZE urw`.
  init?(monitorLine line: Substring) {
    let words = line.split(separator: " ")
    guard words.count == 3, words[0].count == 33, words[2].count == 3 else { return nil }
    let ends = words[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
    guard ends.count == 2 else { return nil }
    self.init(start: ends[0], end: ends[1], isWritable: words[2].hasSuffix("w"))
  }

  /// Leaves in address order, joined where they meet with the same protection.
  static func joining(_ leaves: [ListedLeaf]) -> [Extent] {
    var extents: [Extent] = []
    for listed in leaves {
      let end = listed.leaf.address &+ listed.pages * 4096
      if let last = extents.last, last.end == listed.leaf.address, last.isWritable == listed.leaf.isWritable {
        extents[extents.count - 1].end = end
      } else {
        extents.append(
          Extent(start: listed.leaf.address, end: end, isWritable: listed.leaf.isWritable))
      }
    }
    return extents
  }
}
