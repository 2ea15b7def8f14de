/// The instances of `Areas` of one manager.
@safe
struct AreasTable {
  /// The vmalloc range, the module range, and what a kernel may add.
  static let capacity = 8

  let pool: DescriptorPool
  let frames: Frames
  private let instances: Stable<Areas>
  private let count: Stable<Int>
  private let states: Stable<Areas.State>
  private let indexStates: Stable<AreaIndex.State>

  init(
    pool: DescriptorPool, frames: Frames, instances: Stable<Areas>, count: Stable<Int>,
    states: Stable<Areas.State>, indexStates: Stable<AreaIndex.State>
  ) {
    self.pool = pool
    self.frames = frames
    self.instances = instances
    self.count = count
    self.states = states
    self.indexStates = indexStates
    count.value = 0
  }

  @inline(__always)
  subscript(id: AreasID) -> Areas { instances[Int(id.index)].value }

  func contains(_ id: AreasID) -> Bool { Int(id.index) < count.value }

  /// Starts managing a range.
  /// - Throws: `areasUnavailable` where it is empty, overlaps another, or is one too many;
  ///   `metadataExhausted`.
  func add(_ range: PageRange, _ cpu: borrowing CPU) throws(MemoryError) -> AreasID {
    let number = count.value
    guard number < Self.capacity, !range.isEmpty, !overlaps(range) else { throw .areasUnavailable }
    try pool.stock(1, cpu)
    guard let root = frames.allocateMetadata(cpu) else { throw .metadataExhausted }
    let id = AreasID(index: UInt8(number))
    let index = AreaIndex(frames: frames, state: indexStates[number], root: root, range: range)
    let areas = try Areas(range, id: id, state: states[number], index: index, pool: pool, cpu)
    unsafe instances[number].pointer.initialize(to: areas)
    count.value = number &+ 1
    return id
  }

  /// Whether a managed range has a page of `range`.
  func overlaps(_ range: PageRange) -> Bool {
    for number in 0..<count.value where instances[number].value.range.overlaps(range) { return true }
    return false
  }

  /// The instance whose range has `page`. O(instances).
  @inline(__always)
  func instance(containing page: PageNumber) -> Areas? {
    for number in 0..<count.value where instances[number].value.range.contains(page) {
      return instances[number].value
    }
    return nil
  }

  func forEach(_ body: (Areas) -> Void) {
    for number in 0..<count.value { body(instances[number].value) }
  }
}
