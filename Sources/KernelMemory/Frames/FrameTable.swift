/// The metadata of all frames, in sections of 128 MiB of physical memory: banks, holes and memory that
/// is added later cost nothing where there is no RAM. A directory leads from a section's number to its
/// metadata.
@safe
struct FrameTable {
  /// 128 MiB, a common multiple of the blocks that firmware and memory modules come in, and of the
  /// largest buddy block of every page size, so that a block and its buddy share a section.
  static let sectionShift = 27

  /// The linear map's address of physical address zero.
  private let base: VirtualAddress
  let pageSize: PageSize
  private let directory: Stable<UInt>
  let sectionCount: UInt64

  /// A table that knows no frame: what the boot code's page tables are built with.
  init(emptyFor linearMap: LinearMap) {
    self.init(linearMap: linearMap, directory: Stable(bitPattern: 0), sectionCount: 0)
  }

  init(linearMap: LinearMap, directory: Stable<UInt>, sectionCount: UInt64) {
    base = linearMap.base
    pageSize = linearMap.pageSize
    self.directory = directory
    self.sectionCount = sectionCount
  }

  /// log2 of the frames in a section.
  static func framesShift(_ pageSize: PageSize) -> UInt64 { UInt64(sectionShift) &- UInt64(pageSize.shift) }

  /// Gives a section its metadata: an array that covers it, all zero.
  func setSection(_ number: UInt64, metadata: Stable<FrameMetadata>) {
    directory[Int(number)].value = metadata.address
  }

  /// The metadata of `frame`, or nil where there is no managed RAM near it. O(1).
  @inline(__always)
  func metadata(of frame: FrameNumber) -> Stable<FrameMetadata>? {
    let shift = Self.framesShift(pageSize)
    let section = frame.rawValue &>> shift
    guard section < sectionCount else { return nil }
    let base = directory[Int(section)].value
    guard base != 0 else { return nil }
    let index = frame.rawValue & ((1 &<< shift) &- 1)
    return Stable<FrameMetadata>(bitPattern: base)[Int(index)]
  }

  /// The metadata of a frame that is on one of this package's lists, tables or indexes.
  @inline(__always)
  subscript(frame: UInt32) -> Stable<FrameMetadata> {
    let shift = Self.framesShift(pageSize)
    let base = directory[Int(UInt64(frame) &>> shift)].value
    let index = UInt64(frame) & ((1 &<< shift) &- 1)
    return Stable<FrameMetadata>(bitPattern: base)[Int(index)]
  }

  /// The address of a frame in the linear map.
  @inline(__always)
  func address(of frame: FrameNumber) -> VirtualAddress {
    VirtualAddress(base.rawValue &+ frame.address(pageSize).rawValue)
  }

  /// The memory of a frame, as an array of `Element`s; whoever asks owns the frame.
  @inline(__always)
  func memory<Element: ~Copyable>(of frame: FrameNumber, as type: Element.Type) -> Stable<Element> {
    Stable(at: address(of: frame))
  }

  @inline(__always)
  func memory<Element: ~Copyable>(of frame: UInt32, as type: Element.Type) -> Stable<Element> {
    memory(of: FrameNumber(UInt64(frame)), as: type)
  }

  /// Clears a frame.
  func zero(_ frame: FrameNumber) {
    let words = Int(pageSize.bytes) / MemoryLayout<UInt64>.size
    unsafe memory(of: frame, as: UInt64.self).pointer.initialize(repeating: 0, count: words)
  }
}
