public import KernelMemory

// A flattened device tree
//
// Firmware, or a boot loader in its place, describes a machine by a tree of nodes, each with properties, in
// one block of memory (Devicetree Specification v0.4, chapter 5); all numbers are big-endian:
//
//     header, 40 bytes      struct block: words of 4 bytes            strings block
//      0  magic             1 begin node, name, padding               names of properties,
//      4  total size        2 end node                                each with a zero behind it
//      8  struct offset     3 property: bytes, offset of its name,
//     12  strings offset      the value, padding
//     16  reservations      4 nothing
//     20  version           9 the end
//     24  compatible with
//     32  strings size
//     36  struct size
//
// All of it is somebody else's data. It is walked once, from end to end, before anything is made of it: every
// size, name and offset is inside the block, nodes end in the order in which they began, and are no deeper
// than any machine's. Whoever reads it later goes the same way again, with nothing left to go wrong.

/// A device tree that is whole, read where the loader put it.
public struct DeviceTree {
  static var magic: UInt32 { 0xd00d_feed }
  /// That of the oldest readers that can read this version's trees.
  static var version: UInt32 { 16 }
  /// No machine's tree is half as large.
  static var byteLimit: UInt32 { 16 << 20 }
  static var depthLimit: Int { 32 }

  let bytes: BigEndianBytes
  /// Where the tree is, and how much of memory it takes.
  public let start: PhysicalAddress
  public var byteCount: UInt64 { UInt64(bytes.count) }

  private static var headerBytes: UInt32 { 40 }

  /// Checks the tree at `address`, which the window reaches.
  public init(at address: PhysicalAddress, window: LinearMap) throws(DeviceTreeError) {
    guard address.rawValue != 0, address.rawValue % 8 == 0 else { throw .noTree(address) }
    guard let header = BigEndianBytes(at: address, count: Self.headerBytes, in: window) else {
      throw .unreachable(address, byteCount: UInt64(Self.headerBytes))
    }
    guard header.u32(0) == Self.magic else { throw .notTree(magic: header.u32(0)) }
    let size = header.u32(4)
    guard size >= Self.headerBytes, size <= Self.byteLimit else { throw .absurdSize(size) }
    guard let bytes = BigEndianBytes(at: address, count: size, in: window) else {
      throw .unreachable(address, byteCount: UInt64(size))
    }
    guard header.u32(20) >= Self.version + 1, header.u32(24) <= Self.version + 1 else {
      throw .unknownVersion(header.u32(20))
    }
    self.bytes = bytes
    start = address
    try checkBlock(.structure, offset: 8, size: 36)
    try checkBlock(.strings, offset: 12, size: 32)
    guard structStart % 4 == 0 else { throw .truncated(.structure) }
    try check()
  }

  private func checkBlock(
    _ part: DeviceTreeError.Part, offset: UInt32, size: UInt32
  ) throws(DeviceTreeError) {
    let (end, wraps) = bytes.u32(offset).addingReportingOverflow(bytes.u32(size))
    guard !wraps, end <= bytes.count else { throw .truncated(part) }
  }

  var structStart: UInt32 { bytes.u32(8) }
  var structEnd: UInt32 { structStart + bytes.u32(36) }
  var stringsStart: UInt32 { bytes.u32(12) }
  var stringsEnd: UInt32 { stringsStart + bytes.u32(32) }
}

// MARK: - One walk

extension DeviceTree {
  /// What a walk comes to.
  enum Step {
    /// A node begins; its name, with the part behind `@`.
    case node(Text)
    case property(name: Text, value: BigEndianBytes)
    case endOfNode
    case end
  }

  /// A place in the struct block.
  struct Walk {
    private let tree: DeviceTree
    private(set) var position: UInt32

    init(_ tree: DeviceTree) {
      self.tree = tree
      position = tree.structStart
    }

    /// The next step; throws where there is none.
    mutating func next() throws(DeviceTreeError) -> Step {
      while true {
        switch try word() {
        case 1: return .node(try text(&position, upTo: tree.structEnd, .structure))
        case 2: return .endOfNode
        case 3: return try property()
        case 4: continue
        case 9: return .end
        default: throw .unknownToken(at: position - 4)
        }
      }
    }

    private mutating func word() throws(DeviceTreeError) -> UInt32 {
      guard position <= tree.structEnd, tree.structEnd - position >= 4 else { throw .truncated(.structure) }
      defer { position += 4 }
      return tree.bytes.u32(position)
    }

    private mutating func property() throws(DeviceTreeError) -> Step {
      let count = try word()
      let (name, wraps) = try tree.stringsStart.addingReportingOverflow(word())
      guard count <= tree.structEnd - position else { throw .truncated(.structure) }
      let value = tree.bytes.part(from: position, count: count)
      advance(by: count)
      guard !wraps, name < tree.stringsEnd else { throw .truncated(.strings) }
      var place = name
      return .property(name: try text(&place, upTo: tree.stringsEnd, .strings), value: value)
    }

    /// The bytes up to a zero; `place` is then behind it, at the next word.
    private func text(
      _ place: inout UInt32, upTo end: UInt32, _ part: DeviceTreeError.Part
    ) throws(DeviceTreeError) -> Text {
      let start = place
      while place < end, tree.bytes.u8(place) != 0 { place += 1 }
      guard place < end else { throw .truncated(part) }
      let name = Text(tree.bytes.part(from: start, count: place - start))
      place = place / 4 * 4 + 4
      return name
    }

    private mutating func advance(by count: UInt32) {
      position += count
      position = (position + 3) / 4 * 4
    }
  }

  /// Walks all of it: then no later walk throws.
  private func check() throws(DeviceTreeError) {
    var walk = Walk(self)
    var depth = 0
    var hasRoot = false
    while true {
      switch try walk.next() {
      case .node:
        guard depth > 0 || !hasRoot else { throw .unbalanced(at: walk.position) }
        hasRoot = true
        depth += 1
        guard depth <= Self.depthLimit else { throw .tooDeep(limit: Self.depthLimit) }
      case .endOfNode:
        guard depth > 0 else { throw .unbalanced(at: walk.position) }
        depth -= 1
      case .property: guard depth > 0 else { throw .unbalanced(at: walk.position) }
      case .end:
        guard depth == 0, hasRoot else { throw .unbalanced(at: walk.position) }
        return
      }
    }
  }
}
