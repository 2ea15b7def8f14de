/// The instances of `Areas` of one manager.
@safe
struct AreasTable {
  /// The vmalloc range, the module range, and what a kernel may add.
  static let capacity = 8

  struct State {
    let pool: DescriptorPool
    let frames: Frames
    let areas: Stable<Areas.State>
    let indexes: Stable<AreaIndex.State>
    /// Over all instances, their descriptors and their indexes.
    let lock: Stable<SpinLock>
    var count = 0
  }

  private let state: Stable<State>

  /// `areas` and `hints` are cleared memory, the latter for each CPU.
  init(
    pool: DescriptorPool, frames: Frames, state: Stable<State>, areas: Stable<Areas.State>,
    indexes: Stable<AreaIndex.State>, hints: Stable<AreaHints>, lock: Stable<SpinLock>
  ) {
    self.state = state
    unsafe state.pointer.initialize(
      to: State(pool: pool, frames: frames, areas: areas, indexes: indexes, lock: lock))
    for cpu in 0..<frames.cpus.count {
      frames.cpus.rooms(cpu).value.hints = hints[cpu]
    }
  }

  var pool: DescriptorPool { state.value.pool }

  /// Changes which addresses are taken, alone.
  @inline(__always)
  func locked<Result: ~Copyable, Failure: Error>(
    _ cpu: borrowing CPU, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try state.value.lock.value.with(.areas, cpu, body)
  }

  @inline(__always)
  subscript(id: AreasID) -> Areas { self[Int(id.index)] }

  @inline(__always)
  private subscript(number: Int) -> Areas { Areas(state.value.areas[number]) }

  func contains(_ id: AreasID) -> Bool { Int(id.index) < state.value.count }

  /// Whether a range can be managed: it is not empty, overlaps no other, is not one too many, and does not
  /// have page zero, whose address is no pointer.
  func canAdd(_ range: PageRange) -> Bool {
    state.value.count < Self.capacity && !range.isEmpty && range.first.rawValue != 0 && !overlaps(range)
  }

  /// Starts managing a range.
  /// - Throws: `areasUnavailable` where it cannot be added; `metadataExhausted`.
  func add(_ range: PageRange, _ cpu: borrowing CPU) throws(MemoryError) -> AreasID {
    guard canAdd(range) else { throw .areasUnavailable }
    let number = state.value.count
    try pool.stock(1, cpu)
    let frames = state.value.frames
    let order = AreaIndex.rootOrder(for: range, frames.table.pageSize)
    guard let root = frames.allocateMetadata(order: order, cpu) else { throw .metadataExhausted }
    let id = AreasID(index: UInt8(number))
    let index = AreaIndex(frames: frames, state: state.value.indexes[number], root: root, range: range)
    Areas(state.value.areas[number]).start(range, id: id, index: index, pool: pool)
    state.value.count = number &+ 1
    return id
  }

  /// Whether a managed range has a page of `range`.
  func overlaps(_ range: PageRange) -> Bool {
    for number in 0..<state.value.count where self[number].range.overlaps(range) { return true }
    return false
  }

  /// The instance whose range has `page`. O(instances).
  @inline(__always)
  func instance(containing page: PageNumber) -> Areas? {
    for number in 0..<state.value.count where self[number].range.contains(page) {
      return self[number]
    }
    return nil
  }

  func forEach(_ body: (Areas) -> Void) {
    for number in 0..<state.value.count { body(self[number]) }
  }
}
