import Testing

/// The kernel with five levels of page tables (CR4.LA57).
@Suite(.boots(.x86_64), .serialized)
struct FiveLevelTests {
  /// Where the vmalloc range is: below what four levels translate in the upper half.
  private static let vmalloc: Range<UInt64> = 0xffa0_0000_0000_0000..<0xffa0_2000_0000_0000

  @Test
  func replayAsFourLevelsDo() throws {
    let four = try Boot.run(Setup(options: "levels=4"))
    let five = try Boot.run(Setup(options: "levels=5"))
    #expect(five.status == 33, "\(five.serial)")
    #expect(five.values["verdict"] == "pass")
    // How scattered the frames are, and how many there are of tables, may differ.
    let isCommon = { (name: String) in !name.hasPrefix("frames.") && !name.hasPrefix("tables.") }
    #expect(five.values.filter { isCommon($0.key) } == four.values.filter { isCommon($0.key) })
  }

  @Test(arguments: [(4, "strict"), (2, "lazy"), (4, "warm")])
  func handAreasFromCPUToCPU(_ cpus: Int, _ mode: String) throws {
    let boot = try Boot.run(Setup(options: "stress=4000 mode=\(mode) levels=5", cpus: cpus))
    boot.expectHandedOver(cpus: cpus, pairs: 4000, mode: mode)
  }

  @Test(arguments: [(1, "strict"), (4, "warm")])
  func allocateAndFreeInAnInterruptHandler(_ cpus: Int, _ mode: String) throws {
    let boot = try Boot.run(Setup(options: "test=interrupt levels=5 mode=\(mode)", cpus: cpus))
    boot.expectInterrupts(cpus: cpus)
  }

  /// Not by `info mem`, which does not come back in QEMU 7.2 with CR4.LA57.
  @Test(arguments: ["max", "max,-pdpe1gb"])
  func agreeWithTheEmulatorsView(_ processor: String) throws {
    let boot = try Boot.hold(
      Setup(options: "hold levels=5", mebibytes: 5120, processor: processor, cpus: 2),
      asking: ["info tlb", "info registers"])
    #expect(boot.monitor.contains("CR4=003018e0"), "\(boot.monitor.suffix(3_000))")
    let listed = ListedLeaf.all(in: boot.serial)
    #expect(listed.count > 3_000)
    #expect(listed.contains { Self.vmalloc.contains($0.leaf.address) })
    #expect(listed.contains { $0.leaf.address >> 48 == 0xff11 })
    let lines = boot.monitor.split(whereSeparator: \.isNewline)
    let ours = Set(listed.map(\.leaf))
    let theirs = Set(lines.compactMap(Leaf.init(monitorLine:)))
    #expect(ours.subtracting(theirs).isEmpty)
    #expect(theirs.subtracting(ours).isEmpty)
  }

  /// A touch after a free, in the range of five levels.
  @Test
  func faultsNameTheirArea() throws {
    let boot = try Boot.run(Setup(options: "levels=5 test=guard"))
    #expect(boot.status == 37)
    #expect(boot.serial.contains("page fault: write at 0xffa00000"), "\(boot.serial)")
    #expect(boot.serial.contains("guard page behind area 0xffa0000000000000"), "\(boot.serial)")
  }

  /// Swift's own objects, on all CPUs.
  @Test
  func swiftObjectsLive() throws {
    let boot = try Boot.run(Setup(options: "levels=5 test=swift-heap", cpus: 2))
    boot.expectSwiftObjects(cpus: 2)
  }

  @Test(arguments: ["levels=5", "hold  levels=5", "levels=5 laps=2"])
  func namesWhatTheProcessorLacks(_ options: String) throws {
    let boot = try Boot.run(Setup(options: options, processor: "max,la57=off"))
    boot.expectMessage(39, "panic: this CPU lacks five levels of page tables (CPUID.07H:ECX.LA57)\n")
  }

  /// A CPU without them runs with four, and the word is looked for as a whole.
  @Test(arguments: ["", "levels=4"])
  func fourLevelsAskForNothing(_ options: String) throws {
    let boot = try Boot.run(Setup(options: options, processor: "max,la57=off"))
    #expect(boot.status == 33, "\(boot.serial)")
  }

  @Test(arguments: ["levels=55", "levels=3", "xlevels=5", "levels=", "levels=6"])
  func otherWordsAreNoOption(_ option: String) throws {
    let boot = try Boot.run(Setup(options: "\(option) hold", processor: "max,la57=off"))
    boot.expectUnknown(option)
  }

  /// Tables for another number of levels than the CPU walks are not loaded: that would be a reset. Those of
  /// four levels do not reach the addresses of five.
  @Test(arguments: [
    (4, "this CPU does not translate addresses of the page-table format's 57 bits"),
    (5, "the page tables do not translate 0xff11000000001000"),
  ])
  func tablesOfOtherLevelsAreRefused(_ levels: Int, _ message: String) throws {
    let boot = try Boot.run(Setup(options: "test=start-wrong-levels levels=\(levels)"))
    boot.expectStartRefused(message)
  }
}
