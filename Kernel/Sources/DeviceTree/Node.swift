internal import KernelMemory

extension DeviceTree {
  /// How many cells of 4 bytes an address and a size have in what lies below a node.
  struct Cells {
    var address: UInt32 = 2
    var size: UInt32 = 1
  }

  /// A node, and what its parents say of it.
  struct Node {
    let name: Text
    /// Zero for the root.
    let depth: Int
    let isInReservedMemory: Bool
    /// Those of its parent: of its own addresses.
    let cells: Cells
    /// Behind its name.
    fileprivate let walk: Walk

    /// Its own property, not one of a node below it. All of its own come before those.
    func property(_ name: StaticString) -> BigEndianBytes? {
      var walk = walk
      while case .property(let found, let value)? = walk.step() {
        if found == name { return value }
      }
      return nil
    }

    /// Whether the property `compatible` lists this.
    func isCompatible(_ name: StaticString) -> Bool { property("compatible")?.lists(name) ?? false }

    func isOfType(_ name: StaticString) -> Bool { property("device_type")?.lists(name) ?? false }

    /// A range of the property `reg`; nil behind the last one, and where numbers have more cells than two.
    func range(_ index: UInt32) -> (start: UInt64, byteCount: UInt64)? {
      guard let reg = property("reg"), cells.address <= 2, cells.size <= 2 else { return nil }
      let first = index * (cells.address + cells.size)
      guard let start = reg.number(cell: first, cells: cells.address),
        let byteCount = reg.number(cell: first + cells.address, cells: cells.size)
      else { return nil }
      return (start, byteCount)
    }
  }

  /// All nodes, in their order.
  struct Nodes {
    private var walk: Walk
    private var depth = 0
    private var isInReservedMemory = false
    /// By depth: what a node at this depth says of those below it.
    private var cells = InlineArray<32, Cells>(repeating: Cells())

    init(_ tree: DeviceTree) { walk = Walk(tree) }

    mutating func next() -> Node? {
      while let step = walk.step() {
        switch step {
        case .node(let name): return enter(name)
        case .endOfNode: depth -= 1
        case .property: continue
        case .end: return nil
        }
      }
      return nil
    }

    private mutating func enter(_ name: Text) -> Node {
      if depth == 1 { isInReservedMemory = name == "reserved-memory" }
      let node = Node(
        name: name, depth: depth, isInReservedMemory: isInReservedMemory && depth > 1,
        cells: depth > 0 ? cells[depth - 1] : Cells(), walk: walk)
      var own = Cells()
      if let count = node.property("#address-cells"), count.count == 4 { own.address = count.u32(0) }
      if let count = node.property("#size-cells"), count.count == 4 { own.size = count.u32(0) }
      cells[depth] = own
      depth += 1
      return node
    }
  }

  var nodes: Nodes { Nodes(self) }
}

extension DeviceTree.Walk {
  /// The next step of a tree that was checked; nil where there is none.
  mutating func step() -> DeviceTree.Step? {
    do throws(DeviceTreeError) { return try next() } catch { return nil }
  }
}
