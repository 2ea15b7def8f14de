import MachineSimulator
import Testing

@testable import KernelMemory

/// One arena whose areas are addresses alone: nothing is mapped, and none is published.
/// Pages are counted from the start of its range.
final class AreasFixture {
  let test: TestMachine
  let areas: Arena
  let base: UInt64

  /// The range starts `offset` pages behind a multiple of 2^24 pages.
  init(pages: UInt64, offset: UInt64 = 0) throws {
    test = try TestMachine(ram: [RAMRegion.small], vmallocPages: 1)
    base = 0xffff_d100_0000_0000 >> 12 + offset
    let range = try #require(PageRange(PageNumber(base), count: PageCount(pages)))
    let id = try test.manager.makeAreas(range)
    areas = test.manager.arenas[id]
  }

  /// Reserves pages and their guard; `place` is an offset.
  func reserve(
    _ pages: UInt64, guardPages: UInt16 = 0, alignment: Int = 0, at place: UInt64? = nil
  ) throws(MemoryError) -> UInt32 {
    let request = Arena.Request(
      pages: PageCount(pages),
      traits: AreaTraits(
        guardPages: guardPages, protection: .readWrite, arena: areas.state.value.id, cache: .writeBack,
        alignment: alignment, zone: .normal, tag: .untagged),
      place: place.map { PageNumber(base &+ $0) })
    return try test.manager.cpus.with { (cpu) throws(MemoryError) in try areas.reserve(request, cpu) }
  }

  func release(_ area: UInt32) { areas.release(area) }

  /// All pages of an area, guards included.
  func span(_ area: UInt32) -> Range<UInt64> {
    let range = areas.pool[area].value.spanRange
    return range.first.rawValue - base..<range.end.rawValue - base
  }

  /// The area that has a page.
  func owner(_ page: UInt64) -> UInt32? { areas.find(PageNumber(base &+ page)) }

  /// The holes in address order.
  var holes: [Range<UInt64>] {
    var holes: [Range<UInt64>] = []
    var piece = areas.state.value.firstPiece
    while piece != 0 {
      if areas.pool[piece].value.state == .hole { holes.append(span(piece)) }
      piece = areas.pool[piece].value.after
    }
    return holes
  }

  func placeTaken(_ page: UInt64) -> MemoryError {
    .placeTaken(PageNumber(base &+ page).address(.size4K))
  }

  func expectValid(_ location: SourceLocation = #_sourceLocation) {
    let problem = areas.validate()
    #expect(problem == nil, "\(problem.map(String.init(describing:)) ?? "")", sourceLocation: location)
  }
}
