import MachineSimulator

@testable import KernelMemory

/// The formats that tests of tables run over.
enum TestFormat: Int, CaseIterable {
  case fourLevels, fourLevelsWithoutGigabyteLeaves, fiveLevels
  case aarch64With4K, aarch64With16K, aarch64With64K, sv39, sv48, sv57
  /// No CPU reads this one.
  case exemplar

  /// Those that a simulated CPU can use.
  static var ofCPUs: [TestFormat] { allCases.filter(\.hasCPU) }

  var hasCPU: Bool { self != .exemplar }

  /// That which CPUs of a machine read.
  init(on hardware: Hardware) {
    switch hardware.architecture {
    case .x86_64: self = hardware.pagingLevels == 5 ? .fiveLevels : .fourLevels
    case .aarch64(.size16K): self = .aarch64With16K
    case .aarch64(.size64K): self = .aarch64With64K
    case .aarch64: self = .aarch64With4K
    case .riscv64: self = hardware.pagingLevels == 3 ? .sv39 : hardware.pagingLevels == 4 ? .sv48 : .sv57
    }
  }

  /// The same as far as a CPU can read it.
  func on(_ hardware: Hardware) -> TestFormat {
    self == .fourLevels && !hardware.hasGigabytePages ? .fourLevelsWithoutGigabyteLeaves : self
  }

  var choice: PageTableFormatChoice { Self.choices[rawValue] }

  /// Each is made once: a hosted format has memory of its own, which is never given back.
  private static let choices = allCases.map(\.made)

  private var made: PageTableFormatChoice {
    switch self {
    case .fourLevels: .x86_64(hasGigabyteLeaves: true)
    case .fourLevelsWithoutGigabyteLeaves: .x86_64(hasGigabyteLeaves: false)
    case .fiveLevels: .x86_64(levels: .five, hasGigabyteLeaves: true)
    case .aarch64With4K: .aarch64(granule: .size4K)
    case .aarch64With16K: .aarch64(granule: .size16K)
    case .aarch64With64K: .aarch64(granule: .size64K)
    case .sv39: .riscv64(levels: .sv39, hasPageTypes: true, hasContiguousPages: true)
    case .sv48: .riscv64(levels: .sv48, hasPageTypes: false)
    case .sv57: .riscv64(levels: .sv57, hasPageTypes: true, hasContiguousPages: true)
    case .exemplar: PageTableFormatChoice(ExemplarFormat())
    }
  }

  var format: CarriedFormat { choice.format }
  var pageSize: PageSize { format.pageSize }

  /// Pages that a leaf of level 1 maps, and an entry of level 2.
  var largeLeaf: UInt64 { format.span(1) }
  var hugeSpan: UInt64 { format.span(2) }
  /// Pages that an entry of the root covers.
  var rootEntry: UInt64 { format.span(format.levels - 1) }

  /// The types of memory that it can ask for.
  var cacheTypes: [CacheType] { CacheType.all.filter(format.has) }

  func address(ofPage page: UInt64) -> VirtualAddress { PageNumber(page).address(pageSize) }

  /// Where areas are: 32 TiB in the same place with all formats whose addresses are long enough.
  var vmallocRange: PageRange {
    if self == .sv39 { return choice.defaultVmallocRange }
    return PageRange(
      unchecked: TestMachine.vmallocStart.address(.size4K).number(pageSize),
      count: PageCount(1 << (45 - UInt64(pageSize.shift))))
  }

  /// Where Linux has its modules.
  var moduleStart: PageNumber { VirtualAddress(0xffff_ffff_c000_0000).number(pageSize) }

  /// Where nothing else is, and a root entry begins.
  var windowStart: PageNumber {
    VirtualAddress(self == .sv39 ? 0xffff_fff0_0000_0000 : 0xffff_f000_0000_0000).number(pageSize)
  }
}

extension CacheType {
  static let all: [CacheType] = [.writeBack, .writeCombining, .uncachedMinus, .uncached, .writeThrough]
}

extension Hardware {
  /// The same, with as many levels of tables as a format has, and no larger leaves: what the manager is told
  /// not to use is a fault. For another architecture than its own a machine is one of that, as it is.
  func reading(_ format: TestFormat) -> Hardware {
    var hardware = self
    switch format {
    case .fourLevels, .fiveLevels: break
    case .fourLevelsWithoutGigabyteLeaves: hardware.hasGigabytePages = false
    case .aarch64With4K, .aarch64With16K, .aarch64With64K, .exemplar:
      guard architecture == .x86_64 else { break }
      hardware = .aarch64(granule: format.pageSize)
    case .sv39, .sv48, .sv57:
      guard architecture == .x86_64 else { break }
      hardware = .riscv64(levels: format.format.levels)
      hardware.hasPageTypes = format.format.has(.uncached)
      hardware.hasContiguousPages = format.format.contiguousOrder > 0
    }
    if format.hasCPU { hardware.pagingLevels = format.format.levels }
    return hardware
  }
}
