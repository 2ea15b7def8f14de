// Page tables: one root, one format, one walker
//
// The format is chosen once a call, by the switches below; the walker behind each case is compiled for that
// format alone. This file is the list that a new format is added to.

/// The format of a machine's page tables.
public enum PageTableFormatChoice: Equatable, Sendable {
  /// x86-64 with four levels; 1 GiB leaves where the CPU has them (CPUID.80000001H:EDX.Page1GB).
  case x86_64FourLevel(hasGigabyteLeaves: Bool)

  /// Where kernels put vmalloc when nothing else is said. x86-64: 32 TiB from ffffc90000000000, behind
  /// the linear map, as Linux's memory layout has it (Documentation/arch/x86/x86_64/mm.rst).
  public var usualVmallocRange: PageRange {
    switch self {
    case .x86_64FourLevel:
      PageRange(unchecked: PageNumber(0xffff_c900_0000_0000 &>> 12), count: PageCount(1 &<< 33))
    }
  }

  var pageSize: PageSize {
    switch self {
    case .x86_64FourLevel: X86_64Format.pageSize
    }
  }
}

/// The page tables below one root.
@safe
struct PageTables {
  let choice: PageTableFormatChoice
  let root: FrameNumber
  let table: FrameTable
  let shared: Stable<Shared>

  struct Shared: ~Copyable {
    /// Over the tables' shape, what they count, and the unmaps under way. Entries are read without it.
    let lock = SpinLock()
    var unmaps = UnmapsUnderWay()
  }

  @inline(__always)
  func walker(hasGigabyteLeaves: Bool) -> Walker<X86_64Format> {
    #if Ablations
    let hasGigabyteLeaves = hasGigabyteLeaves || Ablation.unsupportedLeaf.isOn
    #endif
    return Walker(
      format: X86_64Format(largestLeafLevel: hasGigabyteLeaves ? 2 : 1), root: root, table: table)
  }

  /// Changes tables, alone.
  @inline(__always)
  func locked<Result: ~Copyable, Failure: Error>(
    _ cpu: borrowing CPU, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try shared.value.lock.with(.tables, cpu, body)
  }

