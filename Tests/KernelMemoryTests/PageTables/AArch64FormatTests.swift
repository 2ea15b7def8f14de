import Testing

@testable import KernelMemory

/// Entries as the Arm ARM has them (DDI 0487, D8.3: descriptors of VMSAv8-64, stage 1), with no constant of
/// the format's.
@Suite struct AArch64FormatTests {
  private static let granules: [PageSize] = [.size4K, .size16K, .size64K]

  /// Valid 0, table or page 1, AttrIndx 4-2, AP[2] 7, SH 9-8, AF 10, nG 11, PXN 53, UXN 54; never NS 5, AP[1]
  /// 6, DBM 51, Contiguous 52.
  @Test func pages() {
    let format = AArch64Format(pageSize: .size4K)
    func leaf(_ attributes: MappingAttributes) -> UInt64 {
      format.leaf(FrameNumber(0x12345), bits: format.bits(attributes, level: 0))
    }
    #expect(leaf(MappingAttributes(.readWrite)) == 0x0060_0000_1234_5703)
    #expect(leaf(MappingAttributes(.readOnly)) == 0x0060_0000_1234_5783)
    #expect(leaf(MappingAttributes(.readExecute)) == 0x0040_0000_1234_5783)
    #expect(leaf(MappingAttributes(.writableExecutable)) == 0x0040_0000_1234_5703)
    #expect(leaf(MappingAttributes(.readWrite, isGlobal: false)) == 0x0060_0000_1234_5f03)
    #expect(leaf(MappingAttributes(.readWrite, cache: .writeCombining)) == 0x0060_0000_1234_5707)
    #expect(leaf(MappingAttributes(.readWrite, cache: .uncached)) == 0x0060_0000_1234_570b)
    #expect(leaf(MappingAttributes(.readWrite, cache: .uncachedMinus)) == 0x0060_0000_1234_570f)
    #expect(leaf(MappingAttributes(.readWrite, cache: .writeThrough)) == 0x0060_0000_1234_5713)
  }

  /// Contiguous 52, in 16 entries, in 128, in 32 (D8.7.1).
  @Test(arguments: [(.size4K, 4), (.size16K, 7), (.size64K, 5)] as [(PageSize, Int)])
  func contiguousPages(granule: PageSize, order: Int) {
    let format = AArch64Format(pageSize: granule)
    let alone = format.bits(MappingAttributes(.readWrite), level: 0)
    #expect(format.bits(alone, ofBlock: order, .largeWherePossible, at: 8 << UInt(order)) == alone | 1 << 52)
    #expect(format.bits(alone, ofBlock: order - 1, .largeWherePossible, at: 8 << UInt(order)) == alone)
    #expect(format.bits(alone, ofBlock: order, .largeWherePossible, at: 8 << UInt(order - 1)) == alone)
  }

  /// The frame's number stands where its address does, whatever the granule; a block has bit 1 clear.
  @Test(arguments: granules)
  func framesAndBlocks(granule: PageSize) {
    let format = AArch64Format(pageSize: granule)
    let frame = FrameNumber(0x12345)
    let address = UInt64(0x12345) << UInt64(granule.shift)
    let bits = format.bits(MappingAttributes(.readWrite), level: 0)
    #expect(format.leaf(frame, bits: bits) == 0x0060_0000_0000_0703 | address)
    #expect(format.table(frame) == 3 | address)
    let block = FrameNumber(5 * format.span(1))
    let blockBits = format.bits(MappingAttributes(.readExecute), level: 1)
    #expect(
      format.leaf(block, bits: blockBits) == 0x0040_0000_0000_0781 | block.rawValue << UInt64(granule.shift))
  }

  /// D8.3, block sizes: 2 MiB and 1 GiB; 32 MiB; 512 MiB.
  @Test func blockSizes() {
    func sizes(_ granule: PageSize) -> [UInt64] {
      let format = AArch64Format(pageSize: granule)
      return (1...format.largestLeafLevel).map { format.span($0) * granule.bytes }
    }
    #expect(sizes(.size4K) == [2 << 20, 1 << 30])
    #expect(sizes(.size16K) == [32 << 20])
    #expect(sizes(.size64K) == [512 << 20])
  }

  /// TTBR1 is the root's middle: the lowest address of the upper half has the entry there.
  @Test(arguments: granules)
  func eachHalfHasOneOfTheRoot(granule: PageSize) {
    let format = AArch64Format(pageSize: granule)
    let root = format.levels - 1
    let half = UInt64(1) << UInt64(format.addressBits - 1)
    let upper = VirtualAddress(0 &- half)
    #expect(format.rootIndex(of: VirtualAddress(0), levels: format.levels) == 0)
    #expect(format.rootIndex(of: upper, levels: format.levels) == Int(format.entryCount(root) / 2))
    #expect(format.rootIndex(of: VirtualAddress(half), levels: format.levels) == nil)
    #expect(format.entryCount(root) * 8 <= granule.bytes)
  }

  @Test(arguments: granules)
  func theUsualRangeIsInTheUpperHalf(granule: PageSize) {
    let format = AArch64Format(pageSize: granule)
    let range = format.defaultVmallocRange
    #expect(range.first.address(granule) == VirtualAddress(0xffff_c900_0000_0000))
    #expect(range.count.bytes(granule) == 32 << 40)
    #expect(format.isCanonical(range))
  }

  @Test func theHighestAddress() {
    for granule in Self.granules {
      let format = AArch64Format(pageSize: granule)
      let highest = FrameNumber((1 << 48 - 1) >> UInt64(granule.shift))
      let bits = format.bits(MappingAttributes(.readWrite), level: 0)
      let expected = 0x0060_ffff_ffff_ffff & ~granule.offsetMask | 0x703
      #expect(format.leaf(highest, bits: bits) == expected)
      #expect(format.table(highest) == 0x0000_ffff_ffff_ffff & ~granule.offsetMask | 3)
    }
  }

  /// What software may keep in an entry, and what hardware may set: 58 to 55, DBM, and the hint Contiguous.
  @Test func bitsThatSayNothingOfTheMappingDoNotDisturb() {
    let format = AArch64Format(pageSize: .size4K)
    let ignored: UInt64 = 0x7800_0000_0000_0000 | 0x0780_0000_0000_0000 | 1 << 52 | 1 << 51
    for level in 0...2 {
      let entry = format.leaf(
        FrameNumber(1 << 18), bits: format.bits(MappingAttributes(.readOnly, cache: .uncached), level: level))
      #expect(
        format.attributes(of: entry | ignored, level: level) == MappingAttributes(.readOnly, cache: .uncached)
      )
      #expect(format.frame(ofLeaf: entry | ignored, level: level, PageNumber(0)) == FrameNumber(1 << 18))
      #expect(format.isLeaf(entry | ignored, level: level))
    }
  }
}
