import Foundation
import Testing

/// The kernel of RISC-V with three levels of page tables: addresses of 39 bits, of which each half has
/// 256 GiB. All ranges lie elsewhere than with four.
@Suite(.boots(.riscv64), .serialized)
struct RISCVModesTests {
  /// Recorded addresses are none here, but for those of modules, at the very top.
  @Test
  func saysWhereAreasAreWithThreeLevels() throws {
    let boot = try Boot.run(.riscv64("levels=3"))
    boot.expectReplay()
    #expect(boot.serial.contains("not the same place: the page tables do not translate 0xff7d531e80000000"))
    #expect(boot.serial.contains("\n0xffffffc8000"), "\(boot.serial)")
  }

  @Test(arguments: [1, 2])
  func useSwiftsObjectsWithThreeLevels(_ cpus: Int) throws {
    let boot = try Boot.run(.riscv64("levels=3 test=swift-heap", cpus: cpus))
    #expect(boot.status == 33, "\(boot.serial)")
    #expect(boot.values["verdict"] == "pass", "\(boot.serial)")
    #expect(boot.number("heap.allocations") > 1000)
  }

  @Test
  func allocateAndFreeInAnInterruptHandlerWithThreeLevels() throws {
    let boot = try Boot.run(.riscv64("levels=3 test=interrupt mode=warm", cpus: 2))
    #expect(boot.status == 33, "\(boot.serial)")
    #expect(boot.values["interrupt.ticks"] == "4000")
    #expect(boot.values["wrong"] == "0")
  }

  static let faults: [FaultTests.Case] = [
    .init(
      name: "guard",
      lines: [
        "page fault: write at 0xffffffc800003000, not mapped",
        "  guard page behind area 0xffffffc800000000 of 12288 bytes, offset 0x3000, allocated by \"scenario\"",
      ]),
    .init(
      name: "after-free",
      lines: [
        "page fault: write at 0xffffffc800000000, not mapped",
        "  freed or never allocated address in a vmalloc range",
      ]),
    .init(
      name: "stack-overflow",
      lines: ["page fault: write at 0x", "  stack guard: the kernel's stack has overflowed"]),
    .init(
      name: "image-alias",
      lines: [
        "page fault: write at 0xffffffd880200000, not mapped",
        "  linear map: no RAM, or reserved, at physical 0x80200000",
      ]),
    .init(
      name: "window-alias",
      lines: [
        "page fault: write at 0x0000001080200000, not mapped",
        "  object window: no RAM, or reserved, at physical 0x80200000",
      ]),
  ]

  @Test(arguments: faults)
  func saysWhatWasTouchedWithThreeLevels(_ fault: FaultTests.Case) throws {
    let boot = try Boot.run(.riscv64("levels=3 test=\(fault.name)"))
    #expect(boot.status == 37, "the status of an unexpected exception")
    for expected in fault.lines {
      #expect(
        boot.kernelLines.contains { $0.hasPrefix(expected) }, "\(expected)\nis missing in\n\(boot.serial)")
    }
  }

  /// A hart that has none of the modes is asked for each.
  @Test(arguments: [(3, 39), (4, 48), (5, 57)])
  func saysWhichModeTheHartLacks(_ levels: Int, _ bits: Int) throws {
    let boot = try Boot.run(.riscv64("levels=\(levels)", processor: "rv64,mmu=off"))
    #expect(boot.status == 39, "\(boot.serial)")
    #expect(
      boot.kernelLines.first
        == """
        panic: the memory manager does not start: \
        this CPU does not translate addresses of the page-table format's \(bits) bits
        """, "\(boot.serial)")
  }

  @Test(arguments: ["levels=2", "levels=6", "levels=9", "levels=", "levels=33", "granule=16K"])
  func otherWordsAreNoOption(_ word: String) throws {
    let boot = try Boot.run(.riscv64(word))
    #expect(boot.status == 41, "\(boot.serial)")
    #expect(
      boot.kernelLines.contains { $0.hasPrefix("error: \"\(word)\" is no option of this kernel") },
      "\(boot.serial)")
  }

  @Test(arguments: [3, 4, 5])
  func theEmulatorTranslatesAsListed(_ levels: Int) throws {
    try TranslationCheck(.riscv64("levels=\(levels) hold")).run()
  }
}
