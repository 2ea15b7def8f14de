import Checks
import Processes

/// The guard below each stack catches every overflow: no function has a frame larger than the guard
/// (Kernel/*.ld, 32 KiB) less a page. A larger one could reach over the guard with its
/// first access. One whose size is known only when it runs is refused. The kernel's own overflow on purpose
/// is assembly, and below the limit.
struct KernelChecks {
  private static let limit = 28 * 1024
  private let report: Report

  init(_ report: Report) { self.report = report }

  /// - Parameter image: `.../TRIPLE/CONFIGURATION/Kernel`.
  func run(_ image: String) throws {
    let text = try Toolchain.text("llvm-objdump", ["--disassemble", "--no-show-raw-insn", image])
    let frames = StackFrame.all(disassembly: text)
    guard let largest = frames.compactMap(\.bytes).max() else {
      throw Unable("no frame is found in \(image)")
    }
    let folders = image.split(separator: "/").suffix(3)
    let architecture = folders.first?.prefix { $0 != "-" } ?? ""
    let tooLarge = frames.filter { ($0.bytes ?? .max) > Self.limit }
      .map { "\($0.bytes.map(String.init) ?? "unknown") \($0.function)\n" }.joined()
    report.say(
      Verdict(
        "frames of the kernel of \(architecture), \(folders.dropFirst().first ?? ""): at most \(largest) bytes, "
          + "and guards catch \(Self.limit)",
        tooLarge.isEmpty ? [] : try Toolchain.demangle(tooLarge)))
  }
}
