import KernelMemory
import Testing

@testable import BootReplay

@Suite struct TraceFiguresTests {
  private func figures(_ bytes: [UInt8]) throws -> TraceFigures {
    try withTrace(bytes) { trace in
      let census = try TraceCensus(trace)
      return try withTree(capacity: Int(census.allocations)) { try TraceFigures(trace, pairingIn: &$0) }
    }
  }

  private func figures(_ text: String) throws -> TraceFigures { try figures(Array(text.utf8)) }

  @Test func theRecordingHasTheLiveSetAndThePeakThatItsOriginTells() throws {
    let figures = try figures(try Recording.trace())
    #expect(figures.liveAreas == 281)
    #expect(figures.peakBytes == 23_318_528)
  }

  @Test func anAddressMayBeUsedAgainOnceItIsFree() throws {
    let line = Line.allocation(at: 0xffff_ffff_c040_0000)
    let figures = try figures(line + Line.free(0xffff_ffff_c040_0000) + line)
    #expect(figures.liveAreas == 1 && figures.liveBytes == 8192 && figures.peakBytes == 8192)
  }

  /// A recording that began late has frees of what was there before, and per-CPU memory leaves frees alone.
  @Test(
    arguments: [
      ("never allocated", Line.alloc + Line.free(0xffff_ffff_c050_0000), 1),
      (
        "freed twice",
        Line.alloc + Line.free(0xffff_ffff_c033_1000) + "\n" + Line.free(0xffff_ffff_c033_1000), 0
      ),
      ("behind an area", Line.alloc + Line.free(0xffff_ffff_c033_3000), 1),
      (
        "allocated in vain",
        Line.allocation(at: 0xffff_ffff_c050_0000, failed: 1) + Line.free(0xffff_ffff_c050_0000), 0
      ),
    ] as [(String, String, UInt64)])
  func aFreeWithoutItsAllocationIsCounted(name: String, text: String, live: UInt64) throws {
    let figures = try figures(text)
    #expect(figures.freesOfOthers == 1)
    #expect(figures.liveAreas == live)
  }

  @Test func aFreeInsideAnAreaIsRefusedWithBothLines() {
    let text = "\n" + Line.alloc + Line.free(0xffff_ffff_c033_2000)
    let error = #expect(throws: TraceError.self) { _ = try figures(text) }
    #expect(error == TraceError(line: 3, .freeInsideArea(0xffff_ffff_c033_2000, since: 2)))
  }

  /// The same address; from below; from above; over all of it; by the last page alone.
  @Test(
    arguments: [
      (0xffff_ffff_c040_0000, 8192), (0xffff_ffff_c03f_f000, 8192), (0xffff_ffff_c040_1000, 8192),
      (0xffff_ffff_c03f_0000, 0x20_0000), (0xffff_ffff_c040_1000, 4096),
    ] as [(UInt64, UInt64)])
  func anAreaOverALiveOneIsRefusedWithBothLines(address: UInt64, size: UInt64) {
    let text =
      Line.allocation(at: 0xffff_ffff_c070_0000) + Line.allocation(at: 0xffff_ffff_c040_0000)
      + Line.allocation(at: address, size: size)
    let error = #expect(throws: TraceError.self) { _ = try figures(text) }
    #expect(error == TraceError(line: 3, .overlap(address, since: 2)))
  }

  @Test func areasMayTouch() throws {
    let areas = [0xffff_ffff_c040_0000, 0xffff_ffff_c040_2000, 0xffff_ffff_c03f_e000] as [UInt64]
    let figures = try figures(areas.map { Line.allocation(at: $0) }.joined())
    #expect(figures.liveAreas == 3)
  }

  /// Against a plain dictionary of pages, by seeds.
  @Test(arguments: 1...20 as ClosedRange<UInt64>)
  func theTreeFindsWhatADictionaryFinds(seed: UInt64) throws {
    var state = seed
    func random(_ bound: UInt64) -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state >> 33) % bound
    }
    try withTree(capacity: 64) { tree in
      var owners: [UInt64: UInt64] = [:]
      var live: [UInt64: UInt64] = [:]
      for step in 1...400 as ClosedRange<UInt64> {
        let (start, count) = (random(256), 1 + random(8))
        let expected = (start..<start + count).compactMap { owners[$0] }.max()
        #expect(tree.area(overlapping: start, byteCount: count)?.address == expected)
        if expected == nil {
          let isRoom = live.count < 64
          let isInserted = tree.insert(OrderedArea(address: start, byteCount: count, line: step))
          #expect(isInserted == isRoom)
          guard isRoom else { continue }
          live[start] = count
          for page in start..<start + count { owners[page] = start }
        } else if random(2) == 0, let address = expected, let pages = live.removeValue(forKey: address) {
          let (removed, again) = (tree.remove(address), tree.remove(address))
          #expect(removed?.byteCount == pages && again == nil)
          for page in address..<address + pages { owners[page] = nil }
        }
      }
    }
  }

  @Test func aRangeUpToTheEndOfAllAddressesIsFound() throws {
    try withTree(capacity: 1) { tree in
      let isInserted = tree.insert(OrderedArea(address: 0 &- 8192, byteCount: 8192, line: 1))
      #expect(isInserted)
      #expect(tree.area(overlapping: .max, byteCount: 1)?.line == 1)
      #expect(tree.area(overlapping: 0 &- 4096, byteCount: 1 << 20)?.line == 1)
      #expect(tree.area(overlapping: 0, byteCount: 4096) == nil)
    }
  }
}

/// Calls `body` with an empty tree for so many areas.
func withTree<Result>(capacity: Int, _ body: (inout AreaTree) throws -> Result) throws -> Result {
  let memory = UnsafeMutableRawBufferPointer.allocate(
    byteCount: AreaTree.byteCount(capacity: capacity), alignment: 16)
  defer { memory.deallocate() }
  var rest = memory
  #expect(capacity == 0 || AreaTree(capacity: capacity + 1, in: &rest) == nil)
  var tree = try #require(AreaTree(capacity: capacity, in: &rest))
  #expect(rest.isEmpty)
  return try body(&tree)
}

/// Calls `body` with an empty table for so many areas.
func withTable<Result>(
  capacity: Int, _ body: (inout ProbeTable<LiveArea>) throws -> Result
) throws -> Result {
  let bytes = ProbeTable<LiveArea>.byteCount(capacity: capacity)
  let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 16)
  defer { memory.deallocate() }
  var rest = memory
  var table = try #require(ProbeTable<LiveArea>(capacity: capacity, in: &rest))
  #expect(rest.isEmpty)
  return try body(&table)
}
