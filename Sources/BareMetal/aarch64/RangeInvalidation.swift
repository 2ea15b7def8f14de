#if arch(arm64) || !hasFeature(Embedded)

internal import KernelMemory

// TLBI by range (Arm ARM, C5.5, FEAT_TLBIRANGE). An operand has the first page, and says how many there are
// by a NUM of five bits and a SCALE of two:
//
//     47  46 45   44 43   39 38 37 36                0
//     | TG  | SCALE | NUM   | TTL | address / granule |     (NUM + 1) << (5 * SCALE + 1) pages
//
// So one page has no operand, and of most other counts several are needed. TTL stays zero: leaves of any
// level, and the tables above them.
//
// No operand is of 4 GiB or more: QEMU 7.2 keeps the length of a range in 32 bits, and flushes nothing then.

/// What is left of a range of pages to be invalidated.
struct RangeInvalidation {
  private var address: UInt
  private var pages: UInt
  private let granule: PageSize
  private let hasRanges: Bool

  /// One instruction.
  enum Step: Equatable {
    /// The operand of TLBI VAAE1.
    case page(UInt)
    /// That of TLBI RVAAE1.
    case range(UInt)
  }

  /// - Parameter hasRanges: false for a CPU that invalidates single pages alone.
  init(at address: UInt, pages: UInt, _ granule: PageSize, hasRanges: Bool) {
    self.address = address
    self.pages = pages
    self.granule = granule
    self.hasRanges = hasRanges
  }

  /// Nil at the end. The largest range comes first.
  mutating func next() -> Step? {
    guard pages > 0 else { return nil }
    let count = hasRanges ? min(pages, (1 << 32 - 1) &>> shift) : 1
    guard count > 1 else { return .page(take(1) &>> 12 & (1 << 44 - 1)) }
    var scale: UInt = 0
    while scale < 3, count &>> (5 * (scale + 1) + 1) > 0 { scale += 1 }
    let number = min(32, count &>> (5 * scale + 1))
    let first = take(number &<< (5 * scale + 1)) &>> shift & (1 << 37 - 1)
    return .range(first | (number - 1) &<< 39 | scale &<< 44 | translationGranule &<< 46)
  }

  /// - Returns: the address of the first of them.
  private mutating func take(_ count: UInt) -> UInt {
    defer {
      address &+= count &<< shift
      pages &-= count
    }
    return address
  }

  private var shift: UInt { UInt(granule.shift) }
  /// The field TG.
  private var translationGranule: UInt { granule == .size4K ? 1 : granule == .size16K ? 2 : 3 }
}

#endif
