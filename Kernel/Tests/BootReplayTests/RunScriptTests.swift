import Foundation
import Testing

/// What `make run` refuses before it builds anything.
@Suite struct RunScriptTests {
  private func run(_ variables: [String: String]) throws -> (status: Int32, errors: String) {
    let process = Process()
    process.executableURL = Recording.folder.appending(path: "../../../Scripts/run.sh").standardizedFileURL
    process.environment = ProcessInfo.processInfo.environment.merging(variables) { $1 }
    let errors = Pipe()
    process.standardError = errors
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    let text = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: text, as: UTF8.self))
  }

  /// A machine of 1 MiB has no room for the kernel, and the emulator would wait for ever.
  @Test(arguments: [
    ("MEMORY", "1", "MEMORY is at least 2"), ("MEMORY", "x", "MEMORY must be a whole number"),
    ("LAPS", "0", "LAPS must be"), ("TRACE", "-none.txt", "cannot read a trace at \"-none.txt\""),
    ("CPUS", "256", "CPUS is at most 255"), ("LEVELS", "6", "LEVELS is 4 or 5"),
    ("LEVELS", "3", "LEVELS is 4 or 5"), ("GRANULE", "8K", "GRANULE is 4K, 16K or 64K"),
    ("GRANULE", "64K", "GRANULE is not for ARCH=x86_64"), ("GIC", "4", "GIC is 2 or 3"),
    ("MACHINE", "toaster", "MACHINE is qemu or simulated"),
  ])
  func isRefused(variable: String, value: String, message: String) throws {
    let result = try run([variable: value])
    #expect(result.status == 2)
    #expect(result.errors.contains(message), "\(result.errors)")
  }

  /// What the tables of an architecture cannot be.
  @Test(arguments: [
    (["ARCH": "riscv64", "LEVELS": "9"], "LEVELS is 3, 4 or 5 with ARCH=riscv64"),
    (["ARCH": "aarch64", "LEVELS": "5"], "LEVELS is not for ARCH=aarch64"),
    (["ARCH": "aarch64", "GRANULE": "8K"], "GRANULE is 4K, 16K or 64K"),
    (["ARCH": "riscv64", "GRANULE": "16K"], "GRANULE is not for ARCH=riscv64"),
  ])
  func tablesOfAnotherKindAreRefused(_ variables: [String: String], _ message: String) throws {
    let result = try run(variables)
    #expect(result.status == 2)
    #expect(result.errors.contains(message), "\(result.errors)")
  }
}
