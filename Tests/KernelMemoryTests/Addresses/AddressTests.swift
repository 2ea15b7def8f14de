import Testing

@testable import KernelMemory

@Suite struct AddressTests {
  @Test func roundsBytesUpWithoutWrapping() {
    #expect(PageCount(bytes: 0, .size4K) == .zero)
    #expect(PageCount(bytes: 1, .size4K) == PageCount(1))
    #expect(PageCount(bytes: 4096, .size4K) == PageCount(1))
    #expect(PageCount(bytes: 4097, .size4K) == PageCount(2))
    #expect(PageCount(bytes: .max, .size4K) == PageCount(1 << 52))
    #expect(PageCount(bytes: .max, .size64K) == PageCount(1 << 48))
  }

  @Test func refusesSumsThatWrap() {
    #expect(PhysicalAddress(.max).advanced(by: 1) == nil)
    #expect(PhysicalAddress(.max).advanced(by: 0) == PhysicalAddress(.max))
    #expect(VirtualAddress(1).distance(from: VirtualAddress(2)) == nil)
    #expect(PageRange(PageNumber(.max), count: PageCount(1)) == nil)
    #expect(PageCount(.max).adding(PageCount(1)) == nil)
    #expect(PageCount(1 << 52).bytes(.size4K) == nil)
    #expect(PageCount((1 << 52) - 1).bytes(.size4K) == 0xffff_ffff_ffff_f000)
  }

  @Test func rangesKnowTheirEdges() throws {
    let range = try #require(FrameRange(FrameNumber(10), count: PageCount(5)))
    #expect(!range.contains(FrameNumber(9)))
    #expect(range.contains(FrameNumber(10)))
    #expect(range.contains(FrameNumber(14)))
    #expect(!range.contains(FrameNumber(15)))
    let after = FrameRange(from: range.end, upTo: FrameNumber(20))
    #expect(!range.overlaps(after))
    #expect(FrameRange(from: FrameNumber(5), upTo: FrameNumber(3)).isEmpty)
  }

  @Test func rangesKnowWhatLiesInThem() throws {
    let range = try #require(FrameRange(FrameNumber(10), count: PageCount(5)))
    func part(_ first: UInt64, _ end: UInt64) -> FrameRange {
      FrameRange(from: FrameNumber(first), upTo: FrameNumber(end))
    }
    for (first, end) in [(10, 15), (10, 11), (14, 15), (11, 14), (10, 10), (15, 15)] as [(UInt64, UInt64)] {
      #expect(range.contains(part(first, end)), "\(first) to \(end)")
    }
    for (first, end) in [(9, 15), (10, 16), (9, 10), (15, 16), (9, 16), (0, 5)] as [(UInt64, UInt64)] {
      #expect(!range.contains(part(first, end)), "\(first) to \(end)")
    }
  }
}
