import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct AreaIndexTests {
  /// Pages of a range, and the levels of nodes that cover them: 1,024 slots each, up to 8,192 in the root.
  static let ranges: [(pages: UInt64, levels: Int)] = [
    (1, 1), (1023, 1), (1024, 1), (1025, 1), (8192, 1), (8193, 2), (1 << 20, 2), (1 << 23, 2),
    (1 << 23 + 1, 3), (1 << 30, 3), (1 << 30 + 1, 3), (1 << 33, 3), (1 << 33 + 1, 4),
  ]

  @Test(arguments: ranges)
  func aRangeHasTheLevelsThatItNeeds(pages: UInt64, levels: Int) throws {
    let fixture = try AreasFixture(pages: pages)
    #expect(fixture.areas.index.levels == levels)
  }

  /// Areas at and over every border between nodes, found at their edges and not beside them.
  @Test(arguments: ranges)
  func edgesAreFoundOnEveryLevel(pages: UInt64, levels: Int) throws {
    let fixture = try AreasFixture(pages: pages)
    let borders = [0, 1024, 2048, 8192, 1 << 20, 1 << 21, 1 << 23, 1 << 30, 1 << 31, pages]
      .filter { $0 <= pages }
    let reaches: [(UInt64, UInt64)] = [(0, 1), (1, 0), (1, 1), (24, 1000), (1024, 1024), (1500, 1 << 20)]
    for border in borders {
      for (before, behind) in reaches where before <= border && border + behind <= pages {
        let area = try fixture.reserve(before + behind, at: border - before)
        expectFound(area, border - before..<border + behind, border, fixture)
        fixture.expectValid()
        fixture.release(area)
        #expect(fixture.owner(border - before) == nil)
        #expect(fixture.owner(border + behind - 1) == nil)
        fixture.expectValid()
      }
    }
    let whole = try fixture.reserve(pages)
    expectFound(whole, 0..<pages, pages / 2, fixture)
    fixture.release(whole)
    #expect(fixture.holes == [0..<pages])
  }

  private func expectFound(
    _ area: UInt32, _ pages: Range<UInt64>, _ border: UInt64, _ fixture: AreasFixture
  ) {
    #expect(fixture.span(area) == pages)
    for page in [pages.lowerBound, pages.upperBound - 1, border, border &- 1] where pages.contains(page) {
      #expect(fixture.owner(page) == area)
    }
    if pages.lowerBound > 0 { #expect(fixture.owner(pages.lowerBound - 1) == nil) }
    #expect(fixture.owner(pages.upperBound) == nil)
  }

  /// Nodes that areas come to share, in every order of coming and going.
  @Test func neighboursShareNodes() throws {
    let fixture = try AreasFixture(pages: 1 << 21)
    let spans: [Range<UInt64>] = [
      0..<1000, 1000..<1030, 1030..<3 << 10, 3 << 10..<1 << 20, 1 << 20..<1 << 21,
    ]
    for order in permutations(of: Array(spans.indices)) {
      let areas = try spans.map { try fixture.reserve($0.upperBound - $0.lowerBound, at: $0.lowerBound) }
      var live = Set(areas)
      for index in order {
        fixture.release(areas[index])
        live.remove(areas[index])
        for (span, area) in zip(spans, areas) {
          let expected = live.contains(area) ? area : nil
          #expect(fixture.owner(span.lowerBound) == expected)
          #expect(fixture.owner(span.upperBound - 1) == expected)
        }
      }
      fixture.expectValid()
    }
  }

  /// Emptied nodes are used again: what comes and goes takes no more frames the second time.
  @Test func theIndexDoesNotGrowByUse() throws {
    let fixture = try AreasFixture(pages: 1 << 33)
    var stock: PageCount?
    for _ in 0..<20 {
      let areas = try [1 << 30, 1 << 20, 1 << 10, 0, 1 << 32].map { place in
        try fixture.reserve(2, at: place == 0 ? 0 : place - 1)
      }
      for area in areas { fixture.release(area) }
      let now = fixture.test.manager.frames.ownMetadata
      #expect(stock == nil || stock == now)
      stock = now
    }
    fixture.expectValid()
  }

  /// Emptied nodes become free frames: what stays are the descriptors of the areas and the holes that there
  /// were.
  @Test(arguments: [FreeMode.strict, .lazy, .warm])
  func nodesOfAreasFarApartReturn(mode: FreeMode) throws {
    let test = try TestMachine(ram: [RAMRegion(PhysicalAddress(0), byteCount: 16 << 20)], mode: mode)
    let before = test.manager.usedFrames.rawValue
    let descriptors: UInt64 = 2_001 / 64 + 1
    for _ in 0..<2 {
      var areas: [UnsafeMutableRawPointer] = []
      for number in 0..<UInt64(1_000) {
        var options = VmallocOptions()
        options.address = VirtualAddress(TestMachine.vmallocStart.rawValue << 12 + number << 22)
        areas.append(try test.manager.vmalloc(1, options))
      }
      #expect(test.manager.usedFrames.rawValue > before + 3_000)
      for area in areas { try test.manager.vfree(area) }
      try test.manager.flushRetired()
      let used = test.manager.usedFrames.rawValue
      // Of nodes the index keeps as many as four insertions take.
      #expect(used <= before + descriptors + 16, "\(used - before) frames more than before are in use")
      test.expectValid()
    }
  }
}

// MARK: - Any address

/// `area(containing:)` for every byte that matters of the first pages of a range.
@Suite struct AreaLookUpTests {
  @Test func everyAddressLeadsToItsArea() throws {
    let test = try TestMachine(ram: [.small])
    var layout: [(pages: UInt64, guardPages: UInt64, area: UnsafeMutableRawPointer)] = []
    for (pages, guardPages) in [(1, 1), (3, 0), (1, 0), (2, 3), (1, 1)] as [(UInt64, UInt16)] {
      var options = VmallocOptions()
      options.guardPages = guardPages
      layout.append((pages, UInt64(guardPages), try test.manager.vmalloc(Int(pages) * 4096 - 5, options)))
    }
    // The third goes away again, and leaves a hole.
    try test.manager.vfree(layout[2].area)
    var page = TestMachine.vmallocStart.rawValue
    for (number, piece) in layout.enumerated() {
      let first = VirtualAddress(piece.area)
      #expect(first.rawValue == page << 12)
      for step in 0..<piece.pages + piece.guardPages {
        for offset in [0, 1, 2048, 4090, 4091, 4095] as [UInt64] {
          let address = VirtualAddress((page + step) << 12 + offset)
          let area = test.manager.area(containing: address)
          if number == 2 {
            #expect(area == nil)
            continue
          }
          #expect(area?.address == first)
          #expect(area?.byteCount == piece.pages * 4096 - 5)
          #expect(area?.pages.count.rawValue == piece.pages)
          #expect(area?.guardPages.rawValue == piece.guardPages)
          #expect(area?.guardRange.contains(address.number(.size4K)) == (step >= piece.pages))
        }
      }
      page += piece.pages + piece.guardPages
    }
    for outside in [page << 12, page << 12 + 4095, TestMachine.vmallocStart.rawValue << 12 - 1, 0, .max] {
      #expect(test.manager.area(containing: VirtualAddress(outside)) == nil)
    }
  }

  @Test func anAreaAtEachEndOfTheRange() throws {
    let test = try TestMachine(ram: [.small], vmallocPages: 1 << 33)
    let start = TestMachine.vmallocStart.rawValue << 12
    let end = start + 1 << 45
    for (address, guardPages) in [(start, 0), (end - 8192, 1)] as [(UInt64, UInt16)] {
      var options = VmallocOptions()
      options.address = VirtualAddress(address)
      options.guardPages = guardPages
      #expect(try test.manager.vmalloc(1, options) == test.pointer(address))
    }
    #expect(test.manager.area(containing: VirtualAddress(start - 1)) == nil)
    #expect(test.manager.area(containing: VirtualAddress(start + 4095))?.guardPages == .zero)
    #expect(test.manager.area(containing: VirtualAddress(start + 4096)) == nil)
    #expect(test.manager.area(containing: VirtualAddress(end - 8193)) == nil)
    #expect(test.manager.area(containing: VirtualAddress(end - 1))?.address.rawValue == end - 8192)
    #expect(test.manager.area(containing: VirtualAddress(end)) == nil)
    #expect(!test.manager.contains(VirtualAddress(start - 1)))
    #expect(test.manager.contains(VirtualAddress(start)))
    #expect(test.manager.contains(VirtualAddress(end - 1)))
    #expect(!test.manager.contains(VirtualAddress(end)))
  }
}
