// The memory of all descriptors
//
// Descriptors are cut out of frames of the linear map, each on a cache line of its own, and there are as many
// as frames can be had: no table of theirs limits them. A number leads to its descriptor by one load:
//
//     31  30       21 20               0
//    | 0 | place      | index           |
//
// The index counts descriptors of 64 bytes in a region of 128 MiB of physical memory; the place says which
// region, by a table that is made at start. A region takes a place, by hashing, when the first frame of it
// becomes descriptors, so it does not matter where RAM lies. There are at most 1,024 places, since the index
// of areas keeps numbers in 31 bits: on a machine with more memory than 128 GiB frames of regions without a
// place are passed over.

/// The descriptors of one manager. It grows by a frame at a time and never shrinks: descriptors are
/// type-stable.
@safe
struct DescriptorPool: ChainLinks {
  struct State: ~Copyable {
    let frames: Frames
    /// Those that were taken before.
    var spare = AreaList()
    /// Those of the newest frame that never were, all zero: the next number, and how many.
    var fresh: UInt32 = 0
    var freshCount = 0
    let placeCount: UInt32
  }

  private let state: Stable<State>
  /// The linear map's address of the region of each place.
  private let regions: Stable<UInt>

  /// log2 of a descriptor's bytes.
  private static let shift: UInt32 = 6
  /// log2 of a region's bytes.
  private static let regionShift: UInt32 = 27
  private static let indexShift: UInt32 = regionShift - shift
  private static let indexMask: UInt32 = 1 << indexShift - 1
  private static let noRegion = UInt.max

  /// The places that memory below an address takes: a power of two.
  static func places(below end: PhysicalAddress) -> Int {
    let regions = min(max(end.rawValue, 1) &- 1, 1 << 37 - 1) &>> UInt64(regionShift) &+ 1
    return 1 << (UInt64.bitWidth - (regions - 1).leadingZeroBitCount)
  }

  /// - Parameter regions: memory for so many addresses as there are places.
  init(frames: Frames, state: Stable<State>, regions: Stable<UInt>, places: Int) {
    self.state = state
    self.regions = regions
    unsafe state.pointer.initialize(to: State(frames: frames, placeCount: UInt32(places)))
    unsafe regions.pointer.initialize(repeating: Self.noRegion, count: places)
  }

  /// - Parameter end: where the highest frame ends that descriptors may be in.
  init(
    _ frames: Frames, framesEnd end: PhysicalAddress, carving memory: inout some Carver & ~Copyable
  ) throws(MemoryError) {
    let places = Self.places(below: end)
    self.init(
      frames: frames, state: try memory.carve(1), regions: try memory.carve(places), places: places)
  }

  var pageSize: PageSize { state.value.frames.table.pageSize }

  @inline(__always)
  subscript(number: UInt32) -> Stable<AreaDescriptor> {
    let region = regions[Int(number &>> Self.indexShift)].value
    return Stable(bitPattern: region &+ UInt(number & Self.indexMask) &<< UInt(Self.shift))
  }

  /// The descriptor of a number that may be none. What is no descriptor, but the package's own, may seem to
  /// be one.
  func find(_ number: UInt32) -> Stable<AreaDescriptor>? {
    let place = number &>> Self.indexShift
    guard number != 0, place < state.value.placeCount, regions[Int(place)].value != Self.noRegion else {
      return nil
    }
    let table = state.value.frames.table
    guard let metadata = table.metadata(of: table.frame(at: self[number].address)),
      metadata.value.state.isOf(.metadata)
    else { return nil }
    return self[number]
  }
}

// MARK: - Stock

extension DescriptorPool {
  /// Makes sure that `count` descriptors can be taken.
  /// - Throws: `metadataExhausted`.
  @inline(__always)
  func stock(_ count: Int, _ cpu: borrowing CPU) throws(MemoryError) {
    while spareCount < count { try grow(cpu) }
  }

  @inline(never)
  private func grow(_ cpu: borrowing CPU) throws(MemoryError) {
    guard let (frame, place) = takeFrame(.normal, cpu) ?? takeFrame(.dma32, cpu) else {
      throw .metadataExhausted
    }
    let address = FrameNumber(UInt64(frame)).address(pageSize).rawValue
    let offset = address & ((1 &<< UInt64(Self.regionShift)) &- 1)
    let first = place &<< Self.indexShift | UInt32(truncatingIfNeeded: offset &>> UInt64(Self.shift))
    let count = UInt32(pageSize.bytes &>> UInt64(Self.shift))
    while state.value.freshCount > 0 { put(takeFresh()) }
    // Number zero means none.
    state.value.fresh = max(first, 1)
    state.value.freshCount = Int(first &+ count &- max(first, 1))
  }

  private func takeFresh() -> UInt32 {
    let number = state.value.fresh
    state.value.fresh &+= 1
    state.value.freshCount &-= 1
    return number
  }

  /// How many can be taken.
  var spareCount: Int { state.value.spare.count &+ state.value.freshCount }

  /// A frame of a region that has a place, or gets one.
  private func takeFrame(_ zone: ZoneKind, _ cpu: borrowing CPU) -> (frame: UInt32, place: UInt32)? {
    let frames = state.value.frames
    guard let frame = frames.allocateMetadata(zone: zone, cpu) else { return nil }
    if let place = place(of: frame) { return (frame, place) }
    frames.freeMetadata(frame, cpu)
    return nil
  }

  /// The place of the region of a frame; nil where it has none and all are taken.
  private func place(of frame: UInt32) -> UInt32? {
    let table = state.value.frames.table
    let number = FrameNumber(UInt64(frame)).address(pageSize).rawValue &>> UInt64(Self.regionShift)
    let region = UInt(table.address(of: PhysicalAddress(number &<< UInt64(Self.regionShift))).rawValue)
    for step in 0..<state.value.placeCount {
      let place = (UInt32(truncatingIfNeeded: number) &+ step) & (state.value.placeCount &- 1)
      let holder = regions[Int(place)].value
      if holder == region { return place }
      if holder == Self.noRegion {
        regions[Int(place)].value = region
        return place
      }
    }
    return nil
  }

  /// Takes a descriptor; one was stocked.
  func take(as new: AreaState) -> UInt32 {
    let number = state.value.spare.pop(self) ?? takeFresh()
    self[number].value.renew(as: new)
    return number
  }

  func put(_ number: UInt32) {
    self[number].value.setState(.spare)
    state.value.spare.push(number, self)
  }
}

// MARK: - Chains

/// Areas that are freed, or spare: a chain through their descriptors.
typealias AreaList = Chain<DescriptorPool>

extension DescriptorPool {
  @inline(__always)
  func next(after area: UInt32) -> UInt32 { self[area].value.next }
  @inline(__always)
  func link(_ area: UInt32, to next: UInt32) { self[area].value.next = next }
}
