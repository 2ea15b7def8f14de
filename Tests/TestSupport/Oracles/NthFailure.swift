import MachineSimulator
import Testing

@testable import KernelMemory

/// An operation for which exactly so many page frames are left, with every number of them from none to
/// all that it needs. Nothing in the core knows of this: memory is really short.
enum NthFailure: CaseIterable {
  /// The first of a machine: four nodes for the index.
  case firstPage, firstPages
  /// Over a border of the index and of every level of tables but the root.
  case manyPages
  case zeroedPages
  /// Index and descriptors have stock; tables are new.
  case farAway
  /// The stock of descriptors is used up.
  case newDescriptors
  case areas, areasAndDescriptors
  case map, unmapSplitting

  /// In the order in which they are taken.
  struct Needs {
    var tablesFirst: UInt64 = 0
    var metadata: UInt64 = 0
    var frames: UInt64 = 0
    var tables: UInt64 = 0
    /// Tables directly below the root, which stay; less than zero for those that the preparation has made.
    var permanent = 0

    var total: UInt64 { tablesFirst + metadata + frames + tables }

    /// What must be refused with `left` frames; nil where all is there.
    func error(left: UInt64) -> MemoryError? {
      if left < tablesFirst { return .tablesExhausted(got: PageCount(left), of: PageCount(tablesFirst)) }
      var left = left - tablesFirst
      if left < metadata { return .metadataExhausted }
      left -= metadata
      if left < frames { return .framesExhausted(got: PageCount(left), of: PageCount(frames)) }
      left -= frames
      if left < tables { return .tablesExhausted(got: PageCount(left), of: PageCount(tables)) }
      return nil
    }
  }

  /// With five levels, tables of level 2 are not directly below the root, and come and go; and all that is
  /// used here lies below one entry of the root, which has its table from the start.
  func needs(_ format: TestFormat) -> Needs {
    let hasFive = format == .fiveLevels
    let pathTables: UInt64 = hasFive ? 3 : 2
    let rootTables = hasFive ? 0 : 3
    return switch self {
    case .firstPage: Needs(metadata: 4, frames: 1, tables: pathTables)
    case .firstPages: Needs(metadata: 4, frames: 5, tables: pathTables)
    case .manyPages: Needs(metadata: 4, frames: 600, tables: 2 * pathTables)
    case .zeroedPages: Needs(metadata: 4, frames: 5, tables: pathTables)
    case .farAway: Needs(frames: 5, tables: pathTables)
    case .newDescriptors: Needs(metadata: 1, frames: 1)
    case .areas: Needs(tablesFirst: UInt64(rootTables), metadata: 2, permanent: rootTables)
    case .areasAndDescriptors: Needs(tablesFirst: UInt64(rootTables), metadata: 3, permanent: rootTables)
    case .map: Needs(tables: 5, permanent: hasFive ? 0 : 1)
    case .unmapSplitting: Needs(tables: 4, permanent: hasFive ? -1 : 0)
    }
  }
}

// MARK: - The operations

extension NthFailure {
  /// Half of a GiB of pages from here nothing is mapped.
  private static let freeStart = UInt64(0xffff_f000_0000_0000) >> 12
  /// Pages that one entry of a table of level 2, and of the root, covers.
  private static let gigabyte = UInt64(1) << 18
  private static let rootSpan = UInt64(1) << 27

  private func range(_ first: UInt64, _ count: UInt64) -> PageRange {
    PageRange(unchecked: PageNumber(first), count: PageCount(count))
  }

  private func prepare(_ test: TestMachine) throws {
    switch self {
    case .firstPage, .firstPages, .manyPages, .zeroedPages, .areas, .map: break
    case .farAway: try test.manager.vfree(try test.manager.vmalloc(1))
    // A frame has 64 descriptors, of which the hole has one.
    case .newDescriptors: for _ in 0..<62 { _ = try test.manager.vmalloc(1) }
    case .areasAndDescriptors:
      for _ in 0..<61 { _ = try test.manager.vmalloc(1) }
      // This one takes two: the hole before it stays.
      _ = try allocate(test.manager, 1, at: 1000)
    case .unmapSplitting:
      try test.manager.map(
        range(Self.freeStart, 2 * Self.gigabyte), to: FrameNumber(Self.gigabyte),
        MappingAttributes(.readWrite))
    }
  }

