import Foundation
import Testing

/// The kernel of RISC-V: the same jobs, on the same sources but for the platform's.
@Suite(.enabled(if: Emulator.hasRISCV64, Comment(rawValue: Emulator.riscv64Absence)), .serialized)
struct RISCV64Tests {
  @Test(arguments: [1, 4], [4, 5])
  func replaysARecordedBoot(_ cpus: Int, _ levels: Int) throws {
    let boot = try Boot.run(.riscv64("levels=\(levels)", cpus: cpus))
    #expect(boot.status == 33, "\(boot.serial)")
    #expect(boot.values["verdict"] == "pass")
    #expect(boot.values["areas.total"] == "707")
    #expect(boot.values["areas.live"] == "281")
    #expect(boot.values["bytes.peak"] == "23318528")
    #expect(boot.values["violations"] == "0")
  }

  @Test(arguments: [(2, "strict"), (4, "lazy"), (4, "warm")])
  func handAreasToEachOther(_ cpus: Int, _ mode: String) throws {
    let boot = try Boot.run(.riscv64("stress=1000 mode=\(mode)", cpus: cpus))
    #expect(boot.status == 33, "\(boot.serial)")
    #expect(boot.values["verdict"] == "pass", "\(boot.serial)")
    #expect(boot.values["stress.cpus"] == "\(cpus)")
    #expect(boot.values["stress.pairs"] == "1000")
    #expect(boot.values["stress.wrong"] == "0")
    #expect(boot.number("stress.handed") > 250)
    #expect(boot.number("notifications.taken") > 0)
  }

  @Test(arguments: ["lazy"])
  func allocateAndFreeInAnInterruptHandler(_ mode: String) throws {
    let boot = try Boot.run(.riscv64("test=interrupt mode=\(mode)"))
    #expect(boot.status == 33, "\(boot.serial)")
    #expect(boot.values["interrupt.ticks"] == "4000")
    #expect(boot.number("interrupt.pairs") > 0)
    #expect(boot.values["wrong"] == "0")
  }

  @Test(arguments: [1, 2])
  func useSwiftsObjects(_ cpus: Int) throws {
    let boot = try Boot.run(.riscv64("test=swift-heap", cpus: cpus))
    #expect(boot.status == 33, "\(boot.serial)")
    #expect(boot.values["verdict"] == "pass", "\(boot.serial)")
    #expect(boot.number("heap.allocations") > 1000)
  }

  @Test
  func keepTheFloatingPointUnitInInterrupts() throws {
    let boot = try Boot.run(.riscv64("test=floating"))
    #expect(boot.status == 33, "\(boot.serial)")
    #expect(boot.number("floating.ticks") >= 200)
    #expect(boot.values["floating.right"] == "1")
  }

  @Test
  func takesAtMost8KiBOfStack() throws {
    let boot = try Boot.run(.riscv64("test=start-stack", cpus: 4))
    #expect(boot.status == 33, "\(boot.serial)")
    let bytes = boot.number("start.stack.bytes")
    #expect((1_024...8_192).contains(bytes), "\(bytes) bytes of stack")
  }

  /// A hart without translation, and one that is asked for a mode that nobody has.
  @Test
  func saysWhatTheHartLacks() throws {
    let boot = try Boot.run(.riscv64(processor: "rv64,mmu=off"))
    #expect(boot.status == 39, "\(boot.serial)")
    #expect(
      boot.kernelLines.first
        == """
        panic: the memory manager does not start: \
        this CPU does not translate addresses of the page-table format's 48 bits
        """, "\(boot.serial)")
  }

  @Test(arguments: ["nonsense", "levels=3", "test=nmi-no-stack"])
  func refusesWhatItDoesNotKnow(_ word: String) throws {
    let boot = try Boot.run(.riscv64(word))
    #expect(boot.status == 41, "\(boot.serial)")
    #expect(
      boot.kernelLines.contains { $0.hasPrefix("error: \"\(word)\" is no option of this kernel") },
      "\(boot.serial)")
  }

  static let faults: [FaultTests.Case] = [
    .init(
      name: "null",
      lines: [
        "page fault: write at 0x0000000000000008, not mapped",
        "  null dereference: page zero is never mapped", "  cause 15, stval 0x0000000000000008,",
      ]),
    .init(
      name: "guard",
      lines: [
        "page fault: write at 0xffffc90000003000, not mapped",
        "  guard page behind area 0xffffc90000000000 of 12288 bytes, offset 0x3000, allocated by \"scenario\"",
      ]),
    .init(
      name: "after-free",
      lines: [
        "page fault: write at 0xffffc90000000000, not mapped",
        "  freed or never allocated address in a vmalloc range",
      ]),
    .init(
      name: "stack-guard",
      lines: ["page fault: write at 0x", "  stack guard: the kernel's stack has overflowed"]),
    .init(
      name: "stack-overflow",
      lines: ["page fault: write at 0x", "  stack guard: the kernel's stack has overflowed"]),
    .init(
      name: "stack-overflow-large",
      lines: ["page fault: write at 0x", "  stack guard: the kernel's stack has overflowed"]),
    .init(
      name: "write-read-only", lines: ["page fault: write at 0x", "  kernel image: constants", "  cause 15,"]),
    .init(
      name: "execute-data",
      lines: [
        "page fault: execute at 0xffffc90000000000, not permitted",
        "  inside area 0xffffc90000000000 of 12288 bytes, offset 0x0, allocated by \"scenario\"",
        "  cause 12,",
      ]),
    .init(
      name: "image-alias",
      lines: [
        "page fault: write at 0xffff888080200000, not mapped",
        "  linear map: no RAM, or reserved, at physical 0x80200000",
      ]),
    .init(name: "trap", lines: ["exception: illegal instruction", "  cause 2,"]),
  ]

  @Test(arguments: faults)
  func saysWhatWasTouched(_ fault: FaultTests.Case) throws {
    let boot = try Boot.run(.riscv64("test=\(fault.name)"))
    #expect(boot.status == 37, "the status of an unexpected exception")
    for expected in fault.lines {
      #expect(
        boot.kernelLines.contains { $0.hasPrefix(expected) }, "\(expected)\nis missing in\n\(boot.serial)")
    }
  }

  @Test
  func aProbesFaultComesBack() throws {
    let boot = try Boot.run(.riscv64("test=probes"))
    #expect(boot.status == 33)
    #expect(
      boot.kernelLines == [
        "probe: store done", "probe: load done",
        "probe: load, error code 0xd at 0xffffc90000003000",
        "probe: store, error code 0xf at 0xffffc90000003000",
        "probe: execute, error code 0xc at 0xffffc90000000000",
      ], "\(boot.serial)")
  }
}
