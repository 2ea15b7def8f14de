public import KernelMemory

// Where machines differ, and a manager must bear all of them. The defaults are those of an Intel processor;
// what a portable manager may lean on is less.

/// What the hardware of a simulated machine has and does.
public struct Hardware: Equatable, Sendable {
  /// Which tables an invalidation by address drops, besides the translation of that address.
  public enum TableDrop: Sendable {
    /// All of them, whatever their addresses (SDM 4.10.4.1).
    case all
    /// Those on the way to that address alone: AMD with EFER.TCE (APM vol. 2, 3.1.7), TLBI VAE1 (Arm ARM,
    /// D8.14), SFENCE.VMA with an address (RISC-V privileged architecture, 12.2.1).
    case ofAddress
  }

  /// Which of several cached pages of one address translates it.
  public enum SizeChoice: Sendable {
    case smallest, largest
  }

  /// Levels of page tables: 4, or 5 as with CR4.LA57, when addresses have 57 bits instead of 48 (SDM 4.5).
  public var pagingLevels = 4
  /// MAXPHYADDR, 36 to 52; address bits above it are reserved in table entries.
  public var physicalAddressBits = 46
  /// Whether the CPUs set the accessed and dirty flags in table entries; without it tables keep exactly what
  /// was written to them.
  public var setsAccessedAndDirty = true
  /// Whether an entry may map 1 GiB (CPUID.80000001H:EDX.Page1GB); without it the mark is reserved.
  public var hasGigabytePages = true
  public var tableDrop = TableDrop.all
  public var sizeChoice = SizeChoice.smallest
  /// Whether a page fault drops what is cached for its address, as SDM 4.10.4.1 promises.
  public var faultsDropTranslations = true
  /// Whether CPUs remember that an address has no translation, until a flush or `Machine.afterMap`, as RISC-V
  /// permits (privileged architecture, 12.2.1).
  public var cachesAbsentEntries = false
  /// Whether an invalidation reaches the TLBs of all CPUs, by hardware (`Machine.flushReachesAllCPUs`), one
  /// after the other; CPUs do not run freely then. AArch64 has TLBI ..IS (Arm ARM, D8.14).
  public var broadcastsFlushes = false
  /// Above how many pages `SimulatedMachine.machine` asks to be flushed whole.
  public var fullFlushThreshold = PageCount(64)

  public init() {}

  /// How many bits of an address are translated.
  var addressBits: UInt64 { pageShift(level: pagingLevels &+ 1) }

  /// An address with these translated bits: all bits above them copy the highest of them (SDM vol. 1,
  /// 3.3.7.1).
  func canonical(_ address: UInt64) -> UInt64 {
    let unused = 64 &- addressBits
    return UInt64(bitPattern: Int64(bitPattern: address &<< unused) &>> Int64(bitPattern: unused))
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
