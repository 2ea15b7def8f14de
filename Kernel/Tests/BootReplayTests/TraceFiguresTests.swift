import KernelMemory
import Testing

@testable import BootReplay

@Suite struct TraceFiguresTests {
  private func figures(_ bytes: [UInt8]) throws -> TraceFigures {
    try withTrace(bytes) { trace in
      let census = try TraceCensus(trace)
      return try withTable(capacity: Int(census.allocations)) { try TraceFigures(trace, pairingIn: &$0) }
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

  @Test(
    arguments: [
      ("never allocated", Line.alloc + Line.free(0xffff_ffff_c050_0000), 2, 0xffff_ffff_c050_0000),
      (
        "freed twice",
        Line.alloc + Line.free(0xffff_ffff_c033_1000) + "\n" + Line.free(0xffff_ffff_c033_1000), 4,
        0xffff_ffff_c033_1000
      ),
      ("inside an area", Line.alloc + Line.free(0xffff_ffff_c033_2000), 2, 0xffff_ffff_c033_2000),
      (
        "allocated in vain",
        Line.allocation(at: 0xffff_ffff_c050_0000, failed: 1) + Line.free(0xffff_ffff_c050_0000), 2,
        0xffff_ffff_c050_0000
      ),
    ] as [(String, String, UInt64, UInt64)])
  func aFreeWithoutItsAllocationIsRefusedAtItsLine(
    name: String, text: String, line: UInt64, address: UInt64
  ) {
    let error = #expect(throws: TraceError.self) { _ = try figures(text) }
    #expect(error == TraceError(line: line, .freeWithoutAllocation(address)))
  }

  @Test func anAllocationAtALiveAddressIsRefusedAtItsLine() {
    let error = #expect(throws: TraceError.self) { _ = try figures("\n" + Line.alloc + Line.alloc) }
    #expect(error == TraceError(line: 3, .allocatedTwice(0xffff_ffff_c033_1000, since: 2)))
  }
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
