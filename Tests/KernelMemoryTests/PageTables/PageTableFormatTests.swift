import Testing

@testable import KernelMemory
@testable import TestSupport

/// What every format promises the walker, by all attributes, levels and a choice of frames. A new format is
/// one line in `formats`.
@Suite struct PageTableFormatTests {
  /// A format, and what its manual says: how many bits frame numbers and virtual addresses have.
  private struct Known {
    let format: any PageTableFormat
    let frameBits: Int
    let addressBits: Int
    var cacheTypes = CacheType.all
  }

  private static var formats: [Known] {
    // 52 address bits less the page offset; 48 bits of an address with four levels, 57 with five (SDM vol.
    // 3A, 4.1.4, 4.5).
    let x86 = [4, 5].flatMap { levels in
      [1, 2].map { largest in
        Known(
          format: X86_64Format(levels: levels, largestLeafLevel: largest), frameBits: 40,
          addressBits: levels == 4 ? 48 : 57)
      }
    }
    // 48 bits of a physical address (Arm ARM, D8.3); one root for both halves.
    let arm = [(PageSize.size4K, 36, 48), (.size16K, 34, 49), (.size64K, 32, 48)].map {
      Known(format: AArch64Format(pageSize: $0.0), frameBits: $0.1, addressBits: $0.2)
    }
    // 56 bits of a physical address, 44 without the offset (privileged architecture, 12.4 to 12.6).
    let riscv = [(3, 39), (4, 48), (5, 57)].flatMap { levels, addressBits in
      [false, true].map { isExtended in
        Known(
          format: RISCV64Format(levels: levels, hasPageTypes: isExtended, hasContiguousPages: isExtended),
          frameBits: 44, addressBits: addressBits,
          cacheTypes: isExtended ? [.writeBack, .writeCombining, .uncached] : [.writeBack])
      }
    }
    let types: [CacheType] = [.writeBack, .writeCombining, .uncached]
    let exemplar = Known(format: ExemplarFormat(), frameBits: 38, addressBits: 49, cacheTypes: types)
    return (x86 + arm + riscv + [exemplar]).flatMap { known in
      let carried = Known(
        format: CarriedFormat(known.format), frameBits: known.frameBits, addressBits: known.addressBits,
        cacheTypes: known.cacheTypes)
      return [known, carried]
    }
  }

  /// All that a leaf of a format can say.
  private func allAttributes(_ format: some PageTableFormat) -> [MappingAttributes] {
    let protections = [Protection.readOnly, .readWrite, .readExecute, .writableExecutable]
    let types = CacheType.all.filter(format.has)
    return protections.flatMap { protection in
      types.flatMap { type in
        [true, false].map { MappingAttributes(protection, cache: type, isGlobal: $0) }
      }
    }
  }

  /// Frames that a leaf of `level` may start at: each single bit, and the highest of all.
  private func frames(_ format: some PageTableFormat, level: Int, _ bits: Int) -> [FrameNumber] {
    let highest = (UInt64(1) << bits) &- format.span(level)
    let single = (Int(format.spanShift(level))..<bits).map { UInt64(1) << $0 }
    return ([0, highest] + single).map { FrameNumber($0) }
  }

  @Test func leavesSayWhatWasWritten() {
    func check(_ format: some PageTableFormat, _ frameBits: Int) {
      for level in 0...format.largestLeafLevel {
        var entries = Set<UInt64>()
        for attributes in allAttributes(format) {
          let bits = format.bits(attributes, level: level)
          for frame in frames(format, level: level, frameBits) {
            let entry = format.leaf(frame, bits: bits)
            #expect(format.isPresent(entry))
            #expect(format.isLeaf(entry, level: level))
            #expect(format.frame(ofLeaf: entry, level: level, PageNumber(0)) == frame)
            #expect(format.attributes(of: entry, level: level) == attributes)
            #expect(entries.insert(entry).inserted, "two mappings are written alike")
          }
        }
      }
    }
    for known in Self.formats { check(known.format, known.frameBits) }
  }

