import Foundation

/// What a kernel is built for.
enum Architecture: Sendable {
  case x86_64, aarch64, riscv64
}

/// QEMU, and the kernels that it boots.
enum Emulator {
  static let path = find("qemu-system-x86_64")
  static let isPresent = path != nil
  static let absence = "qemu-system-x86_64 is not installed"

  static let aarch64Path = find("qemu-system-aarch64")
  static let hasAArch64 = aarch64Path != nil
  static let aarch64Absence =
    "qemu-system-aarch64 is not installed; ARCH=aarch64 Scripts/setup.sh installs it"

  static let riscv64Path = find("qemu-system-riscv64")
  static let hasRISCV64 = riscv64Path != nil
  static let riscv64Absence =
    "qemu-system-riscv64 is not installed; ARCH=riscv64 Scripts/setup.sh installs it"

  /// The emulator of an architecture.
  static func path(_ architecture: Architecture) -> String? {
    switch architecture {
    case .x86_64: path
    case .aarch64: aarch64Path
    case .riscv64: riscv64Path
    }
  }

  /// The built kernel: VMALLOC_KERNEL says where, or it is where Scripts/kernel.sh puts it.
  static let kernel =
    ProcessInfo.processInfo.environment["VMALLOC_KERNEL"]
    ?? package.appending(path: ".build-kernel/x86_64-unknown-none-elf/release/Kernel").path

  /// That of AArch64: VMALLOC_AARCH64_KERNEL says where, or it is where ARCH=aarch64 Scripts/kernel.sh puts
  /// it.
  static let aarch64Kernel =
    ProcessInfo.processInfo.environment["VMALLOC_AARCH64_KERNEL"]
    ?? package.appending(path: ".build-kernel-aarch64/aarch64-none-none-elf/release/Kernel.img").path

  /// That of RISC-V: VMALLOC_RISCV64_KERNEL says where, or it is where ARCH=riscv64 Scripts/kernel.sh puts
  /// it.
  static let riscv64Kernel =
    ProcessInfo.processInfo.environment["VMALLOC_RISCV64_KERNEL"]
    ?? package.appending(path: ".build-kernel-riscv64/riscv64-none-none-eabi/release/Kernel").path

  /// The same of x86-64, unoptimised: VMALLOC_DEBUG_KERNEL says where, or it is where Scripts/kernel.sh puts
  /// it.
  static let debugKernel =
    ProcessInfo.processInfo.environment["VMALLOC_DEBUG_KERNEL"]
    ?? package.appending(path: ".build-kernel/x86_64-unknown-none-elf/debug/Kernel").path
  static let canDebug = isPresent && FileManager.default.fileExists(atPath: debugKernel)
  static let noDebugKernel =
    "no unoptimised kernel; build it: VMALLOC_CONFIGURATION=debug Scripts/kernel.sh build"

  static let trace = package.appending(path: "../Examples/traces/debian-6.12-boot/trace.txt")
    .standardizedFileURL

  /// The folder of this nested package.
  private static let package = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../..").standardizedFileURL

  private static func find(_ program: String) -> String? {
    let folders = ProcessInfo.processInfo.environment["PATH"]?.split(separator: ":") ?? []
    return folders.map { "\($0)/\(program)" }.first(where: FileManager.default.isExecutableFile)
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
  var kernel = Emulator.kernel
  var architecture = Architecture.x86_64

  /// The command line of the emulator, its serial port going into a file.
  func arguments(serial: URL) throws -> [String] {
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
    ] + devices + (trace.map { ["-initrd", $0.path] } ?? [])
  }
}

extension Setup {
  /// QEMU's virt machine of AArch64.
  static func aarch64(
    _ options: String = "", processor: String = "max", cpus: Int = 1, board: String = "gic-version=2"
  ) -> Setup {
    var setup = Setup(options: options, processor: processor, cpus: cpus)
    setup.board = "virt,dtb-randomness=off,\(board)"
    setup.kernel = Emulator.aarch64Kernel
    setup.architecture = .aarch64
    return setup
  }

  /// QEMU's virt machine of RISC-V.
  static func riscv64(
    _ options: String = "", cpus: Int = 1, processor: String = "rv64"
  ) -> Setup {
    var setup = Setup(options: options, processor: processor, cpus: cpus)
    setup.board = "virt"
    setup.kernel = Emulator.riscv64Kernel
    setup.architecture = .riscv64
    return setup
  }
}
