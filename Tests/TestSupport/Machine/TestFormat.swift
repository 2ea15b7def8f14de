import MachineSimulator

@testable import KernelMemory

/// The formats that tests of tables run over.
enum TestFormat: CaseIterable {
  case fourLevels, fourLevelsWithoutGigabyteLeaves, fiveLevels
  /// No simulated CPU reads these. Sv39 is not among them: its addresses are too short for a process' own,
  /// where the linear map lies here.
  case aarch64With4K, aarch64With16K, aarch64With64K, sv48, sv57, exemplar

  /// Those that a simulated CPU can use.
  static var ofCPUs: [TestFormat] { allCases.filter(\.hasCPU) }

  var hasCPU: Bool {
    switch self {
    case .fourLevels, .fourLevelsWithoutGigabyteLeaves, .fiveLevels: true
    case .aarch64With4K, .aarch64With16K, .aarch64With64K, .sv48, .sv57, .exemplar: false
    }
  }

  /// The same as far as a CPU can read it.
  func on(_ hardware: Hardware) -> TestFormat {
    self == .fourLevels && !hardware.hasGigabytePages ? .fourLevelsWithoutGigabyteLeaves : self
  }

  var choice: PageTableFormatChoice {
    switch self {
    case .fourLevels: .x86_64(hasGigabyteLeaves: true)
    case .fourLevelsWithoutGigabyteLeaves: .x86_64(hasGigabyteLeaves: false)
    case .fiveLevels: .x86_64(levels: .five, hasGigabyteLeaves: true)
    case .aarch64With4K: .aarch64(granule: .size4K)
    case .aarch64With16K: .aarch64(granule: .size16K)
    case .aarch64With64K: .aarch64(granule: .size64K)
    case .sv48: .riscv64(levels: .sv48, hasPageTypes: false)
    case .sv57: .riscv64(levels: .sv57, hasPageTypes: true)
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
}

extension CacheType {
  static let all: [CacheType] = [.writeBack, .writeCombining, .uncachedMinus, .uncached, .writeThrough]
}

extension Hardware {
  /// The same, with as many levels of tables as a format has, and no larger leaves: what the manager is told
  /// not to use is a fault.
  func reading(_ format: TestFormat) -> Hardware {
    var hardware = self
    if format == .fourLevelsWithoutGigabyteLeaves { hardware.hasGigabytePages = false }
    if format.hasCPU { hardware.pagingLevels = format.format.levels }
    return hardware
  }
}