  /// Each leaf of a group names its own frame, and says that it is one of a group; what is too short for one,
  /// or begins elsewhere, does not.
  @Test func contiguousLeavesSayWhatWasWritten() {
    func check(_ format: some PageTableFormat, _ frameBits: Int) {
      let order = format.contiguousOrder
      let last = UInt64(1) << UInt64(order) - 1
      for attributes in allAttributes(format) {
        let alone = format.bits(attributes, level: 0)
        func bits(_ order: Int, at entry: UInt, _ leaves: LeafPolicy = .largeWherePossible) -> UInt64 {
          format.bits(alone, ofBlock: order, leaves, at: entry)
        }
        let together = bits(order + 1, at: 16 << UInt(order))
        #expect((together != alone) == (order > 0))
        guard order > 0 else { continue }
        #expect(bits(order - 1, at: 16 << UInt(order)) == alone)
        #expect(bits(order, at: 4 << UInt(order)) == alone)
        #expect(bits(order, at: 16 << UInt(order), .base) == alone)
        #expect(alone & format.contiguousMark != format.contiguousMark)
        for number in [0, (UInt64(1) << UInt64(frameBits)) &- last &- 1] {
          let first = FrameNumber(number)
          for step in [0, 1, last / 2, last] {
            let frame = FrameNumber(first.rawValue + step)
            let page = PageNumber(7 << UInt64(order) + step)
            let entry = format.leaf(frame, bits: together)
            #expect(format.isPresent(entry) && format.isLeaf(entry, level: 0))
            #expect(format.frame(ofLeaf: entry, level: 0, page) == frame)
            #expect(format.attributes(of: entry, level: 0) == attributes)
            let quarantined = format.quarantined(entry)
            #expect(format.isQuarantined(quarantined) && format.revived(quarantined) == entry)
            #expect(format.frame(ofLeaf: quarantined, level: 0, page) == frame)
            #expect(entry != format.leaf(frame, bits: alone))
          }
        }
      }
    }
    for known in Self.formats { check(known.format, known.frameBits) }
  }

  @Test func tableEntriesNameTheirTable() {
    func check(_ format: some PageTableFormat, _ frameBits: Int) {
      for level in 1..<format.levels {
        for frame in frames(format, level: 0, frameBits) {
          let entry = format.table(frame)
          #expect(format.isPresent(entry))
          #expect(!format.isLeaf(entry, level: level))
          #expect(format.nextTable(entry) == frame)
          #expect(format.nextTableAddress(entry) == frame.address(format.pageSize))
        }
      }
    }
    for known in Self.formats { check(known.format, known.frameBits) }
  }

