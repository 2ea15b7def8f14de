import Foundation
import Testing

/// The kernel of AArch64: the same jobs, on the same sources but for the platform's.
@Suite(.boots(.aarch64), .serialized)
struct AArch64Tests {
  /// Interrupts are those of drains: with interrupts for flushes each free would send three.
  @Test(arguments: ["gic-version=2", "gic-version=3"])
  func freeWithoutInterrupts(_ board: String) throws {
    let boot = try Boot.run(.aarch64("stress=2000 mode=strict", cpus: 4, board: board))
    boot.expectHandedOver(cpus: 4, pairs: 2000, mode: "strict")
    #expect(boot.number("notifications.sent") < 200)
  }

  /// 100,000 pairs, each of which writes and clears an entry, and the flushes of all of them.
  @Test(arguments: [2, 4])
  func flushWithoutInterrupts(_ cpus: Int) throws {
    let boot = try Boot.run(.aarch64("profile=25000 mode=lazy", cpus: cpus))
    #expect(boot.status == 33, "\(boot.serial)")
    #expect(boot.values["profile.allocated"] == "100000")
    #expect(boot.number("profile.flushes") > 0)
    #expect(boot.values["profile.notifications"] == "0")
  }

  @Test(arguments: [(1, "strict"), (1, "lazy"), (2, "warm")])
  func allocateAndFreeInAnInterruptHandler(_ cpus: Int, _ mode: String) throws {
    let board = cpus == 1 ? "gic-version=3" : "gic-version=2"
    let boot = try Boot.run(.aarch64("test=interrupt mode=\(mode)", cpus: cpus, board: board))
    boot.expectInterrupts(cpus: cpus)
  }

  @Test(arguments: [1, 4])
  func useSwiftsObjects(_ cpus: Int) throws {
    let boot = try Boot.run(.aarch64("test=swift-heap", cpus: cpus))
    boot.expectSwiftObjects(cpus: cpus)
  }

  @Test(arguments: [1, 2])
  func keepTheFloatingPointUnitInInterrupts(_ cpus: Int) throws {
    let boot = try Boot.run(.aarch64("test=floating", cpus: cpus))
    boot.expectFloating()
  }

  /// Nine CPUs are more than a GICv2 has, which QEMU refuses itself; a GICv3 has them.
  @Test
  func startsMoreCPUsThanAGICv2Has() throws {
    let boot = try Boot.run(.aarch64("stress=2000", cpus: 9, board: "gic-version=3"))
    boot.expectHandedOver(cpus: 9, pairs: 2000, mode: "strict")
  }

  /// A GICv2 has no bit for a ninth; and a CPU may be in the tree alone.
  @Test(arguments: [
    (8, "gic-version=2", "the device tree has more CPUs than its interrupt controller can tell apart"),
    (8, "gic-version=3", "firmware does not start the CPU that hardware calls 8: PSCI answers -2"),
    (1, "gic-version=2", "firmware does not start the CPU that hardware calls 1: PSCI answers -2"),
  ])
  func saysWhichCPUThereIsNot(_ cpus: Int, _ board: String, _ message: String) throws {
    let boot = try Boot.run(.aarch64(cpus: cpus, board: board).listingAnotherCPU())
    boot.expectMessage(39, "panic: \(message)\n")
  }

  @Test
  func takesAtMost8KiBOfStack() throws {
    let boot = try Boot.run(.aarch64("test=start-stack", cpus: 4))
    boot.expectStack(atMost: 8_192)
  }

  /// What a kernel forgets before it starts the manager is said.
  @Test(arguments: [
    ("start-no-thread-pointer", "the thread pointer leads to no number of this CPU: 0x0000000000000000"),
    ("start-wrong-number", "this CPU says that it has number 77 of 1"),
  ])
  func saysWhatIsMissing(_ scenario: String, _ message: String) throws {
    let boot = try Boot.run(.aarch64("test=\(scenario)"))
    boot.expectStartRefused(message)
  }

  /// A word that makes no sense, and one that is of another architecture.
  @Test(arguments: ["nonsense", "levels=5", "test=nmi-no-stack"])
  func refusesWhatItDoesNotKnow(_ word: String) throws {
    let boot = try Boot.run(.aarch64(word))
    boot.expectUnknown(word)
  }
}

/// Faults on purpose.
@Suite(.boots(.aarch64), .serialized)
struct AArch64FaultTests {
  static let cases =
    FaultTests.Case.everywhere(
      image: 0x4020_0000,
      registers: [
        "null": "  vector 0, ESR 0x9600004", "guard": "  vector 0, ESR 0x96000047,",
        "write-read-only": "  vector 0, ESR 0x9600004f,",
        "execute-data": "  vector 0, ESR 0x8600000f, PC 0xffffc90000000000,",
      ])
    // By the first vector, on the stack of faults.
    + FaultTests.Case.overflows(registers: "  vector 0, ESR 0x96000047,")
    + [FaultTests.Case(name: "trap", lines: ["exception: breakpoint", "  vector 0, ESR 0xf200"])]

  @Test(arguments: cases)
  func saysWhatWasTouched(_ fault: FaultTests.Case) throws {
    let boot = try Boot.run(.aarch64("test=\(fault.name)"))
    boot.expectFault(fault)
  }

  @Test
  func aProbesFaultComesBack() throws {
    let boot = try Boot.run(.aarch64("test=probes"))
    boot.expectProbes(load: "0x96000007", store: "0x96000047", execute: "0x8600000f")
  }

  @Test
  func spansReachTheBuffersFrames() throws {
    let boot = try Boot.run(.aarch64("test=spans"))
    // The level is that of the entry that is zero: the page's, or that of a table which the free gave back.
    // Those directly below the root (level 0) stay.
    boot.expectSpans(behind: "0x96000007", afterFree: (1...3).map { "0x9600000\(4 + $0)" })
  }
}
