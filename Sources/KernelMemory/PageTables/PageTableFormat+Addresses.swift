// How a virtual address is cut up, whatever the format:
//
//     63      canonical     │  index of the root  │ index │ ... │ index │ offset │ 0
//       copies of bit w - 1   rootIndexBits         indexBits           pageSize.shift

extension PageTableFormat {
  /// log2 of the entries in a table but the root: a page of 8-byte entries.
  @inline(__always)
  var indexBits: Int { Int(pageSize.shift) &- 3 }

  /// log2 of the pages that an entry of a table of `level` covers.
  @inline(__always)
  func spanShift(_ level: Int) -> UInt64 { UInt64(truncatingIfNeeded: level &* indexBits) }

  /// The pages that an entry of a table of `level` covers.
  @inline(__always)
  func span(_ level: Int) -> UInt64 { 1 &<< spanShift(level) }

  /// The entries of a table of `level`.
  @inline(__always)
  func entryCount(_ level: Int) -> UInt64 {
    1 &<< UInt64(truncatingIfNeeded: level &+ 1 == levels ? rootIndexBits : indexBits)
  }

  /// Which entry of a table of `level` is that of `page`.
  @inline(__always)
  func index(of page: PageNumber, level: Int) -> Int {
    Int(truncatingIfNeeded: page.rawValue &>> spanShift(level) & (entryCount(level) &- 1))
  }

  /// The level of the leaves that map a whole block of an area, and of their tables.
  @inline(__always)
  var areaLeafLevel: Int { 1 }

  /// Bits of a page number that are translated; those above copy the highest of these.
  @inline(__always)
  var pageNumberBits: UInt64 { spanShift(levels &- 1) &+ UInt64(truncatingIfNeeded: rootIndexBits) }

  /// Bits of an address that are translated.
  var addressBits: Int { Int(truncatingIfNeeded: pageNumberBits) &+ Int(pageSize.shift) }

  /// The page number whose bits above the translated ones copy the highest of these.
  func canonical(_ page: PageNumber) -> PageNumber {
    let width = pageNumberBits
    guard page.rawValue &>> (width &- 1) & 1 == 1 else { return page }
    let all = UInt64.max &>> UInt64(pageSize.shift)
    return PageNumber(page.rawValue | (all &<< width & all))
  }

  /// The index of an address in the root, the table of the highest of `levels`; nil where the bits above the
  /// translated ones do not copy the highest of these.
  @inline(__always)
  func rootIndex(of address: VirtualAddress, levels: Int) -> Int? {
    let count = UInt64(1) &<< UInt64(truncatingIfNeeded: rootIndexBits)
    let half = count &>> 1
    let shift = Int64(truncatingIfNeeded: spanShift(levels &- 1)) &+ Int64(pageSize.shift)
    let index = UInt64(bitPattern: Int64(bitPattern: address.rawValue) &>> shift) &+ half
    return index < count ? Int(truncatingIfNeeded: index ^ half) : nil
  }

  /// Whether all of `pages` lie in one half of the translatable address space: the bits above it
  /// copy its highest bit.
  func isCanonical(_ pages: PageRange) -> Bool {
    let width = pageNumberBits
    let numberBits = 64 - UInt64(pageSize.shift)
    let halves = pages.first.rawValue &>> (width &- 1)
    let upper = (UInt64(1) &<< (numberBits &- width &+ 1)) &- 1
    guard halves == 0 || halves == upper else { return false }
    return pages.isEmpty || (pages.end.rawValue &- 1) &>> (width &- 1) == halves
  }
}
