internal import CMachine
internal import Synchronization

// The index: from any address of a range to its area
//
// A tree beside the page tables, over a page's offset in the range, ten bits a level, holds for each page the
// number of the descriptor of the area that has it, guard pages included: four bytes, at the highest level at
// which one area owns all that a slot covers. So a page's area is found in as many loads as the tree has
// levels, whatever the number of areas, and a large area costs a few slots at its edges and one for each
// large piece between.
//
//     slot     0                   no area
//              descriptor number   the area that owns all of it
//              bit 31 + frame      a node of the level below
//
// A node is 1,024 slots, ten bits of the offset a level, in a frame of its own; the root has up to eight
// times as many, in neighbouring frames, where that saves a level. Nodes count their slots in their frame's
// metadata.
//
// Readers take no lock, and check what they find against the descriptor's bounds. A reader may still be in a
// node that has emptied: its slots are zero, or name areas whose bounds do not match. A few empty nodes are
// stocked for the next insertions. The others go through a retired batch (`takeSurplus`), and are free when
// every CPU has passed a later flush, which none does in the middle of a look-up. So a reader is inside the
// package (`CPUs.enter`), or marked as a look-up (`CPUs.asReader`).
@safe
struct AreaIndex {
  struct State: ~Copyable {
    let frames: Frames
    let table: FrameTable
    /// The first page of the range.
    let base: UInt64
    /// Levels of nodes, so that the root covers the range.
    let levels: Int
    /// The root node's frame.
    let root: UInt32
    /// log2 of the pages that a slot of the root covers.
    let rootShift: UInt64
    /// Emptied and stocked nodes, a chain through the metadata.
    var spare = FrameList()
  }

  private let state: Stable<State>

  typealias Slot = Stable<Atomic<UInt32>>
  private static var nodeMark: UInt32 { 1 &<< 31 }

  init(frames: Frames, state: Stable<State>, root: UInt32, range: PageRange) {
    self.state = state
    let levels = Self.levels(for: range)
    unsafe state.pointer.initialize(
      to: State(
        frames: frames, table: frames.table, base: range.first.rawValue, levels: levels, root: root,
        rootShift: UInt64(levels &- 1) &* Self.slotBits))
  }

  /// log2 of the slots in a node, and the most in the root.
  private static let slotBits: UInt64 = 10
  private static let rootBits: UInt64 = 13

  /// The bits of a page's offset in a range.
  private static func bits(of range: PageRange) -> UInt64 {
    UInt64(64 &- (range.count.rawValue &- 1).leadingZeroBitCount)
  }

  private static func levels(for range: PageRange) -> Int {
    let below = bits(of: range) > rootBits ? bits(of: range) &- rootBits : 0
    return 1 &+ Int((below &+ slotBits &- 1) / slotBits)
  }

  /// log2 of the frames that the root of a range takes.
  static func rootOrder(for range: PageRange, _ pageSize: PageSize) -> Int {
    let rootBits = bits(of: range) &- min(bits(of: range), UInt64(levels(for: range) &- 1) &* slotBits)
    let frameBits = UInt64(pageSize.shift) &- 2
    return Int(rootBits > frameBits ? rootBits &- frameBits : 0)
  }

  var levels: Int { state.value.levels }
  private var base: UInt64 { state.value.base }
  private var table: FrameTable { state.value.table }

  /// log2 of the pages that a slot of a node of `level` covers.
  @inline(__always)
  private func spanShift(_ level: Int) -> UInt64 { UInt64(truncatingIfNeeded: level) &* Self.slotBits }

  /// The slots of a node.
  @inline(__always)
  private func slots(_ node: UInt32) -> Slot { table.memory(of: node, as: Atomic<UInt32>.self) }

  /// The slot for `offset`, of which the root has all bits that it needs.
  private func slot(_ node: UInt32, _ offset: UInt64, level: Int) -> Slot {
    let index = offset &>> spanShift(level)
    let isRoot = level == levels &- 1
    return slots(node)[Int(truncatingIfNeeded: isRoot ? index : index & ((1 &<< Self.slotBits) &- 1))]
  }

