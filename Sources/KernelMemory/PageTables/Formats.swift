// The list of page-table formats: the one place that knows which there are.
//
// A kernel is built for one architecture, and so for one format: the walker is compiled for it, and what the
// format says becomes constants in the walker's code. A hosted build carries the format's properties as a
// value, so that one process holds machines of all formats.

#if hasFeature(Embedded)
/// The format that the walker is compiled for.
typealias WalkedFormat = X86_64Format
#else
/// What the walker asks what entries say.
typealias WalkedFormat = CarriedFormat
#endif

/// The format of a machine's page tables, in one of its modes.
public struct PageTableFormatChoice: Equatable, Sendable {
  let format: WalkedFormat

  #if hasFeature(Embedded)
  init(_ format: WalkedFormat) { self.format = format }
  #else
  init(_ format: some PageTableFormat) { self.format = CarriedFormat(format) }
  #endif

  /// How many levels of page tables an x86-64 CPU walks, by its CR4.LA57: addresses have 48 bits, or 57.
  public enum X86_64Levels: Int, Sendable {
    case four = 4
    case five = 5
  }

  /// x86-64.
  /// - Parameters:
  ///   - levels: as the CPU has been set up; `Bootstrap.start` refuses another number.
  ///   - hasGigabyteLeaves: whether an entry may map 1 GiB (CPUID.80000001H:EDX.Page1GB).
  public static func x86_64(
    levels: X86_64Levels = .four, hasGigabyteLeaves: Bool
  ) -> PageTableFormatChoice {
    PageTableFormatChoice(
      X86_64Format(levels: levels.rawValue, largestLeafLevel: hasGigabyteLeaves ? 2 : 1))
  }

  /// Where kernels put vmalloc when nothing else is said. x86-64: 32 TiB from ffffc90000000000, or with five
  /// levels from ffa0000000000000, where Linux has it (Documentation/arch/x86/x86_64/mm.rst).
  public var defaultVmallocRange: PageRange { format.defaultVmallocRange }

  var pageSize: PageSize { format.pageSize }
}
