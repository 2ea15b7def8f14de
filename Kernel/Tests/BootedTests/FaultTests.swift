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

  static let cases =
    Case.everywhere(
      image: 0x10_0000,
      registers: [
        "null": "  vector 14, error code 0x2,", "guard": "  vector 14, error code 0x2,",
        "after-free": "  vector 14, error code 0x2,", "write-read-only": "  vector 14, error code 0x3,",
        "execute-data": "  vector 14, error code 0x11, RIP 0xffffc90000000000,",
        "linear-map-hole": "  vector 14, error code 0x0,",
      ])
    + ["stack-overflow", "stack-overflow-large"].map { name in
      Case(
        name: name, lines: ["double fault: stack guard: the kernel's stack has overflowed", "  vector 8,"])
    } + [
      Case(name: "nmi-no-stack", lines: ["exception: non-maskable interrupt", "  vector 2,"]),
      Case(name: "machine-check-no-stack", lines: ["exception: machine check", "  vector 18,"]),
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
