import Testing

@testable import KernelMemory

/// What every format promises the walker, by all attributes, levels and a choice of frames. A new format is
/// one line in `formats`.
@Suite struct PageTableFormatTests {
  /// Each with how many bits its frame numbers have.
  private static var formats: [(format: any PageTableFormat, frameBits: Int)] {
    // 52 address bits less the page offset (SDM vol. 3A, 4.1.4).
    [(X86_64Format(largestLeafLevel: 1), 40), (X86_64Format(largestLeafLevel: 2), 40)]
  }

  private static var allAttributes: [MappingAttributes] {
    let protections = [Protection.readOnly, .readWrite, .readExecute, .writableExecutable]
    let types = [CacheType.writeBack, .writeCombining, .uncachedMinus, .uncached, .writeThrough]
    return protections.flatMap { protection in
      types.flatMap { type in
        [true, false].map { MappingAttributes(protection, cache: type, isGlobal: $0) }
      }
    }
  }

  /// Frames that a leaf of `level` may start at: each single bit, and the highest of all.
  private func frames<Format: PageTableFormat>(_ format: Format, level: Int, _ bits: Int) -> [FrameNumber] {
    let highest = (UInt64(1) << bits) &- Format.span(level)
    let single = (Int(Format.spanShift(level))..<bits).map { UInt64(1) << $0 }
    return ([0, highest] + single).map { FrameNumber($0) }
  }

  @Test func leavesSayWhatWasWritten() {
    func check<Format: PageTableFormat>(_ format: Format, _ frameBits: Int) {
      for level in 0...format.largestLeafLevel {
        var entries = Set<UInt64>()
        for attributes in Self.allAttributes {
          let bits = Format.bits(attributes, level: level)
          for frame in frames(format, level: level, frameBits) {
            let entry = Format.leaf(frame, bits: bits)
            #expect(Format.isPresent(entry))
            #expect(Format.isLeaf(entry, level: level))
            #expect(Format.frame(ofLeaf: entry, level: level) == frame)
            #expect(Format.attributes(of: entry, level: level) == attributes)
            #expect(entries.insert(entry).inserted, "two mappings are written alike")
          }
        }
      }
    }
    for (format, frameBits) in Self.formats { check(format, frameBits) }
  }

  @Test func tableEntriesNameTheirTable() {
    func check<Format: PageTableFormat>(_ format: Format, _ frameBits: Int) {
      for level in 1..<format.levels {
        for frame in frames(format, level: 0, frameBits) {
          let entry = Format.table(frame)
          #expect(Format.isPresent(entry))
          #expect(!Format.isLeaf(entry, level: level))
          #expect(Format.nextTable(entry) == frame)
          #expect(Format.nextTableAddress(entry) == frame.address(Format.pageSize))
        }
      }
    }
    for (format, frameBits) in Self.formats { check(format, frameBits) }
  }

  @Test func anEntryOfZeroIsNotPresent() {
    func check<Format: PageTableFormat>(_ format: Format) { #expect(!Format.isPresent(0)) }
    for (format, _) in Self.formats { check(format) }
  }

  @Test func tablesLevelsAndFramesHaveTheirSizes() {
    func check<Format: PageTableFormat>(_ format: Format, _ frameBits: Int) {
      #expect(Format.span(0) == 1)
      #expect(Format.span(1) * 8 == Format.pageSize.bytes)
      for level in 1...format.levels {
        #expect(Format.span(level) == Format.span(level - 1) * Format.span(1))
      }
      #expect(Format.reaches(FrameNumber(0), PageCount(1 << UInt64(frameBits))))
      #expect(Format.reaches(FrameNumber(1 << UInt64(frameBits) - 1), PageCount(1)))
      #expect(!Format.reaches(FrameNumber(1 << UInt64(frameBits) - 1), PageCount(2)))
      #expect(!Format.reaches(FrameNumber(1 << UInt64(frameBits)), .zero))
      #expect(
        !Format.reaches(FrameNumber(1), PageCount(.max))
          && !Format.reaches(FrameNumber(.max), PageCount(.max)))
      #expect(format.largestLeafLevel < format.levels - 1, "a leaf in the root would leave nothing to share")
    }
    for (format, frameBits) in Self.formats { check(format, frameBits) }
  }

