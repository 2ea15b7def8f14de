import Testing

@testable import KernelMemory

/// Entries as the privileged architecture has them (vol. II, 12.3 to 12.6), with no constant of the format's.
@Suite struct RISCV64FormatTests {
  private let format = RISCV64Format(levels: 4, hasPageTypes: true, hasContiguousPages: true)

  /// V 0, R 1, W 2, X 3, G 5, A 6, D 7, PBMT 62-61; never U 4, RSW 9-8, N 63.
  @Test(arguments: [0, 1, 2])
  func leaves(level: Int) {
    let frame = FrameNumber(5 << 18)
    func leaf(_ attributes: MappingAttributes) -> UInt64 {
      format.leaf(frame, bits: format.bits(attributes, level: level))
    }
    let address: UInt64 = 5 << 28
    #expect(leaf(MappingAttributes(.readWrite)) == 0xe7 | address)
    #expect(leaf(MappingAttributes(.readOnly)) == 0x63 | address)
    #expect(leaf(MappingAttributes(.readExecute)) == 0x6b | address)
    #expect(leaf(MappingAttributes(.writableExecutable)) == 0xef | address)
    #expect(leaf(MappingAttributes(.readWrite, isGlobal: false)) == 0xc7 | address)
    #expect(leaf(MappingAttributes(.readWrite, cache: .writeCombining)) == 0x2000_0000_0000_00e7 | address)
    #expect(leaf(MappingAttributes(.readWrite, cache: .uncached)) == 0x4000_0000_0000_00e7 | address)
  }

  /// N 63, and 1000 for the lowest bits of the frame's number (12.5).
  @Test func contiguousPages() {
    let alone = format.bits(MappingAttributes(.readWrite), level: 0)
    let bits = format.bits(alone, ofBlock: 4, .largeWherePossible, at: 0x80)
    for frame in 0x12340...0x1234f as ClosedRange<UInt64> {
      #expect(format.leaf(FrameNumber(frame), bits: bits) == 0x8000_0000_048d_20e7)
    }
  }

  @Test func tablesAndTheHighestFrame() {
    #expect(format.table(FrameNumber(0x12345)) == 0x48d_1401)
    let highest = FrameNumber((1 << 44) - 1)
    #expect(format.table(highest) == 0x003f_ffff_ffff_fc01)
    let bits = format.bits(MappingAttributes(.readOnly), level: 0)
    #expect(format.leaf(highest, bits: bits) == 0x003f_ffff_ffff_fc63)
  }

  /// RSW has the mark: the frame with number zero would leave none.
  @Test func whatIsQuarantinedHasABitOfSoftware() {
    #expect(format.quarantined(format.table(FrameNumber(0))) == 1 << 8)
    #expect(format.quarantined(0x48d_1401) == 0x48d_1500)
  }

  /// A and D as a hart sets them, and the bit that is left to software besides ours.
  @Test func bitsThatHardwareOrSoftwareMaySetDoNotDisturb() {
    for level in 0...2 {
      let attributes = MappingAttributes(.readOnly, cache: .uncached)
      let entry = format.leaf(FrameNumber(1 << 18), bits: format.bits(attributes, level: level))
      #expect(format.attributes(of: entry | 0x2c0, level: level) == attributes)
      #expect(format.frame(ofLeaf: entry | 0x2c0, level: level, PageNumber(0)) == FrameNumber(1 << 18))
    }
  }

  /// The lowest address of the upper half of each (12.4 to 12.6), and a range in it.
  @Test(
    arguments: [
      (3, 0xffff_ffc0_0000_0000), (4, 0xffff_8000_0000_0000), (5, 0xff00_0000_0000_0000),
    ] as [(Int, UInt64)])
  func theUsualRangeIsInTheUpperHalf(levels: Int, start: UInt64) {
    let format = RISCV64Format(levels: levels, hasPageTypes: false, hasContiguousPages: false)
    #expect(format.rootIndex(of: VirtualAddress(start), levels: levels) == 256)
    #expect(format.rootIndex(of: VirtualAddress(start - 1), levels: levels) == nil)
    #expect(format.isCanonical(format.defaultVmallocRange))
    #expect(format.defaultVmallocRange.first.address(.size4K) > VirtualAddress(start))
    #expect(format.has(.writeBack) && !format.has(.uncached) && !format.has(.writeCombining))
  }
}
