internal import Synchronization

// The arenas of one manager: of the vmalloc range, the module range, and what a kernel adds
//
// The state of a range is memory of its own, freed with the range; so a reader without the lock is inside the
// package, or marked as a look-up (AreaIndex.swift). The table repeats a range's bounds, so that `contains`
// needs nothing else, in any context.
//
// A range is published by the address of its state, after all else; whoever reads that first finds the rest.
// A number whose range is on its way out is nobody's until every CPU has passed.

/// Where one range is.
struct ArenaEntry: ~Copyable {
  /// The address of its state; zero where there is no range, `leaving` where it goes.
  private let stateWord: Atomic<UInt>
  private let firstWord: Atomic<UInt64>
  private let countWord: Atomic<UInt64>

  private static var leaving: UInt { 1 }

  /// The arena of a range that there is.
  @inline(__always)
  var arena: Arena? {
    let address = stateWord.load(ordering: .acquiring)
    return address > Self.leaving ? Arena(Stable(bitPattern: address)) : nil
  }

  var isVacant: Bool { stateWord.load(ordering: .relaxed) == 0 }

  /// The pages of a range that there is. Torn where the number is given again meanwhile.
  @inline(__always)
  var range: PageRange {
    PageRange(
      unchecked: PageNumber(firstWord.load(ordering: .relaxed)),
      count: PageCount(countWord.load(ordering: .relaxed)))
  }

  borrowing func publish(_ arena: Arena, _ range: PageRange) {
    firstWord.store(range.first.rawValue, ordering: .relaxed)
    countWord.store(range.count.rawValue, ordering: .relaxed)
    stateWord.store(arena.state.address, ordering: .releasing)
  }

  borrowing func withdraw() { stateWord.store(Self.leaving, ordering: .releasing) }
  borrowing func vacate() { stateWord.store(0, ordering: .releasing) }
}

/// The arenas of one manager.
@safe
struct ArenaTable {
  /// The number of a range fits the byte that an area has for it, and 255 is none.
  static let capacity = 255

  struct State: ~Copyable {
    let pool: DescriptorPool
    let frames: Frames
    let entries: Stable<ArenaEntry>
    /// Over all arenas, their descriptors and their indexes.
    let lock: Stable<SpinLock>
    /// Numbers that have ever been used.
    let count = Atomic<Int>(0)
    /// The number that was given last. Under the lock.
    var newest = -1
  }

  private let state: Stable<State>

  /// - Parameter end: where the highest frame ends that is handed out.
  init(
    _ frames: Frames, framesEnd end: PhysicalAddress, carving memory: inout some Carver & ~Copyable
  ) throws(MemoryError) {
    let pool = try DescriptorPool(frames, framesEnd: end, carving: &memory)
    state = try memory.carve(1)
    unsafe state.pointer.initialize(
      to: State(
        pool: pool, frames: frames, entries: try memory.carve(Self.capacity), lock: try memory.carve(1)))
  }

  var pool: DescriptorPool { state.value.pool }
  var count: Int { state.value.count.load(ordering: .acquiring) }

  /// Changes which addresses are taken, alone.
  @inline(__always)
  func locked<Result: ~Copyable, Failure: Error>(
    _ cpu: borrowing CPU, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try state.value.lock.value.with(.areas, cpu, body)
  }

  /// The arena that has an area: as long as it has one, it stays.
  @inline(__always)
  subscript(id: ArenaID) -> Arena {
    // Of an area there is a range.
    unsafe entry(Int(id.index)).value.arena.unsafelyUnwrapped
  }

  @inline(__always)
  private func entry(_ number: Int) -> Stable<ArenaEntry> { state.value.entries[number] }

  // MARK: Looking up

  /// The arena of a range. On a CPU that serves no flush meanwhile; and to stay, under the lock.
  func find(_ id: ArenaID) -> Arena? {
    Int(id.index) < count ? entry(Int(id.index)).value.arena : nil
  }

  /// The pages of a range, as they were a moment ago. In any context.
  func range(of id: ArenaID) -> PageRange? {
    guard Int(id.index) < count, entry(Int(id.index)).value.arena != nil else { return nil }
    return entry(Int(id.index)).value.range
  }

