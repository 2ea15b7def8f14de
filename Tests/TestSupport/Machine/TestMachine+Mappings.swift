import MachineSimulator
import Testing

@testable import KernelMemory

/// What a test compares of a leaf.
struct Leaf: Equatable {
  let page: UInt64
  let frame: UInt64
  let count: UInt64

  init(_ page: UInt64, _ frame: UInt64, _ count: UInt64) {
    self.page = page
    self.frame = frame
    self.count = count
  }

  init(_ leaf: MappedRange) {
    self.init(leaf.pages.first.rawValue, leaf.frame.rawValue, leaf.pages.count.rawValue)
  }
}

/// Sizes in pages.
enum Pages {
  static let twoMiB: UInt64 = 1 << 9
  static let oneGiB: UInt64 = 1 << 18
  /// A frame that a large leaf can map, of no test machine's RAM.
  static let device = FrameNumber(1 << 30)
  /// What one entry of the root covers.
  static let rootEntry: UInt64 = 1 << 27
  /// A place in the lower half, where a root entry begins, and where nothing is mapped at first.
  static let free: UInt64 = 1 << 30
}

extension PageRange {
  init(_ first: UInt64, _ count: UInt64) {
    self.init(unchecked: PageNumber(first), count: PageCount(count))
  }
}

extension TestMachine {
  /// For mappings by hand: little RAM, at 128 GiB, so that lower frames are devices; and a vmalloc range of
  /// one root entry.
  static func forMappings(
    format: TestFormat = .fourLevels,
    ram: [RAMRegion] = [RAMRegion(PhysicalAddress(1 << 37), byteCount: 8 << 20)]
  ) throws -> TestMachine {
    try TestMachine(ram: ram, vmallocPages: 1 << 20, format: format)
  }

  func map(
    _ first: UInt64, _ count: UInt64, to frame: UInt64, _ attributes: MappingAttributes = .init(.readWrite)
  ) throws {
    try manager.map(PageRange(first, count), to: FrameNumber(frame), attributes)
  }

  func unmap(_ first: UInt64, _ count: UInt64) throws { try manager.unmap(PageRange(first, count)) }

  /// The leaves that `visit` finds.
  func leaves(_ first: UInt64, _ count: UInt64) -> [Leaf] {
    var leaves: [Leaf] = []
    manager.tables.visit(PageRange(first, count)) { leaves.append(Leaf($0)) }
    return leaves
  }

  func mapping(ofPage page: UInt64) -> MappedRange? {
    manager.mapping(at: format.address(ofPage: page))
  }

  func frame(ofPage page: UInt64) -> UInt64? {
    manager.frame(at: format.address(ofPage: page))?.rawValue
  }

  /// How many tables there are of each level, from 0 to that of the root.
  var tablesByLevel: [Int] {
    var counts = Array(repeating: 0, count: format.format.levels)
    manager.tables.forEachTable { place in counts[place.level] += 1 }
    return counts
  }

  func forEachTable(_ body: (FrameNumber) -> Void) {
    manager.tables.forEachTable { place in body(place.table) }
  }

  /// Frames for tables that a test puts in place by its own hand.
  func makeTableSource(_ count: Int) throws -> ListedTables {
    var frames: [FrameNumber] = []
    try manager.allocateFrames(count: count) { frames.append($0) }
    for frame in frames { manager.frames.table.zero(frame) }
    return ListedTables(frames: frames)
  }
}

struct ListedTables: TableSource {
  var frames: [FrameNumber]

  mutating func takeTable() -> FrameNumber {
    guard let frame = frames.popLast() else {
      Issue.record("more tables were made than foretold")
      return FrameNumber(0)
    }
    return frame
  }
}

extension Bootstrap {
  /// With the linear map of a machine, for four levels.
  init(on simulated: SimulatedMachine) throws(MemoryError) {
    try self.init(
      memoryMap: simulated.memoryMap, window: simulated.linearMap, linearMap: simulated.linearMap,
      format: .x86_64(hasGigabyteLeaves: true))
  }
}
