import CMachine
import KernelMemory
import Testing

@testable import BareMetal

/// The operands of TLBI by range (Arm ARM, C5.5), read as the CPU reads them.
@Suite struct RangeInvalidationTests {
  static let granules = [PageSize.size4K, .size16K, .size64K]
  static let counts: [UInt] = [
    1, 2, 3, 31, 32, 33, 63, 64, 65, 66, 127, 512, 513, 2_047, 2_048, 2_049, 32_767, 32_768, 65_535, 65_536,
    1 << 20, 1 << 20 + 1, 1 << 22 + 12_345,
  ]

  /// The pages of an operand, in pages of the granule.
  private func pages(_ step: RangeInvalidation.Step, _ granule: PageSize) -> Range<UInt> {
    switch step {
    case .page(let operand):
      let first = operand >> (UInt(granule.shift) - 12)
      return first..<first + 1
    case .range(let operand):
      let (number, scale) = (operand >> 39 & 31, operand >> 44 & 3)
      let first = operand & (1 << 37 - 1)
      #expect(operand >> 46 == (granule == .size4K ? 1 : granule == .size16K ? 2 : 3))
      #expect(operand >> 37 & 3 == 0, "a hint of a level")
      return first..<first + (number + 1) << (5 * scale + 1)
    }
  }

  /// One behind the other, each below 4 GiB, all of the range and nothing else.
  @Test(arguments: granules, counts) func stepsAreTheRange(granule: PageSize, count: UInt) {
    let address: UInt = 0xffff_c900_0001_0000
    // An operand of a range has fewer bits of a page's number than one of a page.
    let mask: UInt = 1 << 28 - 1
    let first = address >> UInt(granule.shift) & mask
    var rest = RangeInvalidation(at: address, pages: count, granule, hasRanges: true)
    var (next, steps) = (first, 0)
    while let step = rest.next() {
      let found = pages(step, granule)
      #expect(found.lowerBound & mask == next)
      #expect(UInt64(found.count) * granule.bytes < 1 << 32)
      next += UInt(found.count)
      steps += 1
    }
    #expect(next == first + count)
    if UInt64(count) * granule.bytes < 1 << 32 {
      #expect(steps <= 5, "\(steps) instructions for \(count) pages")
    }
  }

  /// Bits of addresses that no table translates are left out.
  @Test func operandsAreThoseOfTheManual() {
    var rest = RangeInvalidation(at: 0xffff_c900_0000_3000, pages: 65, .size4K, hasRanges: true)
    // 64 pages are one of SCALE 1.
    #expect(rest.next() == .range(1 << 46 | 1 << 44 | 0x1c_9000_0003))
    #expect(rest.next() == .page(0xffc_9000_0043))
    #expect(rest.next() == nil)
  }

  @Test(arguments: granules) func withoutRangesEachPageIsOne(granule: PageSize) {
    var rest = RangeInvalidation(at: 0, pages: 70, granule, hasRanges: false)
    for page in 0..<70 as Range<UInt> {
      #expect(rest.next() == .page(page << (UInt(granule.shift) - 12)))
    }
    #expect(rest.next() == nil)
  }

  /// The end of the last range of the address space is zero.
  @Test func rangesAreCutIntoPages() {
    let ranges = [cmachine_range(start: 0x1000, end: 0x4000), cmachine_range(start: .max - 0x1fff, end: 0)]
    var found: [[UInt]] = []
    forEachRange(ranges, ranges.count, pageShift: 12) { found.append([$0, $1]) }
    #expect(found == [[0x1000, 3], [.max - 0x1fff, 2]])
  }
}
