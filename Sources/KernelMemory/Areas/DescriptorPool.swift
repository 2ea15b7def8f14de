/// The memory of all descriptors: chunks of 64, each in 4 KiB, found through a directory, so that a number
/// of 32 bits leads to its descriptor by one load. It grows by a frame at a time and never shrinks:
/// descriptors are type-stable.
@safe
struct DescriptorPool {
  struct State {
    let frames: Frames
    /// The first spare descriptor; zero for none.
    var spare: UInt32 = 0
    var spareCount = 0
    /// Chunks that exist, and that the directory has room for.
    var chunkCount = 0
    let limit: Int
  }

  private let state: Stable<State>
  /// The address of each chunk.
  private let chunks: Stable<UInt>

  /// log2 of the descriptors in a chunk.
  private static let chunkShift: UInt32 = 6
  private static let chunkBytes: UInt = 4096

  /// The chunks that a machine of so many frames may need: four descriptors a frame are more than its areas and
  /// the holes between them take, of which each has a frame of its own. A directory of eight bytes for 16
  /// frames.
  static func chunks(forFrames frames: UInt64) -> Int { min(Int(frames / 16) &+ 64, chunkLimit) }

  /// The index of areas keeps numbers in 31 bits.
  private static let chunkLimit = 1 << (31 - 6)

  init(frames: Frames, state: Stable<State>, chunks: Stable<UInt>, limit: Int) {
    self.state = state
    self.chunks = chunks
    unsafe state.pointer.initialize(to: State(frames: frames, limit: limit))
  }

  var pageSize: PageSize { state.value.frames.table.pageSize }

  @inline(__always)
  subscript(number: UInt32) -> Stable<AreaDescriptor> {
    let chunk = chunks[Int(number &>> Self.chunkShift)].value
    // Each on a cache line of its own, whatever its stride.
    return Stable(bitPattern: chunk &+ UInt(number & 63) &<< 6)
  }

  /// The descriptor of a number that may be none.
  func find(_ number: UInt32) -> Stable<AreaDescriptor>? {
    number != 0 && Int(number &>> Self.chunkShift) < state.value.chunkCount ? self[number] : nil
  }

  /// Makes sure that `count` descriptors can be taken.
  /// - Throws: `metadataExhausted`.
  @inline(__always)
  func stock(_ count: Int, _ cpu: borrowing CPU) throws(MemoryError) {
    while state.value.spareCount < count { try grow(cpu) }
  }

  @inline(never)
  private func grow(_ cpu: borrowing CPU) throws(MemoryError) {
    let added = Int(pageSize.bytes) / Int(Self.chunkBytes)
    let before = state.value.chunkCount
    guard before &+ added <= state.value.limit, let frame = state.value.frames.allocateMetadata(cpu) else {
      throw .metadataExhausted
    }
    let memory = state.value.frames.table.memory(of: frame, as: UInt8.self).address
    for chunk in 0..<added {
      chunks[before &+ chunk].value = memory &+ UInt(chunk) &* Self.chunkBytes
    }
    state.value.chunkCount = before &+ added
    // Number zero means none.
    let first = max(UInt32(before) &<< Self.chunkShift, 1)
    for number in (first..<UInt32(before &+ added) &<< Self.chunkShift).reversed() { put(number) }
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