  @Test func addressesAreCanonicalUpToTheEdgesOfBothHalves() {
    func check<Format: PageTableFormat>(_ format: Format) {
      let width = UInt64(format.levels * Format.indexBits)
      let half = UInt64(1) << (width - 1)
      let top = UInt64(1) << (64 - UInt64(Format.pageSize.shift))
      func isCanonical(_ first: UInt64, _ end: UInt64) -> Bool {
        format.isCanonical(PageRange(unchecked: PageNumber(first), count: PageCount(end - first)))
      }
      #expect(isCanonical(0, 1) && isCanonical(0, half) && isCanonical(half - 1, half))
      #expect(isCanonical(top - half, top) && isCanonical(top - half, top - half + 1))
      #expect(isCanonical(top - 1, top))
      // One page beyond each edge, alone and at the end of a run.
      #expect(!isCanonical(half, half + 1) && !isCanonical(half - 1, half + 1))
      #expect(!isCanonical(top - half - 1, top - half) && !isCanonical(top - half - 1, top))
      #expect(!isCanonical(top - 1, top + 1) && !isCanonical(top, top + 1))
      // The same of one address at a time.
      let shift = UInt64(Format.pageSize.shift)
      for page in [0, half - 1, half, top - half - 1, top - half, top - 1] {
        for address in [page << shift, page << shift | Format.pageSize.offsetMask] {
          let index = format.rootIndex(of: VirtualAddress(address))
          #expect((index != nil) == isCanonical(page, page + 1))
          let bits = page >> Format.spanShift(format.levels - 1) & (Format.span(1) - 1)
          if let index { #expect(UInt64(index) == bits) }
        }
      }
      // From one half into the other, and round the top.
      #expect(!isCanonical(half - 1, top - half + 1) && !isCanonical(0, top) && !isCanonical(1, top))
      #expect(!isCanonical(0, half + 1) && !isCanonical(top - half, top + half))
      // What no address of 64 bits has.
      #expect(!isCanonical(.max - 1, .max) && !isCanonical(top - 1, .max) && !isCanonical(0, .max))
      #expect(!isCanonical(top + half - 1, top + half))
      // A run of no pages: its place counts.
      #expect(isCanonical(5, 5) && isCanonical(top - 1, top - 1))
      #expect(!isCanonical(half + 5, half + 5) && !isCanonical(.max, .max))
    }
    for (format, _) in Self.formats { check(format) }
  }
}

// MARK: - x86-64, bit by bit

/// Entries as the tables of the SDM have them (vol. 3A, 4-15 to 4-20), with no constant of the format's.
@Suite struct X86_64FormatTests {
  @Test func smallLeaves() {
    func leaf(_ attributes: MappingAttributes) -> UInt64 {
      X86_64Format.leaf(FrameNumber(0x12345), bits: X86_64Format.bits(attributes, level: 0))
    }
    // P 0, R/W 1, PWT 3, PCD 4, A 5, D 6, PAT 7, G 8, XD 63; never U/S 2.
    #expect(leaf(MappingAttributes(.readWrite)) == 0x8000_0000_1234_5163)
    #expect(leaf(MappingAttributes(.readOnly)) == 0x8000_0000_1234_5121)
    #expect(leaf(MappingAttributes(.readExecute)) == 0x0000_0000_1234_5121)
    #expect(leaf(MappingAttributes(.writableExecutable)) == 0x0000_0000_1234_5163)
    #expect(leaf(MappingAttributes(.readWrite, isGlobal: false)) == 0x8000_0000_1234_5063)
    #expect(leaf(MappingAttributes(.readWrite, cache: .writeCombining)) == 0x8000_0000_1234_516b)
    #expect(leaf(MappingAttributes(.readWrite, cache: .uncachedMinus)) == 0x8000_0000_1234_5173)
    #expect(leaf(MappingAttributes(.readWrite, cache: .uncached)) == 0x8000_0000_1234_517b)
    #expect(leaf(MappingAttributes(.readWrite, cache: .writeThrough)) == 0x8000_0000_1234_51fb)
  }

  @Test(arguments: [1, 2])
  func largeLeavesHaveThePageSizeAtBit7AndPATAtBit12(level: Int) {
    let frame = FrameNumber(3 << 18)
    func leaf(_ attributes: MappingAttributes) -> UInt64 {
      X86_64Format.leaf(frame, bits: X86_64Format.bits(attributes, level: level))
    }
    #expect(leaf(MappingAttributes(.readWrite)) == 0x8000_0000_c000_01e3)
    #expect(leaf(MappingAttributes(.readExecute, cache: .writeCombining)) == 0x0000_0000_c000_01a9)
    let withPAT = leaf(MappingAttributes(.readWrite, cache: .writeThrough))
    #expect(withPAT == 0x8000_0000_c000_11fb)
    #expect(X86_64Format.frame(ofLeaf: withPAT, level: level) == frame, "PAT is no bit of the address")
    #expect(X86_64Format.attributes(of: withPAT, level: level).cache == .writeThrough)
  }

  @Test func theHighestAddresses() {
    let bits = X86_64Format.bits(MappingAttributes(.readWrite, cache: .writeThrough), level: 2)
    let highest = FrameNumber((1 << 40) - (1 << 18))
    #expect(X86_64Format.leaf(highest, bits: bits) == 0x800f_ffff_c000_11fb)
    #expect(X86_64Format.table(FrameNumber((1 << 40) - 1)) == 0x000f_ffff_ffff_f023)
  }

  @Test func bitsThatTheCPUOrSoftwareMaySetDoNotDisturb() {
    // A and D as the CPU sets them; 11 to 9 and 62 to 52 are ignored (no protection keys here).
    let ignored: UInt64 = 0x7ff0_0000_0000_0e00
    for level in 0...2 {
      for attributes in [
        MappingAttributes(.readOnly), MappingAttributes(.writableExecutable, cache: .uncached),
      ] {
        let entry = X86_64Format.leaf(FrameNumber(1 << 18), bits: X86_64Format.bits(attributes, level: level))
        for noise in [ignored, 0x60, ignored | 0x60] {
          #expect(X86_64Format.attributes(of: entry | noise, level: level) == attributes)
          #expect(X86_64Format.frame(ofLeaf: entry | noise, level: level) == FrameNumber(1 << 18))
        }
      }
    }
    let table = X86_64Format.table(FrameNumber(77))
    #expect(X86_64Format.nextTable(table | ignored) == FrameNumber(77))
  }
}
