import MachineSimulator
import Testing

@testable import KernelMemory

/// What the simulated CPU's own walker makes of the tables that the core wrote, against what the core's
/// makes of them. The two share nothing but the architecture manual.
struct MMUAgreement {
  var oracle: MappingOracle
  private(set) var probes = 0
  private var test: TestMachine { oracle.test }

  init(seed: UInt64, _ format: TestFormat = .fourLevels) throws {
    oracle = try MappingOracle(seed: seed, format)
  }

  /// Changes the tables so many times, and probes them each time through a CPU that remembers nothing.
  mutating func run(tables: Int, probesEach: Int) throws {
    for _ in 0..<tables {
      try oracle.step()
      test.simulated.flushAll()
      let edges = oracle.edges
      for number in 0..<probesEach {
        let isNearAnEdge = !edges.isEmpty && number % 4 != 0
        let page = isNearAnEdge ? oracle.random.element(of: edges) : randomPage()
        try probe(page)
      }
    }
  }

  private var format: TestFormat { oracle.format }
  private var shift: UInt64 { UInt64(format.pageSize.shift) }

  /// How many bits of an address are translated (SDM 4.5; Arm ARM, D8.2, with one root for two halves of one
  /// bit less; RISC-V privileged architecture, 12.4 to 12.6).
  private var addressBits: UInt64 {
    switch format {
    case .fourLevels, .fourLevelsWithoutGigabyteLeaves, .aarch64With4K, .aarch64With64K, .sv48: 48
    case .aarch64With16K: 49
    case .fiveLevels, .sv57: 57
    case .sv39: 39
    case .exemplar: 0
    }
  }

  /// Pages of each half of the address space, and of all.
  private var half: UInt64 { 1 << (addressBits - 1 - shift) }
  private var all: UInt64 { 1 << (64 - shift) }

  /// Of the arena mostly; else of any part of the address space.
  private mutating func randomPage() -> UInt64 {
    switch oracle.random.below(8) {
    case 0: oracle.random.below(half)
    case 1: all - 1 - oracle.random.below(half)
    case 2: oracle.random.below(all)
    default: oracle.arena.lowerBound + oracle.random.below(UInt64(oracle.arena.count))
    }
  }

  /// Asks both about one address, and has the CPU read, write and fetch there.
  mutating func probe(_ page: UInt64) throws {
    probes += 1
    let address = VirtualAddress(page << shift + oracle.random.below(format.pageSize.bytes / 8) * 8)
    let mapping = test.manager.mapping(at: address)
    guard let mapping else {
      let isCanonical = page < half || page >= all - half
      let cause = isCanonical ? Fault.Cause.notPresent : .notCanonical
      for access in Fault.Access.allCases { #expect(test.fault(access, at: address)?.cause == cause) }
      #expect(test.manager.frame(at: address) == nil)
      return
    }
    let frame = try #require(test.manager.frame(at: address))
    let translation = try test.simulated.translation(of: address)
    #expect(translation.physicalAddress.number(format.pageSize) == frame)
    let offset = format.pageSize.offsetMask
    #expect(translation.physicalAddress.rawValue & offset == address.rawValue & offset)
    #expect(translation.leafSize == mapping.pages.count.rawValue << shift)
    // Not what the core reads back, where it is known what was asked for.
    let attributes = asked(page) ?? mapping.attributes
    #expect(mapping.attributes == attributes)
    compare(translation, with: attributes)
    try access(address, frame, attributes.protection)
  }

  private func asked(_ page: UInt64) -> MappingAttributes? {
    if let area = test.manager.area(containing: format.address(ofPage: page)) {
      return MappingAttributes(area.protection, cache: area.cache)
    }
    return oracle.segment(of: page)?.attributes
  }

  private func compare(_ translation: Translation, with attributes: MappingAttributes) {
    #expect(translation.isWritable == attributes.protection.isWritable)
    #expect(translation.isExecutable == attributes.protection.isExecutable)
    #expect(translation.isGlobal == attributes.isGlobal)
    #expect(!translation.isUser)
    #expect(translation.memoryType == memoryType(attributes.cache))
  }

  /// The order of types in the page-attribute table, and in MAIR_EL1, that the formats document; and PBMT.
  private func memoryType(_ type: CacheType) -> UInt8 {
    let types: [CacheType: UInt8] =
      switch format {
      case .fourLevels, .fourLevelsWithoutGigabyteLeaves, .fiveLevels, .exemplar:
        [.writeBack: 0, .writeCombining: 1, .uncachedMinus: 2, .uncached: 3, .writeThrough: 7]
      case .aarch64With4K, .aarch64With16K, .aarch64With64K:
        [.writeBack: 0, .writeCombining: 1, .uncached: 2, .uncachedMinus: 3, .writeThrough: 4]
      case .sv39, .sv48, .sv57: [.writeBack: 0, .writeCombining: 1, .uncached: 2]
      }
    return types[type] ?? .max
  }

  /// What the CPU writes arrives in the frame that the core names, and nowhere if it may not write.
  private mutating func access(
    _ address: VirtualAddress, _ frame: FrameNumber, _ protection: Protection
  ) throws {
    let physical = PhysicalAddress(
      frame.rawValue << shift + address.rawValue & format.pageSize.offsetMask)
    let memory = try #require(test.simulated.linearMap.virtualAddress(of: physical).pointer)
    // The linear map is read-write memory of this manager: leave alone what it holds.
    let old = memory.load(as: UInt64.self)
    #expect(try test.simulated.load(UInt64.self, at: address) == old)
    let new = oracle.frames.contains(frame.rawValue) ? oracle.random.next() : old
    if protection.isWritable {
      try test.simulated.store(new, at: address)
      #expect(memory.load(as: UInt64.self) == new)
    } else {
      #expect(test.fault(.write, at: address)?.cause == .writeToReadOnly)
      #expect(memory.load(as: UInt64.self) == old)
    }
    let fetch = test.fault(.execute, at: address)?.cause
    #expect(fetch == (protection.isExecutable ? nil : .executeOfNoExecute))
  }
}
