#if arch(arm64)

private import CBareMetal
internal import CMachine
internal import KernelMemory

/// How a machine flushes; its context says it.
struct TLBFlush {
  let granule: PageSize
  let reachesAllCPUs: Bool
  /// Whether there is TLBI by range.
  let hasRanges: Bool

  private static var allCPUs: UInt { 1 << 0 }
  private static var ranges: UInt { 1 << 1 }

  init(_ granule: PageSize, reachesAllCPUs: Bool, hasRanges: Bool) {
    self.granule = granule
    self.reachesAllCPUs = reachesAllCPUs
    self.hasRanges = hasRanges
  }

  @unsafe
  init(_ context: UnsafeMutableRawPointer?) {
    let word = UInt(bitPattern: context)
    granule =
      switch UInt64(word & ~(Self.allCPUs | Self.ranges)) {
      case PageSize.size16K.bytes: .size16K
      case PageSize.size64K.bytes: .size64K
      default: .size4K
      }
    reachesAllCPUs = word & Self.allCPUs != 0
    hasRanges = word & Self.ranges != 0
  }

  /// No address: the granule, and a bit for each of the others.
  var context: UnsafeMutableRawPointer? {
    unsafe UnsafeMutableRawPointer(
      bitPattern: UInt(granule.bytes) | (reachesAllCPUs ? Self.allCPUs : 0) | (hasRanges ? Self.ranges : 0))
  }

  /// The first barrier has entries that other CPUs have cleared, and that this one knows of, be so for all
  /// walkers; behind the second one nothing goes by an old translation (Arm ARM, D8.14: DSB ISHST would not
  /// order loads before).
  @unsafe
  func callAsFunction(_ ranges: UnsafePointer<cmachine_range>?, _ count: Int) {
    arm64_dsb_ish()
    if count > 0, let ranges = unsafe ranges {
      unsafe forEachRange(ranges, count, pageShift: UInt(granule.shift)) { invalidate($0, pages: $1) }
    } else if reachesAllCPUs {
      arm64_tlbi_vmalle1is()
    } else {
      arm64_tlbi_vmalle1()
    }
    if reachesAllCPUs { arm64_dsb_ish() } else { arm64_dsb_nsh() }
    arm64_isb()
  }

  /// VAAE1, not VALE1, since what leads to a leaf goes, too.
  private func invalidate(_ start: UInt, pages: UInt) {
    var rest = RangeInvalidation(at: start, pages: pages, granule, hasRanges: hasRanges)
    while let step = rest.next() {
      switch step {
      case .page(let operand):
        if reachesAllCPUs { arm64_tlbi_vaae1is(operand) } else { arm64_tlbi_vaae1(operand) }
      case .range(let operand):
        if reachesAllCPUs { arm64_tlbi_rvaae1is(operand) } else { arm64_tlbi_rvaae1(operand) }
      }
    }
  }
}

#endif
