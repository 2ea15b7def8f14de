import Foundation
import Testing

/// The way from the boot code to a manager.
@Suite(.boots(.x86_64), .serialized)
struct StartTests {
  /// What a kernel forgets before it starts the manager is said; no reset, no exception.
  @Test(arguments: [
    ("start-unprepared", "this CPU does not read page tables as they are written"),
    ("start-no-thread-pointer", "the thread pointer leads to no number of this CPU: 0x0000000000000000"),
    ("start-wrong-number", "this CPU says that it has number 77 of 1"),
  ])
  func saysWhatIsMissing(_ scenario: String, _ message: String) throws {
    let boot = try Boot.run(Setup(options: "test=\(scenario)"))
    boot.expectStartRefused(message)
  }

  /// Painted and read back. Release builds promise 8 KiB (StartingAKernel.md), with a memory map of any
  /// length.
  @Test(arguments: ["pc", "q35"])
  func takesAtMost8KiBOfStack(_ board: String) throws {
    let boot = try Boot.run(Setup(options: "test=start-stack", cpus: 4, board: board))
    boot.expectStack(atMost: 8_192)
  }

  /// Bits of CR0 and CR4 as the emulator has them: paging with write protection, errors of the x87 unit as
  /// exceptions; PAE, MCE, PGE, UMIP, SMEP, SMAP, as far as the CPU has them.
  @Test(arguments: [
    ("max", "80010033", "003008e0"), ("max,-smap,-umip", "80010033", "001000e0"),
    ("max,-smep", "80010033", "002008e0"), ("max,-mce", "80010033", "003008a0"),
  ])
  func switchesOnWhatTheProcessorHas(_ processor: String, _ cr0: String, _ cr4: String) throws {
    let boot = try Boot.hold(
      Setup(options: "hold", processor: processor), asking: ["info registers"])
    #expect(boot.monitor.contains("CR0=\(cr0) "), "\(boot.monitor)")
    #expect(boot.monitor.contains("CR4=\(cr4)"), "\(boot.monitor)")
  }

  /// One that the emulator raises: a message, no reset.
  @Test
  func saysThatAMachineCheckCame() throws {
    let boot = try Boot.hold(
      Setup(options: "hold"), asking: ["mce 0 1 0xbd00000000000000 0x4 0 0"], thenQuits: false)
    #expect(boot.status == 37, "\(boot.serial)\n\(boot.monitor)")
    #expect(boot.serial.contains("\nexception: machine check\n"), "\(boot.serial)")
  }
}