  /// The descriptor number of the area that has `page`, or zero. The page lies in the range. O(levels),
  /// lock-free, by a CPU that serves no flush meanwhile.
  @inline(__always)
  func area(at page: UInt64) -> UInt32 {
    fenceLookup()
    let (table, offset) = (table, page &- base)
    var shift = state.value.rootShift
    let root = slots(state.value.root)
    cmachine_step(cmachine_step_node_found)
    var value = root[Int(truncatingIfNeeded: offset &>> shift)].value.load(ordering: .acquiring)
    while value & Self.nodeMark != 0 {
      shift &-= Self.slotBits
      cmachine_step(cmachine_step_node_found)
      let index = Int(truncatingIfNeeded: offset &>> shift & ((1 &<< Self.slotBits) &- 1))
      value = table.memory(of: value & ~Self.nodeMark, as: Atomic<UInt32>.self)[index]
        .value.load(ordering: .acquiring)
    }
    return value
  }

  /// The area with the highest address that starts at or before `page`, or zero. O(levels × slots of a
  /// node).
  func lastArea(notAfter page: UInt64) -> UInt32 {
    lastArea(state.value.root, page &- base, level: levels &- 1)
  }

  private func lastArea(_ node: UInt32, _ offset: UInt64, level: Int) -> UInt32 {
    let span = UInt64(1) &<< spanShift(level)
    let nodeStart = level == levels &- 1 ? 0 : offset & ~((span &<< Self.slotBits) &- 1)
    var at = offset
    while true {
      let value = slot(node, at, level: level).value.load(ordering: .acquiring)
      if value & Self.nodeMark != 0 {
        let found = lastArea(value & ~Self.nodeMark, at, level: level &- 1)
        if found != 0 { return found }
      } else if value != 0 {
        return value
      }
      let slotStart = at & ~(span &- 1)
      guard slotStart > nodeStart else { return 0 }
      at = slotStart &- 1
    }
  }

  // MARK: Editing

  /// Makes sure that one insertion finds the nodes it needs: one a level at each of its two edges.
  /// - Throws: `metadataExhausted`.
  @inline(__always)
  func stock(_ cpu: borrowing CPU) throws(MemoryError) {
    if state.value.spare.count < nodesOfInsertion { try stockMore(cpu) }
  }

  /// The most nodes that one insertion takes.
  private var nodesOfInsertion: Int { 2 &* (levels &- 1) }

  @inline(never)
  private func stockMore(_ cpu: borrowing CPU) throws(MemoryError) {
    while state.value.spare.count < nodesOfInsertion {
      guard let frame = state.value.frames.allocateNode(cpu) else { throw .metadataExhausted }
      keep(frame)
    }
  }

  /// Writes an area for each `span` pages of `pages`, none of which has one; several have at most two lowest
  /// nodes. Cannot fail: nodes were stocked.
  @inline(__always)
  func insert(_ pages: PageRange, each span: UInt64, _ nextArea: () -> UInt32) {
    var start = pages.first.rawValue &- base
    let end = pages.end.rawValue &- base
    while start < end {
      if let node = lowestNode(start, end) {
        count(node, Int(truncatingIfNeeded: end &- start))
        while start < end {
          _ = fill(nextArea(), start, start &+ span, node)
          start &+= span
        }
      } else {
        set(nextArea(), start, start &+ span, state.value.root, level: levels &- 1)
        start &+= span
      }
    }
  }

  /// Clears every page of `pages`, which are all that an area has.
  func remove(_ pages: PageRange) {
    let (start, end) = (pages.first.rawValue &- base, pages.end.rawValue &- base)
    if let node = lowestNode(start, end), UInt64(table[node].value.state.count) > end &- start {
      count(node, fill(0, start, end, node))
    } else {
      set(0, start, end, state.value.root, level: levels &- 1)
    }
  }

