// The list of page-table formats: the one place that knows which there are.
//
// A kernel is built for one architecture, and so for one format: the walker is compiled for it, and what the
// format says becomes constants in the walker's code. A hosted build carries the format's properties as a
// value, so that one process holds machines of all formats.

#if hasFeature(Embedded) && arch(arm64)
/// The format that the walker is compiled for.
typealias WalkedFormat = AArch64Format
#elseif hasFeature(Embedded) && arch(riscv64)
/// The format that the walker is compiled for.
typealias WalkedFormat = RISCV64Format
#elseif hasFeature(Embedded)
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

  #if !hasFeature(Embedded) || arch(x86_64)
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
  #endif

  #if !hasFeature(Embedded) || arch(riscv64)
  /// How many levels of page tables a RISC-V hart walks, by satp.MODE: addresses have 39, 48 or 57 bits.
  public enum RISCV64Levels: Int, Sendable {
    case sv39 = 3
    case sv48 = 4
    case sv57 = 5
  }

  /// RISC-V, supervisor mode.
  /// - Parameters:
  ///   - levels: as the hart has been set up; `Bootstrap.start` refuses another number where `Machine.check`
  ///     knows it.
  ///   - hasPageTypes: whether the hart has the extension Svpbmt. Without it, what is not write-back is
  ///     refused with `cacheTypeUnavailable`.
  ///   - hasContiguousPages: whether the hart has the extension Svnapot. Where it has, 64 KiB of an area may
  ///     be one translation.
  public static func riscv64(
    levels: RISCV64Levels, hasPageTypes: Bool, hasContiguousPages: Bool = false
  ) -> PageTableFormatChoice {
    PageTableFormatChoice(
      RISCV64Format(
        levels: levels.rawValue, hasPageTypes: hasPageTypes, hasContiguousPages: hasContiguousPages))
  }
  #endif

  #if !hasFeature(Embedded) || arch(arm64)
  /// AArch64, with one root for both halves of the address space.
  /// - Parameter granule: the size of a page, which not every CPU has (ID_AA64MMFR0_EL1), as the CPU has been
  ///   set up. Nothing tells another one of as many address bits: pages of 4 and of 64 KiB have 48, those of
  ///   16 KiB 49.
  public static func aarch64(granule: PageSize) -> PageTableFormatChoice {
    PageTableFormatChoice(AArch64Format(pageSize: granule))
  }
  #endif

  /// Where kernels put vmalloc when nothing else is said. x86-64: 32 TiB from ffffc90000000000, or with five
  /// levels from ffa0000000000000, where Linux has it (Documentation/arch/x86/x86_64/mm.rst). AArch64: the
  /// same as with four levels. RISC-V: the same, or 64 GiB from ffffffc800000000 with three levels.
  public var defaultVmallocRange: PageRange { format.defaultVmallocRange }

  var pageSize: PageSize { format.pageSize }
}