  /// Does it, and returns what undoes it.
  private func operate(_ test: TestMachine) throws(MemoryError) -> () throws(MemoryError) -> Void {
    let manager = test.manager
    switch self {
    case .firstPage, .newDescriptors: return try allocate(manager, 1)
    case .firstPages: return try allocate(manager, 5)
    case .manyPages: return try allocate(manager, 600, at: Self.rootSpan - 300)
    case .farAway: return try allocate(manager, 5, at: 1 << 32)
    case .zeroedPages:
      let pointer = try manager.vzalloc(5 * 4096)
      return { () throws(MemoryError) in try manager.vfree(pointer) }
    case .areas, .areasAndDescriptors:
      let id = try manager.makeAreas(range(Self.freeStart + Self.rootSpan - 10, Self.rootSpan + 20))
      return { () throws(MemoryError) in
        var options = VmallocOptions()
        options.areas = id
        try manager.vfree(try manager.vmalloc(5000, options))
      }
    case .map:
      let pages = range(Self.freeStart + Self.gigabyte - 300, 700)
      try manager.map(pages, to: FrameNumber(Pages.device.rawValue + 5), MappingAttributes(.readOnly))
      return { () throws(MemoryError) in try manager.unmap(pages) }
    case .unmapSplitting:
      try manager.unmap(range(Self.freeStart + 1000, Self.gigabyte))
      return { () throws(MemoryError) in try manager.unmap(range(Self.freeStart, 2 * Self.gigabyte)) }
    }
  }

  private func allocate(
    _ manager: MemoryManager, _ pages: Int, at place: UInt64? = nil
  ) throws(MemoryError) -> () throws(MemoryError) -> Void {
    var options = VmallocOptions()
    options.address = place.map { PageNumber(TestMachine.vmallocStart.rawValue + $0).address(.size4K) }
    let pointer = try manager.vmalloc(pages * 4096, options)
    return { () throws(MemoryError) in try manager.vfree(pointer) }
  }
}

// MARK: - One failure

extension NthFailure {
  /// Runs the operation with `left` frames, on a machine of its own: it fails as it must and changes
  /// nothing, or succeeds; afterwards, with all memory there, it succeeds.
  func run(left: UInt64, _ format: TestFormat) throws {
    let test = try TestMachine(ram: [.small], format: format)
    try prepare(test)
    let framesInUse = test.framesInUse
    let isDone = try test.withFramesLeft(left) { try attempt(test, left: left) }
    if !isDone {
      let undo = try operate(test)
      test.expectValid()
      try undo()
    }
    test.expectValid()
    #expect(
      Int(test.framesInUse) == Int(framesInUse) + needs(format).permanent, "\(self), \(left) frames left")
  }

  /// - Returns: whether the operation succeeded; it was undone then.
  private func attempt(_ test: TestMachine, left: UInt64) throws -> Bool {
    let needs = needs(test.format)
    let expected = needs.error(left: left)
    let before = Snapshot(of: test.manager)
    let failures = test.manager.counters[.allocationsFailed]
    let undo: () throws(MemoryError) -> Void
    do throws(MemoryError) {
      undo = try operate(test)
    } catch {
      #expect(error == expected, "\(self), \(left) frames left")
      test.expectUnchanged(since: before)
      test.expectValid()
      #expect(test.manager.counters[.allocationsFailed] == failures + 1)
      return false
    }
    #expect(expected == nil, "\(self) succeeded with \(left) frames left")
    test.expectValid()
    // A new range stays; what is tried in it would want more frames.
    if self != .areas && self != .areasAndDescriptors { try undo() }
    return true
  }
}