  /// The arena whose range has `page`. O(ranges), lock-free, on a CPU that serves no flush meanwhile.
  @inline(__always)
  func arena(containing page: PageNumber) -> Arena? {
    let (count, entries) = (count, state.value.entries)
    for number in 0..<count {
      if let arena = entries[number].value.arena, entries[number].value.range.contains(page) { return arena }
    }
    return nil
  }

  /// Whether a range had `page` a moment ago. O(ranges), in any context: nothing that a range has is read.
  func contains(_ page: PageNumber) -> Bool { arena(containing: page) != nil }

  /// Whether a managed range has a page of `range`. To stay so, under the lock. O(ranges).
  func overlaps(_ range: PageRange) -> Bool {
    for number in 0..<count
    where entry(number).value.arena != nil && entry(number).value.range.overlaps(range) {
      return true
    }
    return false
  }

  /// While nothing runs.
  func forEach(_ body: (Arena) -> Void) {
    for number in 0..<count {
      if let arena = entry(number).value.arena { body(arena) }
    }
  }
}

// MARK: - Coming and going

extension ArenaTable {
  /// What a range has besides its index: the arena's state, and behind it that of the index.
  private static var indexOffset: UInt {
    UInt(MemoryLayout<Arena.State>.stride &+ 15) & ~15
  }
  /// A frame of any page size holds it.
  static var recordBytes: Int { Int(indexOffset) &+ MemoryLayout<AreaIndex.State>.stride }

  private func indexState(_ arena: Arena) -> Stable<AreaIndex.State> {
    Stable(bitPattern: arena.state.address &+ Self.indexOffset)
  }

  /// The number that a range would get: one that has not been used, or, when all have, the one that was given
  /// longest ago.
  private var vacantNumber: Int? {
    for step in 1...Self.capacity {
      let number = (state.value.newest &+ step) % Self.capacity
      if entry(number).value.isVacant { return number }
    }
    return nil
  }

  /// Whether a range can be managed: it is not empty, overlaps no other, is not one too many, and does not
  /// have page zero, whose address is no pointer.
  func canAdd(_ range: PageRange) -> Bool {
    !range.isEmpty && range.first.rawValue != 0 && !overlaps(range) && vacantNumber != nil
  }

  /// Starts managing a range. Under the lock.
  /// - Throws: `areasUnavailable` where it cannot be added; `metadataExhausted`.
  func add(_ range: PageRange, _ cpu: borrowing CPU) throws(MemoryError) -> ArenaID {
    guard canAdd(range), let number = vacantNumber else { throw .areasUnavailable }
    try pool.stock(1, cpu)
    let frames = state.value.frames
    let order = AreaIndex.rootOrder(for: range, frames.table.pageSize)
    // Neighbours first: a single frame may leave none.
    guard let root = frames.allocateMetadata(order: order, cpu) else { throw .metadataExhausted }
    guard let record = frames.allocateMetadata(cpu) else {
      frames.freeMetadata(root, order: order, cpu)
      throw .metadataExhausted
    }
    let id = ArenaID(index: UInt8(number))
    let arena = Arena(frames.table.memory(of: record, as: Arena.State.self))
    let index = AreaIndex(frames: frames, state: indexState(arena), root: root, range: range)
    arena.start(range, id: id, index: index, pool: pool)
    entry(number).value.publish(arena, range)
    state.value.newest = number
    if number >= count { state.value.count.store(number &+ 1, ordering: .releasing) }
    return id
  }

  /// Takes a range out that has no area: from here on nobody is led to it. Under the lock.
  /// - Returns: what `end` wants when every CPU has passed; nil, with nothing done, where there is an area.
  func withdraw(_ id: ArenaID) throws(MemoryError) -> Arena? {
    guard let arena = find(id) else { throw .areasUnavailable }
    guard arena.isEmpty else { return nil }
    entry(Int(id.index)).value.withdraw()
    return arena
  }

  /// Frees what a range has had that was taken out, when every CPU has passed. Under the lock.
  func end(_ arena: Arena, _ cpu: borrowing CPU) {
    let (frames, id) = (state.value.frames, arena.state.value.id)
    let order = AreaIndex.rootOrder(for: arena.range, frames.table.pageSize)
    arena.index.end(rootOrder: order, cpu)
    pool.put(arena.state.value.firstPiece)
    frames.freeMetadata(UInt32(truncatingIfNeeded: frames.table.frame(at: arena.state.address).rawValue), cpu)
    entry(Int(id.index)).value.vacate()
  }
}