  /// The node of single pages that has all of `start..<end`, if there is one below the root: the usual case.
  @inline(__always)
  private func lowestNode(_ start: UInt64, _ end: UInt64) -> UInt32? {
    guard levels > 1, (start ^ (end &- 1)) &>> Self.slotBits == 0 else { return nil }
    var shift = state.value.rootShift
    var value = slots(state.value.root)[Int(truncatingIfNeeded: start &>> shift)]
      .value.load(ordering: .relaxed)
    while value & Self.nodeMark != 0 {
      shift &-= Self.slotBits
      if shift == 0 { return value & ~Self.nodeMark }
      let index = Int(truncatingIfNeeded: start &>> shift & ((1 &<< Self.slotBits) &- 1))
      value = slots(value & ~Self.nodeMark)[index].value.load(ordering: .relaxed)
    }
    return nil
  }

  private func count(_ node: UInt32, _ balance: Int) {
    let metadata = table[node]
    metadata.value.setState(metadata.value.state.adding(count: balance))
  }

  /// Sets the slots of `start..<end` below `node`, which covers all of it.
  private func set(_ value: UInt32, _ start: UInt64, _ end: UInt64, _ node: UInt32, level: Int) {
    let balance =
      level == 0 ? fill(value, start, end, node) : setLarge(value, start, end, node, level: level)
    count(node, balance)
  }

  /// Sets slots of single pages, of which a large area has hundreds.
  /// - Returns: the change in the slots that are taken.
  private func fill(_ value: UInt32, _ start: UInt64, _ end: UInt64, _ node: UInt32) -> Int {
    let first = slot(node, start, level: 0)
    let count = Int(truncatingIfNeeded: end &- start)
    for step in 0..<count { first[step].value.store(value, ordering: .releasing) }
    return value == 0 ? -count : count
  }

  /// Sets slots of a node above the lowest level.
  /// - Returns: the change in the slots that are taken.
  private func setLarge(
    _ value: UInt32, _ start: UInt64, _ end: UInt64, _ node: UInt32, level: Int
  ) -> Int {
    let span = UInt64(1) &<< spanShift(level)
    var at = start
    var balance = 0
    while at < end {
      let slot = slot(node, at, level: level)
      let slotEnd = (at & ~(span &- 1)) &+ span
      if at & (span &- 1) == 0 && slotEnd <= end {
        slot.value.store(value, ordering: .releasing)
        balance &+= value == 0 ? -1 : 1
      } else {
        balance &+= setBelow(slot, value, at, min(end, slotEnd), level: level &- 1)
      }
      at = slotEnd
    }
    return balance
  }

  /// Sets part of what a slot covers, through a node that comes into being or goes as need be.
  /// - Returns: the change in the slots that are taken: 1, 0 or -1.
  private func setBelow(_ slot: Slot, _ value: UInt32, _ start: UInt64, _ end: UInt64, level: Int) -> Int {
    let held = slot.value.load(ordering: .relaxed)
    let child = held & Self.nodeMark != 0 ? held & ~Self.nodeMark : takeNode()
    set(value, start, end, child, level: level)
    if table[child].value.state.count == 0 {
      slot.value.store(0, ordering: .releasing)
      keep(child)
      return -1
    }
    guard held == 0 else { return 0 }
    slot.value.store(child | Self.nodeMark, ordering: .releasing)
    return 1
  }

  /// Takes out an empty node beyond the stock for four insertions, which absorbs pairs at a node's edge.
  /// Readers may still be in it.
  func takeSurplus() -> UInt32? { state.value.spare.count > 4 &* nodesOfInsertion ? takeNode() : nil }

  /// Frees all nodes, when the last page has none any more and every look-up has ended.
  func end(rootOrder order: Int, _ cpu: borrowing CPU) {
    let frames = state.value.frames
    while state.value.spare.count > 0 { frames.freeMetadata(takeNode(), cpu) }
    frames.freeMetadata(state.value.root, order: order, cpu)
  }

  private func takeNode() -> UInt32 {
    guard let node = state.value.spare.pop(table) else {
      preconditionFailure("more nodes are taken than were stocked")
    }
    return node
  }

  private func keep(_ node: UInt32) { state.value.spare.push(node, table) }
}
