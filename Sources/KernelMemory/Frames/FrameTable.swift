internal import CMachine
internal import Synchronization

/// The metadata of all frames, in sections of 32,768 frames (128 MiB of 4 KiB frames): banks, holes and
/// memory that is added later cost nothing where there is no RAM. A directory leads from a section's number
/// to its metadata.
@safe
struct FrameTable {
  /// log2 of the frames in a section: with 4 KiB frames the blocks that firmware and memory modules come in,
  /// and with any a multiple of the largest buddy block, so that a block and its buddy share a section.
  static let sectionShift: UInt64 = 15

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

  /// Gives a section its metadata: an array that covers it, all zero. The directory has, one higher so that
  /// it is never zero, where the metadata of frame 0 would be if the array reached down to it.
  func setSection(_ number: UInt64, metadata: Stable<FrameMetadata>) {
    let first = UInt(number &<< Self.sectionShift) &* UInt(MemoryLayout<FrameMetadata>.stride)
    directory[Int(number)].value = metadata.address &- first &+ 1
  }

  /// The same after start. What is in the array is seen before the array is. Under a lock.
  /// - Returns: false, with nothing changed, where the section has metadata.
  func addSection(_ number: UInt64, metadata: Stable<FrameMetadata>) -> Bool {
    guard directory[Int(number)].value == 0 else { return false }
    atomicMemoryFence(ordering: .releasing)
    setSection(number, metadata: metadata)
    return true
  }

  /// The order of the block that a section's metadata takes.
  var sectionOrder: Int {
    let bytes = UInt64(MemoryLayout<FrameMetadata>.stride) &<< Self.sectionShift
    return (bytes &>> UInt64(pageSize.shift)).trailingZeroBitCount
  }

  /// The metadata of a frame, by what the directory has for its section.
  @inline(__always)
  private func metadata(_ frame: UInt64, _ entry: UInt) -> Stable<FrameMetadata> {
    Stable(bitPattern: entry &+ UInt(frame) &* UInt(MemoryLayout<FrameMetadata>.stride) &- 1)
  }

  /// The metadata of `frame`, or nil where there is no managed RAM near it. O(1).
  @inline(__always)
  func metadata(of frame: FrameNumber) -> Stable<FrameMetadata>? {
    let section = frame.rawValue &>> Self.sectionShift
    guard section < sectionCount else { return nil }
    let entry = directory[Int(section)].value
    return entry == 0 ? nil : metadata(frame.rawValue, entry)
  }

  /// The metadata of a frame that is on one of this package's lists, tables or indexes.
  @inline(__always)
  subscript(frame: UInt32) -> Stable<FrameMetadata> {
    metadata(UInt64(frame), directory[Int(UInt64(frame) &>> Self.sectionShift)].value)
  }

  /// The address of a frame in the linear map, where the page size is a constant.
  @inline(__always)
  func address(of frame: FrameNumber, _ pageSize: PageSize) -> VirtualAddress {
    VirtualAddress(base.rawValue &+ frame.address(pageSize).rawValue)
  }

  /// The linear map's address of physical memory.
  @inline(__always)
  func address(of physical: PhysicalAddress) -> VirtualAddress {
    VirtualAddress(base.rawValue &+ physical.rawValue)
  }

  /// The address of a frame in the linear map.
  @inline(__always)
  func address(of frame: FrameNumber) -> VirtualAddress {
    VirtualAddress(base.rawValue &+ frame.address(pageSize).rawValue)
  }

  /// How far into the linear map an address is.
  @inline(__always)
  func offset(of address: UInt) -> UInt { address &- UInt(base.rawValue) }

  /// The frame at an address of the linear map; any other address gives a number that no frame has.
  @inline(__always)
  func frame(at address: UInt) -> FrameNumber {
    FrameNumber((UInt64(address) &- base.rawValue) &>> UInt64(pageSize.shift))
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

  /// Puts a frame in front of a list whose frames know both their neighbours.
  func insert(_ frame: UInt32, into head: inout UInt32) {
    self[frame].value.setNext(head)
    self[frame].value.setPrevious(0)
    if head != 0 { self[head].value.setPrevious(frame) }
    head = frame
  }

  /// Takes a frame out of such a list.
  func remove(_ frame: UInt32, from head: inout UInt32) {
    let next = self[frame].value.next
    let previous = self[frame].value.previous
    if next != 0 { self[next].value.setPrevious(previous) }
    if previous != 0 {
      self[previous].value.setNext(next)
    } else {
      head = next
    }
  }

  /// Says that a block is on a free list now: on bare metal to nobody, on a simulated machine to who looks
  /// for uses of it. After this nothing of the package may touch the block until it is taken.
  @inline(__always)
  func noteFree(_ block: UInt32, order: Int = 0, staysZero: Bool = false) {
    let address = UInt(address(of: FrameNumber(UInt64(block))).rawValue)
    cmachine_memory_freed(
      address, UInt(pageSize.bytes) &<< UInt(truncatingIfNeeded: order), staysZero)
  }

  /// Clears a frame.
  func zero(_ frame: FrameNumber) {
    #if Ablations
    // Behind what was stored there by atomics.
    atomicMemoryFence(ordering: .releasing)
    #endif
    let words = Int(pageSize.bytes) / MemoryLayout<UInt64>.size
    unsafe memory(of: frame, as: UInt64.self).pointer.initialize(repeating: 0, count: words)
  }
}

extension FrameTable: ChainLinks {
  @inline(__always)
  func next(after frame: UInt32) -> UInt32 { self[frame].value.next }
  /// A table's other link, which names the table above, stays.
  @inline(__always)
  func link(_ frame: UInt32, to next: UInt32) { self[frame].value.setNext(next) }
}
