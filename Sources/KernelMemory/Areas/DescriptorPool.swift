/// The memory of all descriptors: frames of them, found through a directory of two levels, so that a
/// number of 32 bits leads to its descriptor by two loads. It grows by a frame at a time and never
/// shrinks: descriptors are type-stable.
///
///     number    | root index    | directory index | index in the frame |      4 KiB: 1024 · 1024 · 64
@safe
struct DescriptorPool {
  struct State {
    let frames: Frames
    let table: FrameTable
    /// One frame of frame numbers of directories.
    let root: Stable<UInt32>
    /// The first spare descriptor; zero for none.
    var spare: UInt32 = 0
    var spareCount = 0
    /// Descriptors that exist, the unused number zero included.
    var capacity: UInt32 = 0
  }

  private let state: Stable<State>

  init(frames: Frames, state: Stable<State>, root: Stable<UInt32>) {
    self.state = state
    unsafe state.pointer.initialize(to: State(frames: frames, table: frames.table, root: root))
  }

  private var table: FrameTable { state.value.table }
  var pageSize: PageSize { table.pageSize }

  /// log2 of the descriptors in a frame.
  private var frameShift: UInt32 { UInt32(pageSize.shift) &- 6 }
  /// log2 of the frame numbers in a frame.
  private var directoryShift: UInt32 { UInt32(pageSize.shift) &- 2 }

  @inline(__always)
  subscript(number: UInt32) -> Stable<AreaDescriptor> {
    let frameIndex = number &>> frameShift
    let directory = state.value.root[Int(frameIndex &>> directoryShift)].value
    let slot = Int(frameIndex & ((1 &<< directoryShift) &- 1))
    let frame = table.memory(of: directory, as: UInt32.self)[slot].value
    let index = UInt(number & ((1 &<< frameShift) &- 1))
    // Each on a cache line of its own, whatever its stride.
    return Stable(bitPattern: table.memory(of: frame, as: AreaDescriptor.self).address &+ index &<< 6)
  }

  /// Makes sure that `count` descriptors can be taken.
  /// - Throws: `metadataExhausted`.
  func stock(_ count: Int, _ cpu: borrowing CPU) throws(MemoryError) {
    while state.value.spareCount < count { try grow(cpu) }
  }

  private func grow(_ cpu: borrowing CPU) throws(MemoryError) {
    let frameIndex = state.value.capacity &>> frameShift
    let directorySlot = state.value.root[Int(frameIndex &>> directoryShift)]
    guard frameIndex &>> directoryShift < 1 &<< directoryShift else { throw .metadataExhausted }
    if directorySlot.value == 0 {
      guard let directory = state.value.frames.allocateMetadata(cpu) else { throw .metadataExhausted }
      directorySlot.value = directory
    }
    guard let frame = state.value.frames.allocateMetadata(cpu) else { throw .metadataExhausted }
    let slot = Int(frameIndex & ((1 &<< directoryShift) &- 1))
    table.memory(of: directorySlot.value, as: UInt32.self)[slot].value = frame
    let first = state.value.capacity
    state.value.capacity = first &+ 1 &<< frameShift
    for number in (max(first, 1)..<state.value.capacity).reversed() { put(number) }
  }

  /// Takes a spare descriptor; one was stocked.
  func take(as new: AreaState) -> UInt32 {
    let number = state.value.spare
    let descriptor = self[number]
    state.value.spare = descriptor.value.next
    state.value.spareCount &-= 1
    descriptor.value.renew(as: new)
    return number
  }

  func put(_ number: UInt32) {
    let descriptor = self[number]
    descriptor.value.setState(.spare)
    descriptor.value.next = state.value.spare
    state.value.spare = number
    state.value.spareCount &+= 1
  }
}
