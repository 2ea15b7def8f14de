public import KernelMemory

// What the nodes say of memory. A node of device type "memory" names RAM. What must not be touched of it is
// in the list of reservations before the struct block, and in nodes below /reserved-memory.

extension DeviceTree {
  /// Ranges of memory, in the tree's order.
  private struct MemoryRanges {
    private var nodes: Nodes
    private var node: Node?
    private var index: UInt32 = 0

    init(_ tree: DeviceTree) { nodes = tree.nodes }

    mutating func next() throws(DeviceTreeError) -> (start: UInt64, end: UInt64)? {
      while true {
        if let node, let reg = node.property("reg") {
          let cells = node.cells.address + node.cells.size
          if index * cells * 4 < reg.count { return try range(of: node) }
        }
        guard let found = try nextNode() else { return nil }
        node = found
        index = 0
      }
    }

    private mutating func nextNode() throws(DeviceTreeError) -> Node? {
      while let found = nodes.next() {
        guard found.depth == 1, found.isOfType("memory") else { continue }
        guard 1...2 ~= found.cells.address else { throw .absurdCells(found.cells.address) }
        guard 1...2 ~= found.cells.size else { throw .absurdCells(found.cells.size) }
        return found
      }
      return nil
    }

    private mutating func range(of node: Node) throws(DeviceTreeError) -> (start: UInt64, end: UInt64) {
      guard let range = node.range(index) else { throw .malformedMemory }
      let (end, wraps) = range.start.addingReportingOverflow(range.byteCount)
      guard !wraps else { throw .malformedMemory }
      index += 1
      return (range.start, end)
    }
  }

  /// Adds to `map` what memory there is, and what of it is not to be touched. The map should have room for
  /// more: for what the kernel keeps, of which this tree is a part.
  public func addMemory(to map: MemoryMap) throws(DeviceTreeError) {
    var ranges = MemoryRanges(self)
    var count = 0
    var hasMemory = false
    while let range = try ranges.next() {
      try checkOverlap(of: range, before: count)
      try Self.add(.usable, range.start, range.end - range.start, to: map)
      hasMemory = hasMemory || range.end > range.start
      count += 1
    }
    guard hasMemory else { throw .noMemory }
    try addReservations(to: map)
    try addReservedNodes(to: map)
  }

  /// With those that came before it.
  private func checkOverlap(
    of range: (start: UInt64, end: UInt64), before count: Int
  ) throws(DeviceTreeError) {
    var others = MemoryRanges(self)
    for _ in 0..<count {
      guard let other = try others.next() else { return }
      let first = max(range.start, other.start)
      if first < min(range.end, other.end) { throw .overlappingMemory(PhysicalAddress(first)) }
    }
  }

  /// Pairs of 8 bytes, the last of which is zero.
  private func addReservations(to map: MemoryMap) throws(DeviceTreeError) {
    var place = bytes.u32(16)
    while true {
      guard place % 8 == 0, place <= bytes.count, bytes.count - place >= 16 else {
        throw .truncated(.reservations)
      }
      let (start, byteCount) = (bytes.u64(place), bytes.u64(place + 8))
      if start == 0 && byteCount == 0 { return }
      try Self.add(.reserved, start, byteCount, to: map)
      place += 16
    }
  }

  private func addReservedNodes(to map: MemoryMap) throws(DeviceTreeError) {
    var nodes = nodes
    while let node = nodes.next() {
      guard node.isInReservedMemory else { continue }
      var index: UInt32 = 0
      while let range = node.range(index), range.byteCount > 0 {
        try Self.add(.reserved, range.start, range.byteCount, to: map)
        index += 1
      }
    }
  }

  private static func add(
    _ kind: MemoryMap.Kind, _ start: UInt64, _ byteCount: UInt64, to map: MemoryMap
  ) throws(DeviceTreeError) {
    do throws(MemoryError) {
      try map.add(kind, at: PhysicalAddress(start), byteCount: byteCount)
    } catch {
      throw .memoryMapTooLong(limit: map.capacity)
    }
  }
}
