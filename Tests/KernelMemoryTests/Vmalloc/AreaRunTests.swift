import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// Small areas are made four at a time: the other three sleep until they are asked for.
@Suite struct AreaRunTests {
  /// One area first, with which the table and the index's nodes come; of its run nothing is left.
  private func machine(
    _ mode: FreeMode = .lazy, vmallocPages: UInt64 = 1 << 20, hardening: SlabHardening = .none
  ) throws -> TestMachine {
    let test = try TestMachine(vmallocPages: vmallocPages, mode: mode, hardening: hardening)
    _ = try test.manager.vmalloc(1)
    try test.manager.flushRetired()
    return test
  }

  private func asleep(_ test: TestMachine) -> UInt64 {
    test.manager.cpus.with { cpu in cpu.perCPU.asleep(.owning).value.pages }
  }

  @Test(arguments: [1, 2, 4, 8, 16], [FreeMode.lazy, .warm])
  func theNextThreeAreThere(pages: Int, mode: FreeMode) throws {
    let test = try machine(mode)
    let retained = test.manager.retained.frames.rawValue
    let first = try test.manager.vmalloc(pages * 4096)
    #expect(asleep(test) == UInt64(3 * pages))
    #expect(test.manager.retained.frames.rawValue == retained + UInt64(3 * pages))
    let stride = (pages + 1) * 4096
    // Nobody can translate them before they are handed out, and nobody frees or lists them.
    for step in 1...3 {
      #expect(test.fault(.read, at: VirtualAddress(first - step * stride))?.cause == .notPresent)
      #expect(throws: MemoryError.badFree(.alreadyFree)) { try test.manager.vfree(first - step * stride) }
      #expect(test.manager.area(containing: VirtualAddress(first - step * stride)) == nil)
    }
    test.expectValid()
    let locks = test.manager.locks.taken
    let others = try (0..<3).map { _ in try test.manager.vmalloc(pages * 4096) }
    #expect(test.manager.locks.taken == locks, "no lock is taken")
    #expect(others == (1...3).map { first - $0 * stride })
    #expect(asleep(test) == 0)
    for pointer in [first] + others {
      for page in 0..<pages {
        try test.simulated.store(UInt64(page), at: VirtualAddress(pointer + page * 4096))
      }
    }
    test.expectValid()
    for pointer in [first] + others { try test.manager.vfree(pointer) }
    test.expectValid()
  }

  /// What is not small, not a power of two, has its own place, or may not take what another left.
  @Test func othersComeAlone() throws {
    for (pages, change) in [
      (3, { (_: inout VmallocOptions) in }), (32, { _ in }), (1, { $0.alignment = 1 << 16 }),
      (1, { $0.cache = .uncached }), (1, { $0.guardPages = 200 }),
    ] as [(Int, (inout VmallocOptions) -> Void)] {
      let test = try machine()
      var options = VmallocOptions()
      change(&options)
      _ = try test.manager.vmalloc(pages * 4096, options)
      #expect(asleep(test) == 0, "\(pages) pages")
      test.expectValid()
    }
    for test in [try machine(.strict), try machine(hardening: .hardened(secret: 1))] {
      _ = try test.manager.vmalloc(4096)
      #expect(asleep(test) == 0)
      test.expectValid()
    }
  }

  /// Who asks for the place of one that sleeps gets it.
  @Test func aPlaceIsGivenUp() throws {
    let test = try machine()
    let first = try test.manager.vmalloc(4096)
    var options = VmallocOptions()
    options.address = VirtualAddress(first + 2 * 8192)
    #expect(try test.manager.vmalloc(4096, options) == first + 2 * 8192)
    test.expectValid()
  }

  /// A range that has no room for four has room for one.
  @Test func theLastPlacesAreUsed() throws {
    let test = try machine(vmallocPages: 64)
    // The guard of the last one, too, lies in the range.
    for _ in 1..<32 { _ = try test.manager.vmalloc(4096) }
    #expect(throws: MemoryError.self) { try test.manager.vmalloc(4096) }
    test.expectValid()
  }

  /// A quota counts what is handed out.
  @Test func aQuotaDoesNotSeeThem() throws {
    let test = try machine()
    let tag = try test.manager.makeTag(named: "run")
    try test.manager.setQuota(2 * 4096, for: tag)
    var options = VmallocOptions()
    options.tag = tag
    _ = try test.manager.vmalloc(4096, options)
    _ = try test.manager.vmalloc(4096, options)
    #expect(throws: MemoryError.self) { try test.manager.vmalloc(4096, options) }
    #expect(test.manager.usage(of: tag).areasAllocated == 2)
    test.expectValid()
  }

  @Test func theyAge() throws {
    let test = try machine()
    _ = try test.manager.vmalloc(4096)
    for _ in 0..<4 { while test.manager.purge() {} }
    #expect(asleep(test) == 0)
    #expect(test.manager.retained.frames == .zero)
    test.expectValid()
  }
}
