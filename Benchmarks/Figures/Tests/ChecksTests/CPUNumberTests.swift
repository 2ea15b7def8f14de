import Foundation
import Processes
import Testing

/// Where the number of a CPU comes from, as a kernel chooses it when it is compiled
/// (Sources/CMachine/include/CMachine.h).
@Suite struct CPUNumberTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let target: String
    let choice: String
    /// What the function that returns the number is made of.
    let instructions: [String]
    var testDescription: String { "\(target) \(choice)" }
  }

  static let cases = [
    ("x86_64", "", ["movl %gs:0, %eax", "retq"]), ("x86_64", "OFFSET=24", ["movl %gs:24, %eax", "retq"]),
    ("aarch64", "", ["mrs x8, TPIDR_EL1", "ldr w0, [x8]", "ret"]),
    ("aarch64", "OFFSET=24", ["mrs x8, TPIDR_EL1", "ldr w0, [x8, #24]", "ret"]),
    ("aarch64", "POINTER", ["mrs x0, TPIDR_EL1", "ret"]), ("aarch64", "SINGLE", ["mov x0, xzr", "ret"]),
    ("riscv64", "", ["mv a0, tp", "lwu a0, 0(a0)", "ret"]),
    ("riscv64", "OFFSET=24", ["mv a0, tp", "lwu a0, 24(a0)", "ret"]),
    ("riscv64", "POINTER", ["mv a0, tp", "ret"]), ("riscv64", "SINGLE", ["li a0, 0", "ret"]),
    ("x86_64", "SINGLE", ["xorl %eax, %eax", "retq"]),
    (
      "x86_64", "POINTER",
      ["movl $-1073741567, %ecx", "rdmsr", "shlq $32, %rdx", "movl %eax, %eax", "orq %rdx, %rax", "retq"]
    ),
  ].map(Case.init)

  private func compile(_ target: String, _ defines: [String]) throws -> Run {
    let include = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../../../Sources/CMachine/include").standardizedFileURL.path
    let flags = ["-O2", "-fomit-frame-pointer", "-ffreestanding", "-S", "-o", "-", "-x", "c", "-I", include]
    return try Run(
      Toolchain.path("clang"),
      ["--target=\(target)-none-elf"] + flags + defines.map { "-D\($0)" } + ["-"],
      input: "#include \"CMachine.h\"\nunsigned long number(void) { return cmachine_cpu_number(); }\n")
  }

  @Test(arguments: cases) func isReadWhereTheKernelSays(_ test: Case) throws {
    let names = ["POINTER": "CMACHINE_CPU_NUMBER_IS_POINTER", "SINGLE": "CMACHINE_SINGLE_CPU"]
    let define = names[test.choice] ?? "CMACHINE_CPU_NUMBER_\(test.choice)"
    let lines = try compile(test.target, test.choice.isEmpty ? [] : [define]).lines
    let body = lines.drop { !$0.hasPrefix("number:") }.prefix { !$0.hasPrefix(".Lfunc_end") }
    // Instructions alone: no label, directive or comment.
    let instructions = body.dropFirst().compactMap { line -> String? in
      // An operand of AArch64 has the sign of a comment, too, but no space behind it.
      let words = line[..<(line.firstRange(of: "# ")?.lowerBound ?? line.endIndex)]
        .split { " \t".contains($0) }
      guard let name = words.first, line.hasPrefix("\t"), !".#/".contains(name.prefix(1)) else { return nil }
      return words.joined(separator: " ")
    }
    #expect(instructions == test.instructions)
  }

  /// Two choices are none.
  @Test func comesFromOnePlace() throws {
    let run = try compile("riscv64", ["CMACHINE_SINGLE_CPU", "CMACHINE_CPU_NUMBER_IS_POINTER"])
    #expect(!run.succeeded && run.text.contains("comes from one place"))
  }
}
