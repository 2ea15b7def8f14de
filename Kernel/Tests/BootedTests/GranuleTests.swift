import Foundation
import Testing

/// The kernel of AArch64 with pages of each size that the architecture has, which one command-line word
/// chooses: one image for all.
@Suite(.boots(.aarch64), .serialized)
struct GranuleTests {
  struct Board: CustomTestStringConvertible, Sendable {
    let granule: String
    let processor: String
    let cpus: Int
    var testDescription: String { "\(granule), \(processor), \(cpus) CPUs" }

    func boot(_ options: String = "") throws -> Boot {
      try Boot.run(.aarch64("granule=\(granule) \(options)", processor: processor, cpus: cpus))
    }
  }

  /// The cortex-a72 has no pages of 16 KiB.
  static let boards = [
    ("4K", "cortex-a72"), ("16K", "cortex-a76"), ("16K", "max"), ("64K", "cortex-a72"), ("64K", "max"),
  ].flatMap { granule, processor in
    [1, 4].map { Board(granule: granule, processor: processor, cpus: $0) }
  }

  /// An area's last page is lost in part, and fewer entries and larger tables map the same.
  @Test(arguments: [("4K", 4_096, 0), ("16K", 16_384, 2_203_648), ("64K", 65_536, 20_754_432)])
  func saysWhatLargerPagesCost(_ granule: String, _ pageBytes: Int, _ lost: Int) throws {
    let boot = try Boot.run(.aarch64("granule=\(granule)"))
    #expect(boot.number("pages.bytes") == pageBytes)
    #expect(boot.number("bytes.lost_peak") == lost)
    let mapped = boot.number("pages.total") * pageBytes
    #expect(mapped >= 18_080 * 4_096 && (mapped > 18_080 * 4_096) == (lost > 0), "\(mapped)")
    let says = boot.serial.contains("lost in last pages, in bytes")
    #expect(says == (lost > 0), "\(boot.serial)")
    #expect(boot.serial.contains("bytes of a table") == (lost > 0))
  }

  @Test(arguments: boards)
  func useSwiftsObjects(_ board: Board) throws {
    let boot = try board.boot("test=swift-heap")
    #expect(boot.status == 33, "\(boot.serial)")
    #expect(boot.values["verdict"] == "pass", "\(boot.serial)")
    #expect(boot.number("heap.allocations") > 1000)
  }

  @Test(arguments: ["16K", "64K"], ["strict", "warm"])
  func allocateAndFreeInAnInterruptHandler(_ granule: String, _ mode: String) throws {
    let boot = try Boot.run(.aarch64("granule=\(granule) test=interrupt mode=\(mode)", cpus: 2))
    #expect(boot.status == 33, "\(boot.serial)")
    #expect(boot.values["interrupt.ticks"] == "4000")
    #expect(boot.values["wrong"] == "0")
  }

  @Test(arguments: ["16K", "64K"])
  func compareKmallocWithVmalloc(_ granule: String) throws {
    let boot = try Boot.run(.aarch64("granule=\(granule) compare mode=lazy"))
    #expect(boot.status == 33, "\(boot.serial)")
    let page = granule == "16K" ? 16_384 : 65_536
    // Sixteen areas of one page, and their guards.
    #expect(boot.serial.contains("compare 4K vmalloc_cold"), "\(boot.serial)")
    #expect(boot.serial.contains("samples=16 runs=16 bytes=\(16 * 2 * page)\n"), "\(boot.serial)")
  }

  // MARK: Refusals

  /// Such a CPU would hang without a word.
  @Test(arguments: ["", "stress=10", "test=swift-heap"])
  func namesWhatTheProcessorLacks(_ options: String) throws {
    let boot = try Boot.run(.aarch64("granule=16K \(options)", processor: "cortex-a72", cpus: 2))
    #expect(boot.status == 39)
    #expect(
      boot.serial == "panic: this CPU lacks pages of 16 KiB (ID_AA64MMFR0_EL1.TGran16)\n", "\(boot.serial)")
  }

  @Test(arguments: ["granule=8K", "granule=", "granule=16k", "granule=644K", "xgranule=4K"])
  func otherWordsAreNoOption(_ word: String) throws {
    let boot = try Boot.run(.aarch64(word))
    #expect(boot.status == 41)
    #expect(boot.serial.hasPrefix("error: \"\(word)\" is no option of this kernel"), "\(boot.serial)")
  }

  @Test
  func benchesAreOfSmallPages() throws {
    let boot = try Boot.run(.aarch64("granule=64K bench mode=lazy"))
    #expect(boot.status == 41)
    #expect(boot.serial.hasPrefix("error: the benches count by pages of 4 KiB"), "\(boot.serial)")
  }

  // MARK: Faults

  static func faults(area: UInt64) -> [FaultTests.Case] {
    FaultTests.Case.everywhere(image: 0x4020_0000, area: area) + FaultTests.Case.overflows()
  }

  @Test(arguments: faults(area: 0xc000))
  func saysWhatWasTouchedWith16K(_ fault: FaultTests.Case) throws {
    try Boot.run(.aarch64("granule=16K test=\(fault.name)")).expectFault(fault)
  }

  @Test(arguments: faults(area: 0x30000))
  func saysWhatWasTouchedWith64K(_ fault: FaultTests.Case) throws {
    try Boot.run(.aarch64("granule=64K test=\(fault.name)")).expectFault(fault)
  }

  // MARK: The emulator's own view

  /// The monitor translates the first and the last byte of every mapping as the kernel lists it, and what
  /// lies behind its last page as it lists that.
  @Test(arguments: [("4K", "cortex-a72"), ("16K", "max"), ("64K", "cortex-a72")])
  func theEmulatorTranslatesAsListed(_ granule: String, _ processor: String) throws {
    let setup = Setup.aarch64("granule=\(granule) hold", processor: processor)
    let pageBytes: UInt64 = granule == "4K" ? 4_096 : granule == "16K" ? 16_384 : 65_536
    try TranslationCheck(setup, pageBytes: pageBytes).run()
  }
}
