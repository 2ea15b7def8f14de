import Foundation
import Processes

/// What a kernel is built for.
enum Architecture: String, CaseIterable, Sendable {
  case x86_64, aarch64, riscv64

  var triple: String {
    switch self {
    case .x86_64: "x86_64-unknown-none-elf"
    case .aarch64: "aarch64-none-none-elf"
    case .riscv64: "riscv64-none-none-eabi"
    }
  }

  var emulator: String { "qemu-system-\(rawValue)" }

  /// The architecture that ARCH names.
  static func asked(_ variables: Variables, by task: String) throws(Failure) -> Architecture {
    let name = variables["ARCH"] ?? "x86_64"
    if let architecture = Architecture(rawValue: name) { return architecture }
    throw Failure("\(task): ARCH is x86_64, aarch64 or riscv64, not \"\(name)\"", status: 2)
  }
}

/// The bootable kernel, as it is built for an architecture.
struct Kernel: Sendable {
  let architecture: Architecture
  /// `release`, or `debug`: unoptimised, with the core's assertions in it.
  let configuration: String
  /// Whether it is the one that pauses in locks and counts updates (Sources/CMachine/include/CMachine.h).
  let countsContention: Bool
  private let variables: Variables

  init(_ variables: Variables) throws(Failure) {
    architecture = try .asked(variables, by: "kernel")
    configuration = variables["VMALLOC_CONFIGURATION"] ?? "release"
    countsContention = variables["VMALLOC_CONTENTION"] != nil
    self.variables = variables
  }

  /// Below the folder Kernel, where the build runs: the linker looks for its script from there.
  private var scratch: String {
    let usual = architecture == .x86_64 ? ".build-kernel" : ".build-kernel-\(architecture)"
    return (variables["VMALLOC_KERNEL_SCRATCH"] ?? usual) + (countsContention ? "-contention" : "")
  }

  private static var folder: String { FileManager.default.currentDirectoryPath + "/Kernel" }

  var image: String { "\(Self.folder)/\(scratch)/\(architecture.triple)/\(configuration)/Kernel" }

  /// What the emulator loads: of AArch64 the bytes alone, since it gives no device tree to an ELF file.
  var loadedImage: String { architecture == .aarch64 ? image + ".img" : image }

  /// The variable that tells the tests of the kernel where it is.
  var variable: String {
    let words = [architecture == .x86_64 ? "" : architecture.rawValue.uppercased() + "_"]
    return "VMALLOC_" + words.joined() + (configuration == "debug" ? "DEBUG_" : "") + "KERNEL"
  }

  /// Nothing in the kernel walks frames by their pointers, so none are kept. Swift's strings need tables to
  /// be compared and hashed; the linker takes of them what is used.
  var arguments: [String] {
    get throws {
      let tables = try Toolchain.path(
        "../lib/swift/embedded/\(architecture.triple)/libswiftUnicodeDataTables.a")
      return [
        "-c", configuration, "--build-system", "native", "--triple", architecture.triple,
        "--omit-frame-pointers", "--toolset", "toolset-\(architecture).json", "--scratch-path", scratch,
        "--product", "Kernel",
      ] + (countsContention ? ["-Xcc", "-DCMACHINE_CONTENTION"] : []) + ["-Xlinker", tables]
    }
  }

  /// Whether it is built now.
  func build() throws -> Bool {
    try removeStale()
    let settings = variables.with(["VMALLOC_BARE_METAL": architecture.rawValue])
    guard try Build(arguments: arguments, variables: settings, folder: Self.folder).run() else {
      return false
    }
    if loadedImage == image { return true }
    return try Command(Toolchain.path("llvm-objcopy"), ["-O", "binary", image, loadedImage]).run().isGood
  }

  /// SwiftPM tracks neither the toolset nor the linker script.
  private func removeStale() throws {
    let inputs = ["toolset-\(architecture).json", "\(architecture).ld"].map { contents("Kernel/\($0)") ?? "" }
    try Build.forget(
      "Kernel/\(scratch)/\(architecture.triple)", unless: inputs.joined(),
      in: "Kernel/\(scratch)/inputs")
    try Build.forgetStalePlan(configuration, in: "Kernel/\(scratch)", of: ["Sources", "Kernel/Sources"])
  }
}
