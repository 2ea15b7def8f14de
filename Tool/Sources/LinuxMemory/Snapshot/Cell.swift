/// Sums over areas.
public struct AreaSums: Equatable, Sendable {
  /// The number of areas.
  public var areas = 0
  /// Address space in bytes.
  public var space: UInt64 = 0
  /// Page frames that the rows name.
  public var pages: UInt64 = 0
  /// Address space of the rows that name page frames: what exceeds their pages is guard and rounding.
  public var pagedSpace: UInt64 = 0
  /// Rows without a size.
  public var sizeless = 0
  /// Page frames by NUMA node.
  public var nodes: [UInt64] = []

  public init() {}

  /// Nodes above this are not believed: a number that large is a damaged line.
  static let maximumNode: UInt32 = 4096

  @inline(__always)
  mutating func add(_ area: borrowing Area, space areaSpace: UInt64) {
    areas += 1
    space = space.clampedAdd(areaSpace)
    if area.size == nil && area.addresses != .real { sizeless += 1 }
    if let count = area.pages {
      pages = pages.clampedAdd(count)
      pagedSpace = pagedSpace.clampedAdd(areaSpace)
    }
    if let first = area.nodes.first {
      addNode(first.node, first.pages)
      for entry in area.nodes.rest { addNode(entry.node, entry.pages) }
    }
  }

  @inline(__always)
  mutating func addNode(_ node: UInt32, _ count: UInt64) {
    if node > Self.maximumNode { return }
    while nodes.count <= Int(node) { nodes.append(0) }
    nodes[Int(node)] = nodes[Int(node)].clampedAdd(count)
  }

  /// Adds the sums of other areas.
  public mutating func add(_ other: AreaSums) {
    areas += other.areas
    space = space.clampedAdd(other.space)
    pages = pages.clampedAdd(other.pages)
    pagedSpace = pagedSpace.clampedAdd(other.pagedSpace)
    sizeless += other.sizeless
    for (node, count) in other.nodes.enumerated() { addNode(UInt32(node), count) }
  }
}

/// The areas of one caller and one kind: what every grouping is folded from.
public struct Cell: Sendable {
  public let caller: CallerID
  public let kind: AreaKind
  public var sums = AreaSums()
  /// The next cell of the same caller, or -1.
  var next: Int32
}
