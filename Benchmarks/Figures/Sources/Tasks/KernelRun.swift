import Foundation
import Processes

/// A boot of the kernel under QEMU, as variables ask for it: TRACE, MEMORY, CPUS, CPU, OPTIONS, and of the
/// page tables LEVELS or, on AArch64, GRANULE, and GIC.
struct KernelRun: Sendable {
  let kernel: Kernel
  private let variables: Variables

  init(_ variables: Variables) throws(Failure) {
    kernel = try Kernel(variables)
    self.variables = variables
  }

  static let usualTrace = "Examples/traces/debian-6.12-boot/trace.txt"

  private var trace: String { variables["TRACE"] ?? Self.usualTrace }

  /// The emulator's own.
  func arguments(_ more: [String] = []) -> [String] {
    let processor = variables["CPU"] ?? (kernel.architecture == .riscv64 ? "rv64" : "max")
    let tables =
      kernel.architecture == .aarch64
      ? "granule=\(variables["GRANULE"] ?? "4K")" : "levels=\(variables["LEVELS"] ?? "4")"
    return [
      "-accel", "tcg", "-cpu", processor, "-m", variables["MEMORY"] ?? "4096", "-smp", cpus,
      "-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot",
    ] + machine + [
      "-kernel", kernel.loadedImage, "-initrd", trace, "-append", "\(tables) \(variables["OPTIONS"] ?? "")",
    ] + more
  }

  private var cpus: String { variables["CPUS"] ?? "1" }

  private var machine: [String] {
    switch kernel.architecture {
    case .x86_64: return ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    case .aarch64:
      // The second version serves eight CPUs.
      let controller = variables["GIC"] ?? ((Int(cpus) ?? 1) > 8 ? "3" : "2")
      return [
        "-machine", "virt,dtb-randomness=off,gic-version=\(controller)", "-semihosting", "-nic", "none",
      ]
    case .riscv64: return ["-machine", "virt", "-nic", "none"]
    }
  }

  /// What it takes to boot, checked.
  func command(_ more: [String] = []) throws -> Command {
    for (path, message) in [
      (kernel.loadedImage, "not built yet; run: Scripts/kernel.sh build"), (trace, "no trace at \(trace)"),
    ] where !FileManager.default.fileExists(atPath: path) {
      throw Failure("kernel: \(message)", status: 2)
    }
    let emulator = kernel.architecture.emulator
    guard Emulator.isInstalled(emulator, variables) else {
      throw Failure("kernel: \(emulator) is missing", status: 2)
    }
    return Command(emulator, arguments(more), environment: variables.all)
  }

  /// Boots it, reading and writing where we do.
  func run(_ more: [String] = []) throws -> Int32 {
    try Self.status(ofEmulator: command(more).run().status)
  }

  /// Boots it with the instruction counter as its clock, what it says going to a file.
  func count(into file: String) throws -> Int32 {
    let command = try command(["-icount", "shift=0,sleep=off"]).writing(to: file)
    return try Self.status(ofEmulator: command.run().status)
  }

  /// The kernel leaves by isa-debug-exit, which turns a value into the status (value << 1) | 1, or by
  /// semihosting with the same status: 33 the job is done, 35 it found something wrong, 37 an unexpected
  /// exception, 39 a panic, 41 bad input. QEMU's own status for a guest that was reset is 0, and that is no
  /// success here.
  static func status(ofEmulator status: Int32) throws(Failure) -> Int32 {
    switch status {
    case 33: return 0
    case 0: throw Failure("kernel: the machine was reset (a triple fault?)")
    default: return status
    }
  }

  static let badInput: Int32 = 41
}

enum Emulator {
  static func isInstalled(_ program: String, _ variables: Variables) -> Bool {
    (variables["PATH"] ?? "").split(separator: ":").contains {
      FileManager.default.isExecutableFile(atPath: "\($0)/\(program)")
    }
  }

  /// Whether the one of ARCH is there, if need be by installing it.
  static func setUp(_ variables: Variables) throws -> Bool {
    try Command("Scripts/setup.sh", [], environment: variables.all).run().isGood
  }
}
