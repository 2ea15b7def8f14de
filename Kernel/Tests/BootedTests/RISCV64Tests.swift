import Foundation
import Testing

/// The kernel of RISC-V: the same jobs, on the same sources but for the platform's.
@Suite(.boots(.riscv64), .serialized)
struct RISCV64Tests {
  @Test(arguments: [(2, "strict", 4), (2, "lazy", 5)])
  func handAreasToEachOther(_ cpus: Int, _ mode: String, _ levels: Int) throws {
    let boot = try Boot.run(.riscv64("stress=1000 mode=\(mode) levels=\(levels)", cpus: cpus))
    boot.expectHandedOver(cpus: cpus, pairs: 1000, mode: mode)
    #expect(boot.number("notifications.taken") > 0)
  }

  @Test(arguments: [(1, "lazy", 4), (1, "strict", 5), (2, "warm", 4)])
  func allocateAndFreeInAnInterruptHandler(_ cpus: Int, _ mode: String, _ levels: Int) throws {
    let boot = try Boot.run(.riscv64("test=interrupt mode=\(mode) levels=\(levels)", cpus: cpus))
    boot.expectInterrupts(cpus: cpus)
  }

  @Test(arguments: [1, 2])
  func useSwiftsObjects(_ cpus: Int) throws {
    let boot = try Boot.run(.riscv64("test=swift-heap", cpus: cpus))
    boot.expectSwiftObjects(cpus: cpus)
  }

  @Test
  func keepTheFloatingPointUnitInInterrupts() throws {
    let boot = try Boot.run(.riscv64("test=floating"))
    boot.expectFloating()
  }

  /// One that is in the tree alone: firmware believes the tree, too.
  @Test
  func saysWhichHartDoesNotStart() throws {
    let boot = try Boot.run(.riscv64(cpus: 2).listingAnotherCPU())
    boot.expectMessage(39, "panic: the CPU that hardware calls 2 does not start\n")
  }

  @Test
  func takesAtMost8KiBOfStack() throws {
    let boot = try Boot.run(.riscv64("test=start-stack", cpus: 4))
    boot.expectStack(atMost: 8_192)
  }

  /// How many levels the emulator walks: satp.MODE is 9 with four, 10 with five.
  @Test(arguments: [(4, "9"), (5, "a")])
  func walksSoManyLevels(_ levels: Int, _ mode: String) throws {
    let boot = try Boot.hold(.riscv64("hold levels=\(levels)", cpus: 2), asking: ["info registers -a"])
    let lines = boot.monitor.split(whereSeparator: \.isNewline).map { $0.split(separator: " ") }
    let satp = lines.filter { $0.first == "satp" }.map { $0.last ?? "" }
    #expect(satp.count == 2, "\(boot.monitor)")
    #expect(satp.allSatisfy { $0.count == 16 && $0.hasPrefix(mode) }, "\(satp)")
  }

  /// A hart without translation.
  @Test(arguments: [("levels=4", 48), ("levels=5", 57)])
  func saysWhatTheHartLacks(_ option: String, _ bits: Int) throws {
    let boot = try Boot.run(.riscv64(option, processor: "rv64,mmu=off"))
    boot.expectStartRefused(
      "this CPU does not translate addresses of the page-table format's \(bits) bits\n")
  }

  @Test(arguments: ["nonsense", "levels=6", "test=nmi-no-stack"])
  func refusesWhatItDoesNotKnow(_ word: String) throws {
    let boot = try Boot.run(.riscv64(word))
    boot.expectUnknown(word)
  }

  static let faults =
    FaultTests.Case.everywhere(
      image: 0x8020_0000,
      registers: [
        "null": "  cause 15, stval 0x0000000000000008,", "write-read-only": "  cause 15,",
        "execute-data": "  cause 12,",
      ]) + FaultTests.Case.overflows()
    + [FaultTests.Case(name: "trap", lines: ["exception: illegal instruction", "  cause 2,"])]

  @Test(arguments: faults)
  func saysWhatWasTouched(_ fault: FaultTests.Case) throws {
    let boot = try Boot.run(.riscv64("test=\(fault.name)"))
    boot.expectFault(fault)
  }

  @Test
  func aProbesFaultComesBack() throws {
    let boot = try Boot.run(.riscv64("test=probes"))
    boot.expectProbes(load: "0xd", store: "0xf", execute: "0xc")
  }

  @Test
  func spansReachTheBuffersFrames() throws {
    let boot = try Boot.run(.riscv64("test=spans"))
    boot.expectSpans(behind: "0xd", afterFree: ["0xd"])
  }
}