  @Test func memoryHasTheTypesThatExist() {
    for known in Self.formats { #expect(CacheType.all.filter(known.format.has) == known.cacheTypes) }
  }

  @Test func anEntryOfZeroIsNotPresent() {
    func check(_ format: some PageTableFormat) {
      #expect(!format.isPresent(0))
      #expect(!format.isQuarantined(0))
      #expect(format.present.nonzeroBitCount == 1, "one bit says it")
    }
    for known in Self.formats { check(known.format) }
  }

  /// What is quarantined is absent, goes on saying what it said, and becomes what it was.
  @Test func quarantinedEntriesSayWhatTheySaid() {
    func check(_ format: some PageTableFormat, _ frameBits: Int) {
      func expectQuarantines(_ entry: UInt64, level: Int) {
        let quarantined = format.quarantined(entry)
        #expect(format.isQuarantined(quarantined) && !format.isQuarantined(entry))
        #expect(format.revived(quarantined) == entry)
        #expect(format.isLeaf(quarantined, level: level) == format.isLeaf(entry, level: level))
      }
      for level in 0..<format.levels {
        for frame in frames(format, level: level, frameBits) where frame.rawValue > 0 {
          if level > 0 {
            expectQuarantines(format.table(frame), level: level)
            let quarantined = format.quarantined(format.table(frame))
            #expect(format.quarantinedTable(quarantined, level: level) == frame)
            #expect(format.quarantinedTable(format.table(frame), level: level) == nil)
          }
          guard level <= format.largestLeafLevel else { continue }
          for attributes in allAttributes(format) {
            let entry = format.leaf(frame, bits: format.bits(attributes, level: level))
            expectQuarantines(entry, level: level)
            #expect(format.frame(ofLeaf: format.quarantined(entry), level: level, PageNumber(0)) == frame)
            #expect(format.quarantinedTable(format.quarantined(entry), level: level) == nil)
          }
        }
      }
    }
    for known in Self.formats { check(known.format, known.frameBits) }
  }

  @Test func tablesLevelsAndFramesHaveTheirSizes() {
    func check(_ format: some PageTableFormat, _ frameBits: Int) {
      #expect(format.span(0) == 1)
      #expect(format.span(1) * 8 == format.pageSize.bytes)
      for level in 1...format.levels {
        #expect(format.span(level) == format.span(level - 1) * format.span(1))
      }
      #expect(format.reaches(FrameNumber(0), PageCount(1 << UInt64(frameBits))))
      #expect(format.reaches(FrameNumber(1 << UInt64(frameBits) - 1), PageCount(1)))
      #expect(!format.reaches(FrameNumber(1 << UInt64(frameBits) - 1), PageCount(2)))
      #expect(!format.reaches(FrameNumber(1 << UInt64(frameBits)), .zero))
      #expect(
        !format.reaches(FrameNumber(1), PageCount(.max))
          && !format.reaches(FrameNumber(.max), PageCount(.max)))
      #expect(
        format.entryCount(0) == format.span(1) && format.entryCount(format.levels - 2) == format.span(1))
      #expect(1...format.span(1) ~= format.entryCount(format.levels - 1), "the root is a page at most")
      #expect(1...format.highestLeafLevel ~= format.largestLeafLevel)
      #expect(format.highestLeafLevel < format.leastLevels && format.leastLevels <= format.levels)
      #expect(format.largestLeafLevel < format.levels - 1, "a leaf in the root would leave nothing to share")
    }
    for known in Self.formats { check(known.format, known.frameBits) }
  }

  @Test func addressesAreCanonicalUpToTheEdgesOfBothHalves() {
    func check(_ format: some PageTableFormat, _ addressBits: Int) {
      #expect(format.addressBits == addressBits)
      let width = UInt64(addressBits) - UInt64(format.pageSize.shift)
      let half = UInt64(1) << (width - 1)
      let top = UInt64(1) << (64 - UInt64(format.pageSize.shift))
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
      let shift = UInt64(format.pageSize.shift)
      for page in [0, half - 1, half, top - half - 1, top - half, top - 1] {
        for address in [page << shift, page << shift | format.pageSize.offsetMask] {
          let index = format.rootIndex(of: VirtualAddress(address), levels: format.levels)
          #expect((index != nil) == isCanonical(page, page + 1))
          let bits = (page % (1 << width)) >> format.spanShift(format.levels - 1)
          if let index { #expect(UInt64(index) == bits) }
        }
      }
      #expect(format.isCanonical(format.defaultVmallocRange))
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
    for known in Self.formats { check(known.format, known.addressBits) }
  }
}

// MARK: - x86-64, bit by bit

/// Entries as the tables of the SDM have them (vol. 3A, 4-15 to 4-20), with no constant of the format's.
@Suite struct X86_64FormatTests {
  private let format = X86_64Format(levels: 4, largestLeafLevel: 2)

  @Test func smallLeaves() {
    func leaf(_ attributes: MappingAttributes) -> UInt64 {
      format.leaf(FrameNumber(0x12345), bits: format.bits(attributes, level: 0))
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
      format.leaf(frame, bits: format.bits(attributes, level: level))
    }
    #expect(leaf(MappingAttributes(.readWrite)) == 0x8000_0000_c000_01e3)
    #expect(leaf(MappingAttributes(.readExecute, cache: .writeCombining)) == 0x0000_0000_c000_01a9)
    let withPAT = leaf(MappingAttributes(.readWrite, cache: .writeThrough))
    #expect(withPAT == 0x8000_0000_c000_11fb)
    #expect(
      format.frame(ofLeaf: withPAT, level: level, PageNumber(0)) == frame, "PAT is no bit of the address")
    #expect(format.attributes(of: withPAT, level: level).cache == .writeThrough)
  }

  @Test func theHighestAddresses() {
    let bits = format.bits(MappingAttributes(.readWrite, cache: .writeThrough), level: 2)
    let highest = FrameNumber((1 << 40) - (1 << 18))
    #expect(format.leaf(highest, bits: bits) == 0x800f_ffff_c000_11fb)
    #expect(format.table(FrameNumber((1 << 40) - 1)) == 0x000f_ffff_ffff_f023)
  }

  @Test func bitsThatTheCPUOrSoftwareMaySetDoNotDisturb() {
    // A and D as the CPU sets them; 11 to 9 and 62 to 52 are ignored (no protection keys here).
    let ignored: UInt64 = 0x7ff0_0000_0000_0e00
    for level in 0...2 {
      for attributes in [
        MappingAttributes(.readOnly), MappingAttributes(.writableExecutable, cache: .uncached),
      ] {
        let entry = format.leaf(FrameNumber(1 << 18), bits: format.bits(attributes, level: level))
        for noise in [ignored, 0x60, ignored | 0x60] {
          #expect(format.attributes(of: entry | noise, level: level) == attributes)
          #expect(format.frame(ofLeaf: entry | noise, level: level, PageNumber(0)) == FrameNumber(1 << 18))
        }
      }
    }
    let table = format.table(FrameNumber(77))
    #expect(format.nextTable(table | ignored) == FrameNumber(77))
  }
}
