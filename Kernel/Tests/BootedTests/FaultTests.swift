import Foundation
import Testing

/// A fault that nobody expects stops the kernel with a message that names the mistake.
@Suite(.boots(.x86_64), .serialized)
struct FaultTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let name: String
    let lines: [String]
    var testDescription: String { name }
  }

  /// The vmalloc range begins at ffff_c900_0000_0000, so the scenario's area of three pages lies there.
  static let cases = [
    Case(
      name: "null",
      lines: [
        "page fault: write at 0x0000000000000008, not mapped",
        "  null dereference: page zero is never mapped",
        "  vector 14, error code 0x2,",
      ]),
    Case(
      name: "guard",
      lines: [
        "page fault: write at 0xffffc90000003000, not mapped",
        "  guard page behind area 0xffffc90000000000 of 12288 bytes, offset 0x3000, allocated by \"scenario\"",
        "  vector 14, error code 0x2,",
      ]),
    Case(
      name: "after-free",
      lines: [
        "page fault: write at 0xffffc90000000000, not mapped",
        "  freed or never allocated address in a vmalloc range",
        "  vector 14, error code 0x2,",
      ]),
    Case(
      name: "stack-guard",
      lines: ["page fault: write at 0x", "  stack guard: the kernel's stack has overflowed"]),
    Case(
      name: "stack-overflow",
      lines: ["double fault: stack guard: the kernel's stack has overflowed", "  vector 8,"]),
    // Frames of five pages, each touched at its lowest word alone.
    Case(
      name: "stack-overflow-large",
      lines: ["double fault: stack guard: the kernel's stack has overflowed", "  vector 8,"]),
    Case(name: "nmi-no-stack", lines: ["exception: non-maskable interrupt", "  vector 2,"]),
    Case(name: "machine-check-no-stack", lines: ["exception: machine check", "  vector 18,"]),
    Case(
      name: "write-read-only",
      lines: ["page fault: write at 0x", "  kernel image: constants", "  vector 14, error code 0x3,"]),
    Case(
      name: "execute-data",
      lines: [
        "page fault: execute at 0xffffc90000000000, not permitted",
        "  inside area 0xffffc90000000000 of 12288 bytes, offset 0x0, allocated by \"scenario\"",
        "  vector 14, error code 0x11, RIP 0xffffc90000000000,",
      ]),
    Case(
      name: "linear-map-hole",
      lines: [
        "page fault: read at 0xffff888000000000, not mapped",
        "  linear map: no RAM, or reserved, at physical 0x0",
        "  vector 14, error code 0x0,",
      ]),
    Case(
      name: "image-alias",
      lines: [
        "page fault: write at 0xffff888000100000, not mapped",
        "  linear map: no RAM, or reserved, at physical 0x100000",
      ]),
    Case(
      name: "window-alias",
      lines: [
        "page fault: write at 0x0000400000100000, not mapped",
        "  object window: no RAM, or reserved, at physical 0x100000",
      ]),
    Case(name: "trap", lines: ["exception: invalid opcode", "  vector 6,"]),
  ]

  @Test(arguments: cases)
  func saysWhatWasTouched(_ fault: Case) throws {
    let boot = try Boot.run(Setup(options: "test=\(fault.name)"))
    boot.expectFault(fault)
  }

  @Test
  func aProbesFaultComesBack() throws {
    let boot = try Boot.run(Setup(options: "test=probes"))
    boot.expectProbes(load: "0x0", store: "0x2", execute: "0x11")
  }

  /// With global pages off a change of that bit flushes nothing; a load of CR3 does.
  @Test
  func everythingIsFlushedWithoutGlobalPagesToo() throws {
    let boot = try Boot.run(Setup(options: "test=after-free-no-global mode=strict"))
    #expect(boot.status == 33)
    #expect(boot.serial == "probe: store, error code 0x2 at 0xffffc900000ff000\n")
  }

  /// The spans of a buffer are its memory, byte for byte, and end with it.
  @Test
  func spansReachTheBuffersFrames() throws {
    let boot = try Boot.run(Setup(options: "test=spans"))
    boot.expectSpans(behind: "0x0", afterFree: ["0x0"])
  }
}
