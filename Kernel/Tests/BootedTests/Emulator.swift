import Foundation
import Testing

/// What a kernel is built for, and booted by.
enum Architecture: String, Sendable {
  case x86_64, aarch64, riscv64

  /// The path of its emulator; nil where that is not installed.
  var emulator: String? { Emulator.find("qemu-system-\(rawValue)") }

  var absence: String {
    "qemu-system-\(rawValue) is not installed; ARCH=\(rawValue) Scripts/setup.sh installs it"
  }

  /// The built kernel: a variable of the environment says where, or it is where Scripts/kernel.sh puts it.
  func kernel(_ configuration: Configuration) -> String {
    let words =
      ["VMALLOC"] + (self == .x86_64 ? [] : [rawValue.uppercased()])
      + (configuration == .debug ? ["DEBUG"] : []) + ["KERNEL"]
    return ProcessInfo.processInfo.environment[words.joined(separator: "_")]
      ?? Emulator.package.appending(path: image(configuration)).path
  }

  private func image(_ configuration: Configuration) -> String {
    switch self {
    case .x86_64: ".build-kernel/x86_64-unknown-none-elf/\(configuration)/Kernel"
    case .aarch64: ".build-kernel-aarch64/aarch64-none-none-elf/\(configuration)/Kernel.img"
    case .riscv64: ".build-kernel-riscv64/riscv64-none-none-eabi/\(configuration)/Kernel"
    }
  }
}

/// How a kernel was built: optimised, or not, with the core's assertions in it.
enum Configuration: String, Sendable {
  case release, debug
}

/// Where programs and files are that a machine is booted with.
enum Emulator {
  static let trace = package.appending(path: "../Examples/traces/debian-6.12-boot/trace.txt")
    .standardizedFileURL

  /// The folder of this nested package.
  static let package = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../..").standardizedFileURL

  static func find(_ program: String) -> String? {
    let folders = ProcessInfo.processInfo.environment["PATH"]?.split(separator: ":") ?? []
    return folders.map { "\($0)/\(program)" }.first(where: FileManager.default.isExecutableFile)
  }
}

extension Trait where Self == ConditionTrait {
  /// Where an architecture's emulator is installed.
  static func boots(_ architecture: Architecture) -> Self {
    .enabled(if: architecture.emulator != nil, Comment(rawValue: architecture.absence))
  }

  /// Where its unoptimised kernel is built, too.
  static func bootsUnoptimised(_ architecture: Architecture) -> Self {
    let isBuilt = FileManager.default.fileExists(atPath: architecture.kernel(.debug))
    return .enabled(
      if: architecture.emulator != nil && isBuilt,
      "no unoptimised kernel: ARCH=\(architecture) VMALLOC_CONFIGURATION=debug Scripts/kernel.sh build")
  }
}

/// What keeps a test from booting; none of it is the kernel's fault.
struct CannotBoot: Error, CustomStringConvertible {
  let description: String
}

/// What is given to a machine that is booted.
struct Setup {
  /// The kernel's command line.
  var options = ""
  /// The initial RAM disk; nil for none.
  var trace: URL? = Emulator.trace
  var mebibytes = 1024
  var processor = "max"
  var cpus = 1
  /// The board, and what of it the emulator is told besides.
  var board = "pc"
  var configuration = Configuration.release
  /// Whether instructions are the emulator's clock, and one thread runs all CPUs.
  var countsInstructions = false
  var architecture = Architecture.x86_64
  /// Instead of the device tree that the emulator makes.
  var tree: PatchedTree?

  /// The command line of the emulator, its serial port going into a file.
  func arguments(serial: URL) throws -> [String] {
    let kernel = architecture.kernel(configuration)
    guard FileManager.default.fileExists(atPath: kernel) else {
      throw CannotBoot(
        description: "no kernel at \(kernel); build it: ARCH=\(architecture) Scripts/kernel.sh build")
    }
    let devices =
      switch architecture {
      case .x86_64: ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
      case .aarch64: ["-semihosting", "-nic", "none"]
      case .riscv64: ["-nic", "none"]
      }
    return [
      "-accel", "tcg", "-machine", board, "-cpu", processor, "-smp", "\(cpus)", "-m", "\(mebibytes)",
      "-display", "none", "-no-reboot", "-serial", "file:\(serial.path)",
      "-monitor", "stdio", "-kernel", kernel, "-append", options,
    ] + devices + (countsInstructions ? ["-icount", "shift=0,sleep=off"] : [])
      + (tree.map { ["-dtb", $0.file.path] } ?? []) + (trace.map { ["-initrd", $0.path] } ?? [])
  }
}

extension Setup {
  /// QEMU's virt machine of AArch64.
  static func aarch64(
    _ options: String = "", processor: String = "max", cpus: Int = 1, board: String = "gic-version=2"
  ) -> Setup {
    var setup = Setup(options: options, processor: processor, cpus: cpus)
    setup.board = "virt,dtb-randomness=off,\(board)"
    setup.architecture = .aarch64
    return setup
  }

  /// QEMU's virt machine of RISC-V.
  static func riscv64(
    _ options: String = "", cpus: Int = 1, processor: String = "rv64"
  ) -> Setup {
    var setup = Setup(options: options, processor: processor, cpus: cpus)
    setup.board = "virt"
    setup.architecture = .riscv64
    return setup
  }

  /// The same machine, run by one thread.
  var countingInstructions: Setup {
    var setup = self
    setup.countsInstructions = true
    return setup
  }

  /// The same machine with the unoptimised kernel.
  var unoptimised: Setup {
    var setup = self
    setup.configuration = .debug
    return setup
  }
}