  /// Whether all of `pages` can be translated.
  @inline(__always)
  func isCanonical(_ pages: PageRange) -> Bool {
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).format.isCanonical(pages)
    }
  }

  /// log2 of the pages that a large leaf of an area maps.
  var areaLeafOrder: Int {
    switch choice {
    case .x86_64FourLevel: Int(X86_64Format.spanShift(X86_64Format.areaLeafLevel))
    }
  }

  /// Refuses frames that no entry can name.
  /// - Throws: `frameOutOfReach`.
  func checkReach(_ first: FrameNumber, _ count: PageCount) throws(MemoryError) {
    let reaches =
      switch choice {
      case .x86_64FourLevel: X86_64Format.reaches(first, count)
      }
    guard reaches else { throw .frameOutOfReach(first) }
  }

  func tablesMissing(
    for pages: PageRange, frame: FrameNumber? = nil, large: PageCount = .zero, checkingLeaves: Bool = false
  ) throws(MemoryError) -> Int {
    switch choice {
    case .x86_64FourLevel(let gigabyte):
      try walker(hasGigabyteLeaves: gigabyte).tablesMissing(
        for: pages, frame: frame, large: large, checkingLeaves: checkingLeaves)
    }
  }

  func pin(
    _ pages: PageRange, frame: FrameNumber? = nil, large: PageCount = .zero, eachLeaf: Bool = true,
    from source: inout some TableSource & ~Copyable
  ) -> Int {
    switch choice {
    case .x86_64FourLevel(let gigabyte):
      walker(hasGigabyteLeaves: gigabyte).pin(
        pages, frame: frame, large: large, eachLeaf: eachLeaf, from: &source)
    }
  }

  func unpin(_ pages: PageRange, emptied: inout EmptiedTables) {
    assertLocked()
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).unpin(pages, emptied: &emptied)
    }
  }

  @inline(__always)
  func write(
    _ pages: PageRange, frame: FrameNumber? = nil, _ attributes: MappingAttributes,
    from source: inout some LeafSource & ~Copyable
  ) -> Int {
    switch choice {
    case .x86_64FourLevel(let large):
      walker(hasGigabyteLeaves: large).write(pages, frame: frame, attributes, from: &source)
    }
  }

  @inline(__always)
  func fill(
    _ pages: PageRange, area: UInt32, _ attributes: MappingAttributes,
    from source: inout some BlockSource & ~Copyable
  ) -> Int {
    switch choice {
    case .x86_64FourLevel(let large):
      walker(hasGigabyteLeaves: large).fill(pages, area: area, attributes, from: &source)
    }
  }

  @inline(__always)
  func detach(_ pages: PageRange, limit: Int = .max) -> Detached {
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).detach(pages, limit: limit)
    }
  }

  func firstEntry(of pages: PageRange) -> UInt {
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).firstEntry(of: pages)
    }
  }

  func firstLargeEntry(of pages: PageRange) -> UInt {
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).firstLargeEntry(of: pages)
    }
  }

  @inline(__always)
  func pinFirstEntry(of pages: PageRange) -> UInt {
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).pinFirstEntry(of: pages)
    }
  }

  @inline(__always)
  func fill(at firstEntry: UInt, _ block: UInt32, order: Int, area: UInt32, _ attributes: MappingAttributes) {
    switch choice {
    case .x86_64FourLevel(let large):
      walker(hasGigabyteLeaves: large).fill(
        at: firstEntry, block, order: order, area: area, attributes)
    }
  }

  @inline(__always)
  func lend(_ frames: UnsafeBufferPointer<FrameNumber>, at firstEntry: UInt, _ attributes: MappingAttributes)
  {
    switch choice {
    case .x86_64FourLevel(let large):
      unsafe walker(hasGigabyteLeaves: large).lend(frames, at: firstEntry, attributes)
    }
  }

  func lend(
    _ frames: UnsafeBufferPointer<FrameNumber>, from page: PageNumber, _ attributes: MappingAttributes
  ) {
    switch choice {
    case .x86_64FourLevel(let large):
      unsafe walker(hasGigabyteLeaves: large).lend(frames, from: page, attributes)
    }
  }

  @inline(__always)
  func takeBack(_ count: UInt64, at firstEntry: UInt) {
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).takeBack(count, at: firstEntry)
    }
  }

  func takeBack(_ pages: PageRange) {
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).takeBack(pages)
    }
  }

  func quarantine(_ pages: PageRange) -> Int {
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).quarantine(pages)
    }
  }

  func clearQuarantined(_ pages: PageRange, emptied: inout EmptiedTables) {
    assertLocked()
    switch choice {
    case .x86_64FourLevel(let large):
      walker(hasGigabyteLeaves: large).clearQuarantined(pages, emptied: &emptied)
    }
  }

  func prune(_ emptied: inout EmptiedTables, limit: Int, _ body: (PageNumber) -> Void) -> Detached {
    assertLocked()
    return switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).prune(&emptied, limit: limit, body)
    }
  }

  func takeAway(_ list: inout FrameList, limit: Int, emptied: inout EmptiedTables) -> FrameList {
    assertLocked()
    return switch choice {
    case .x86_64FourLevel(let large):
      walker(hasGigabyteLeaves: large).takeAway(&list, limit: limit, emptied: &emptied)
    }
  }

  func tablesToSplit(_ pages: PageRange) throws(MemoryError) -> Int {
    switch choice {
    case .x86_64FourLevel(let large): try walker(hasGigabyteLeaves: large).tablesToSplit(pages)
    }
  }

  func split(_ pages: PageRange, from source: inout some TableSource & ~Copyable) -> Int {
    assertLocked()
    return switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).split(pages, from: &source)
    }
  }

  @inline(__always)
  func frame(at address: VirtualAddress) -> FrameNumber? {
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).frame(at: address)
    }
  }

  func query(_ page: PageNumber) -> MappedRange? {
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).query(page)
    }
  }

  func visit(_ pages: PageRange, _ body: (MappedRange) -> Void) {
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).visit(pages, body)
    }
  }

  func firstMapped(in pages: PageRange) -> PageNumber? {
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).firstMapped(in: pages)
    }
  }

  func visitAll(_ body: (MappedRange) -> Void) {
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).visitAll(body)
    }
  }

  /// Puts the tables directly below the root in place for `pages`; they stay for good.
  func tablesBelowRootMissing(for pages: PageRange) -> Int {
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).tablesBelowRootMissing(for: pages)
    }
  }

  func makeTablesBelowRoot(
    for pages: PageRange, from source: inout some TableSource & ~Copyable
  ) -> Int {
    switch choice {
    case .x86_64FourLevel(let large):
      walker(hasGigabyteLeaves: large).makeTablesBelowRoot(for: pages, from: &source)
    }
  }

  /// Marks and counts every table that exists: those that the boot code's frames hold.
  func adoptAll() {
    switch choice {
    case .x86_64FourLevel(let large): walker(hasGigabyteLeaves: large).adoptAll()
    }
  }
}
