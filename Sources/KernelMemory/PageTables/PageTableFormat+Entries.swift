// How entries are written and read, whatever the format: the one place that composes and takes apart what the
// properties of a format say.

extension PageTableFormat {
  /// The bits of an entry that hold the number of a frame.
  @inline(__always)
  var frameMask: UInt64 {
    ((1 &<< UInt64(truncatingIfNeeded: frameBits)) &- 1) &<< UInt64(truncatingIfNeeded: frameShift)
  }

  /// Whether the CPU translates through `entry`. An entry of zero is never present.
  @inline(__always)
  func isPresent(_ entry: UInt64) -> Bool { entry & present != 0 }

  /// Whether an entry of a table of `level`, present or quarantined, maps memory, rather than naming a table.
  @inline(__always)
  func isLeaf(_ entry: UInt64, level: Int) -> Bool {
    level == 0 || entry & leafMark != tableEntry & leafMark
  }

  /// The table that a present entry names.
  @inline(__always)
  func nextTable(_ entry: UInt64) -> FrameNumber {
    FrameNumber((entry & frameMask) &>> UInt64(truncatingIfNeeded: frameShift))
  }

  /// The address of that table.
  @inline(__always)
  func nextTableAddress(_ entry: UInt64) -> PhysicalAddress {
    PhysicalAddress((entry & frameMask) &<< UInt64(truncatingIfNeeded: Int(pageSize.shift) &- frameShift))
  }

  /// The first frame of a leaf of a table of `level`, which maps `page`. The bits below a large leaf's frame
  /// may say other things.
  @inline(__always)
  func frame(ofLeaf entry: UInt64, level: Int, _ page: PageNumber) -> FrameNumber {
    let number = nextTable(entry).rawValue
    if level == 0 && hidesFrame(entry) {
      return FrameNumber(number & ~hiddenBits | page.rawValue & hiddenBits)
    }
    return FrameNumber(number & ~(span(level) &- 1))
  }

  /// The bits of a frame's number that a contiguous leaf may hide.
  @inline(__always)
  private var hiddenBits: UInt64 { (1 &<< UInt64(truncatingIfNeeded: contiguousOrder)) &- 1 }

  @inline(__always)
  private func hidesFrame(_ entry: UInt64) -> Bool {
    contiguousLeafHidesFrame && entry & contiguousMark == contiguousMark
  }

  /// The bits of leaves of level 0 that map a block of 2^`order` frames, aligned to its size, from an entry
  /// of their table on: where each group of the block's leaves is one of the table's, they say so.
  @inline(__always)
  func bits(_ bits: UInt64, ofBlock order: Int, _ leaves: LeafPolicy, at entryPointer: UInt) -> UInt64 {
    #if Ablations
    if Ablation.runsOfOne.isOn, contiguousOrder > 0 { return bits | contiguousMark }
    #endif
    guard contiguousOrder > 0, order >= contiguousOrder, leaves == .largeWherePossible else { return bits }
    let groupBytes = UInt(8) &<< UInt(truncatingIfNeeded: contiguousOrder)
    return entryPointer & (groupBytes &- 1) == 0 ? bits | contiguousMark : bits
  }

  /// An entry that names a table.
  @inline(__always)
  func table(_ frame: FrameNumber) -> UInt64 {
    frame.rawValue &<< UInt64(truncatingIfNeeded: frameShift) | tableEntry
  }

  /// A present entry made absent, which CPUs may still have in their TLBs or walk caches. It says what it
  /// said, and is not zero.
  @inline(__always)
  func quarantined(_ entry: UInt64) -> UInt64 { entry & ~present | quarantine }

  /// What `quarantined` made absent, present again.
  @inline(__always)
  func revived(_ entry: UInt64) -> UInt64 { entry & ~quarantine | present }

  /// Whether an entry is absent, but says what it said: one whose flush may not be complete, or a leaf of an
  /// area that is suspended or asleep.
  @inline(__always)
  func isQuarantined(_ entry: UInt64) -> Bool { entry != 0 && !isPresent(entry) }

  /// The table that a quarantined entry of a table of `level` named. It may be freed at any time, but for
  /// whoever has the tables' lock.
  @inline(__always)
  func quarantinedTable(_ entry: UInt64, level: Int) -> FrameNumber? {
    isQuarantined(entry) && !isLeaf(entry, level: level) ? nextTable(entry) : nil
  }

  @inline(__always)
  func pattern(level: Int) -> LeafPattern { level == 0 ? leaf : largeLeaf }

  /// The bits of `attributes`, whose cache type exists, in a leaf of `level`: computed once a call, not once
  /// an entry.
  @inline(__always)
  func bits(_ attributes: MappingAttributes, level: Int) -> UInt64 {
    let pattern = pattern(level: level)
    let bits =
      pattern.always | pattern.writable[attributes.protection.isWritable]
      | pattern.executable[attributes.protection.isExecutable] | pattern.isGlobal[attributes.isGlobal]
      | (pattern.cache[attributes.cache] ?? pattern.cache.writeBack)
    #if Ablations
    return Ablation.spoiled(bits)
    #else
    return bits
    #endif
  }

  /// A leaf; `frame` is aligned to its size.
  @inline(__always)
  func leaf(_ frame: FrameNumber, bits: UInt64) -> UInt64 {
    let number = hidesFrame(bits) ? frame.rawValue & ~hiddenBits : frame.rawValue
    return number &<< UInt64(truncatingIfNeeded: frameShift) | bits
  }

  /// The attributes of a leaf.
  func attributes(of entry: UInt64, level: Int) -> MappingAttributes {
    let pattern = pattern(level: level)
    let protection = Protection(
      writable: pattern.writable.isSet(in: entry), executable: pattern.executable.isSet(in: entry))
    return MappingAttributes(
      protection ?? .writableExecutable, cache: pattern.cache.type(of: entry),
      isGlobal: pattern.isGlobal.isSet(in: entry))
  }

  /// Whether memory can be mapped with a type.
  @inline(__always)
  func has(_ type: CacheType) -> Bool { leaf.cache[type] != nil && largeLeaf.cache[type] != nil }

  /// Whether entries hold the numbers of all frames from `first` on that `count` pages are mapped to.
  func reaches(_ first: FrameNumber, _ count: PageCount) -> Bool {
    let limit = UInt64(1) &<< UInt64(truncatingIfNeeded: frameBits)
    return first.rawValue < limit && count.rawValue <= limit &- first.rawValue
  }
}
