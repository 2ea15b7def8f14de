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

  /// Pages of each half of the address space (SDM 4.5: 48 bits of an address with four levels, 57 with five).
  private var half: UInt64 { oracle.format == .fiveLevels ? 1 << 44 : 1 << 35 }

  /// Of the arena mostly; else of any part of the address space.
  private mutating func randomPage() -> UInt64 {
    switch oracle.random.below(8) {
    case 0: oracle.random.below(half)
    case 1: 1 << 52 - 1 - oracle.random.below(half)
    case 2: oracle.random.below(1 << 52)
    default: oracle.arena.lowerBound + oracle.random.below(UInt64(oracle.arena.count))
    }
  }

  /// Asks both about one address, and has the CPU read, write and fetch there.
  mutating func probe(_ page: UInt64) throws {
    probes += 1
    let address = VirtualAddress(page << 12 + oracle.random.below(512) * 8)
    let mapping = test.manager.mapping(at: address)
    guard let mapping else {
      let isCanonical = page < half || page >= 1 << 52 - half
      let cause = isCanonical ? Fault.Cause.notPresent : .notCanonical
      for access in Fault.Access.allCases { #expect(test.fault(access, at: address)?.cause == cause) }
      #expect(test.manager.frame(at: address) == nil)
      return
    }
    let frame = try #require(test.manager.frame(at: address))
    let translation = try test.simulated.translation(of: address)
    #expect(translation.physicalAddress.number(.size4K) == frame)
    #expect(translation.physicalAddress.rawValue & 4095 == address.rawValue & 4095)
    #expect(translation.leafSize == mapping.pages.count.rawValue * 4096)
    // Not what the core reads back, where it is known what was asked for.
    let attributes = asked(page) ?? mapping.attributes
    #expect(mapping.attributes == attributes)
    compare(translation, with: attributes)
    try access(address, frame, attributes.protection)
  }

  private func asked(_ page: UInt64) -> MappingAttributes? {
    if let area = test.manager.area(containing: PageNumber(page).address(.size4K)) {
      return MappingAttributes(area.protection, cache: area.cache)
    }
    return oracle.segment(of: page)?.attributes
  }

  private func compare(_ translation: Translation, with attributes: MappingAttributes) {
    #expect(translation.isWritable == attributes.protection.isWritable)
    #expect(translation.isExecutable == attributes.protection.isExecutable)
    #expect(translation.isGlobal == attributes.isGlobal)
    #expect(!translation.isUser)
    // The order of types in the page-attribute table that the format documents.
    let index: UInt8 =
      switch attributes.cache {
      case .writeBack: 0
      case .writeCombining: 1
      case .uncachedMinus: 2
      case .uncached: 3
      case .writeThrough: 7
      }
    #expect(translation.patIndex == index)
  }

  /// What the CPU writes arrives in the frame that the core names, and nowhere if it may not write.
  private mutating func access(
    _ address: VirtualAddress, _ frame: FrameNumber, _ protection: Protection
  ) throws {
    let physical = PhysicalAddress(frame.rawValue << 12 + address.rawValue & 4095)
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
