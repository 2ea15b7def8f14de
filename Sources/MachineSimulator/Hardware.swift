public import KernelMemory

// Where machines differ, and a manager must bear all of them. The defaults are those of an Intel processor;
// what a portable manager may lean on is less.

/// What the hardware of a simulated machine has and does.
public struct Hardware: Equatable, Sendable {
  /// Whose page tables the CPUs read.
  public enum Architecture: Equatable, Sendable {
    case x86_64
    /// At EL1, with one root for both halves of the address space. A granule is 4, 16 or 64 KiB.
    case aarch64(granule: PageSize)
    /// In supervisor mode.
    case riscv64
  }

  /// Which tables an invalidation by address drops, besides the translation of that address.
  public enum TableDrop: Sendable {
    /// All of them, whatever their addresses (SDM 4.10.4.1).
    case all
    /// Those on the way to that address alone: AMD with EFER.TCE (APM vol. 2, 3.1.7), TLBI VAE1 (Arm ARM,
    /// D8.14).
    case ofAddress
    /// None: SFENCE.VMA with an address orders accesses to leaf entries alone (RISC-V privileged
    /// architecture, 12.2.1).
    case none
  }

  /// Which of several cached pages of one address translates it.
  public enum SizeChoice: Sendable {
    case smallest, largest
  }

  public var architecture = Architecture.x86_64
  /// Levels of page tables. x86-64: 4, or 5 as with CR4.LA57, when addresses have 57 bits instead of 48
  /// (SDM 4.5). RISC-V: 3, 4 or 5, as satp.MODE has them. AArch64: 4, or 3 with the granule of 64 KiB.
  public var pagingLevels = 4
  /// How many bits a physical address has, 36 to 52: MAXPHYADDR, or ID_AA64MMFR0_EL1.PARange, which ends at
  /// 48 here. Address bits above it are reserved in table entries, but for RISC-V, whose entries have 56.
  public var physicalAddressBits = 46
  /// Whether the CPUs set the accessed and dirty flags in table entries (AArch64: FEAT_HAFDBS, RISC-V:
  /// Svadu). Without it tables keep exactly what was written to them; on AArch64 and RISC-V an access faults
  /// then where a flag is clear.
  public var setsAccessedAndDirty = true
  /// RISC-V: whether a leaf says of which type its memory is (Svpbmt).
  public var hasPageTypes = true
  /// RISC-V: whether sixteen leaves may say that they are one (Svnapot).
  public var hasContiguousPages = true
  /// Whether an entry may map 1 GiB (CPUID.80000001H:EDX.Page1GB); without it the mark is reserved.
  public var hasGigabytePages = true
  public var tableDrop = TableDrop.all
  public var sizeChoice = SizeChoice.smallest
  /// Whether a page fault drops what is cached for its address, as SDM 4.10.4.1 promises.
  public var faultsDropTranslations = true
  /// Whether CPUs remember that an address has no translation, until a flush or `Machine.afterMap`, as RISC-V
  /// permits (privileged architecture, 12.2.1).
  public var cachesAbsentEntries = false
  /// Whether walkers need not see an entry that was absent before `Machine.afterMap`, a flush, or a
  /// notification, of the CPU that has stored it, as on AArch64 (Arm ARM, D8.2.6). Not where CPUs run freely.
  public var entriesNeedBarriers = false
  /// Whether an invalidation reaches the TLBs of all CPUs, by hardware (`Machine.flushReachesAllCPUs`), one
  /// after the other; CPUs do not run freely then. AArch64 has TLBI ..IS (Arm ARM, D8.14).
  public var broadcastsFlushes = false
  /// Above how many pages `SimulatedMachine.machine` asks to be flushed whole.
  public var fullFlushThreshold = PageCount(64)

  public init() {}

  /// An AArch64 processor at EL1 with FEAT_HAFDBS switched off: a clear access flag faults. Flushes are
  /// broadcast, and drop the tables on the way to an address alone; the largest page that is cached
  /// translates; a fault drops nothing; walkers see no new entry before a barrier. On every machine of this
  /// architecture an entry that is changed while it is in use is a violation (break-before-make).
  public static func aarch64(granule: PageSize) -> Hardware {
    var hardware = Hardware()
    hardware.architecture = .aarch64(granule: granule)
    hardware.pagingLevels = granule == .size64K ? 3 : 4
    hardware.setsAccessedAndDirty = false
    hardware.tableDrop = .ofAddress
    hardware.sizeChoice = .largest
    hardware.faultsDropTranslations = false
    hardware.entriesNeedBarriers = true
    hardware.broadcastsFlushes = true
    hardware.fullFlushThreshold = PageCount(512)
    return hardware
  }

  /// A RISC-V hart in supervisor mode that faults where the accessed or dirty flag is clear (Svade), and
  /// remembers absent entries. Fences by address drop no tables: behind those alone no table may be freed.
  /// - Parameter levels: 3, 4 or 5.
  public static func riscv64(levels: Int) -> Hardware {
    var hardware = Hardware()
    hardware.architecture = .riscv64
    hardware.pagingLevels = levels
    hardware.setsAccessedAndDirty = false
    hardware.tableDrop = .none
    hardware.sizeChoice = .largest
    hardware.faultsDropTranslations = false
    hardware.cachesAbsentEntries = true
    hardware.fullFlushThreshold = PageCount(16)
    return hardware
  }

  /// The least that any of the architectures promises.
  public static var leastPromised: Hardware {
    var hardware = Hardware()
    hardware.tableDrop = .ofAddress
    hardware.sizeChoice = .largest
    hardware.faultsDropTranslations = false
    hardware.cachesAbsentEntries = true
    hardware.fullFlushThreshold = PageCount(33)
    return hardware
  }
}

extension Hardware {
  /// What reads the tables; nil where there is no such mode.
  var mmu: (any MMU)? {
    switch architecture {
    case .x86_64:
      guard (4...5).contains(pagingLevels) else { return nil }
      return X86MMU(
        levels: pagingLevels, physicalAddressBits: physicalAddressBits, hasGigabytePages: hasGigabytePages)
    case .aarch64(let granule):
      let mmu = AArch64MMU(
        granuleShift: UInt64(granule.shift), physicalAddressBits: physicalAddressBits,
        setsFlags: setsAccessedAndDirty)
      return pagingLevels == mmu.levels ? mmu : nil
    case .riscv64:
      guard (3...5).contains(pagingLevels) else { return nil }
      return RISCVMMU(
        levels: pagingLevels, hasPageTypes: hasPageTypes, hasContiguousPages: hasContiguousPages)
    }
  }
}
