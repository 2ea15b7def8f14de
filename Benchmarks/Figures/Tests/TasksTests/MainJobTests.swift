import Foundation
import Testing

@testable import Tasks

/// What `make run` refuses before it builds anything, and what it passes on.
@Suite struct MainJobTests {
  private let trace = ["TRACE": #filePath]

  /// A machine of 1 MiB has no room for the kernel, and the emulator would wait for ever.
  @Test(arguments: [
    ("MEMORY", "1", "MEMORY is at least 2"), ("MEMORY", "x", "MEMORY must be a whole number"),
    ("MEMORY", "4096M", "MEMORY must be a whole number"), ("MEMORY", "1234567890", "MEMORY must be"),
    ("LAPS", "0", "LAPS must be"), ("TRACE", "-none.txt", "cannot read a trace at \"-none.txt\""),
    ("TRACE", "/usr", "cannot read a trace at \"/usr\""), ("LISTING", "some", "LISTING is all or nothing"),
    ("CPUS", "256", "CPUS is at most 255"), ("LEVELS", "6", "LEVELS is 4 or 5"),
    ("LEVELS", "45", "LEVELS is 4 or 5"), ("LEVELS", "3", "LEVELS is 4 or 5"),
    ("GRANULE", "8K", "GRANULE is 4K, 16K or 64K"), ("GRANULE", "64K", "GRANULE is not for ARCH=x86_64"),
    ("GIC", "4", "GIC is 2 or 3"), ("MACHINE", "toaster", "MACHINE is qemu or simulated"),
    ("ARCH", "vax", "ARCH is x86_64, aarch64 or riscv64, not \"vax\""),
  ])
  func isRefused(variable: String, value: String, message: String) {
    let error = #expect(throws: Failure.self) { try MainJob(Variables([variable: value])) }
    #expect(error?.status == 2 && error?.message.hasPrefix("run: \(message)") == true, "\(error as Any)")
  }

  /// What the machine of an architecture cannot be.
  @Test(arguments: [
    (["ARCH": "riscv64", "LEVELS": "9"], "LEVELS is 3, 4 or 5 with ARCH=riscv64"),
    (["ARCH": "aarch64", "LEVELS": "5"], "LEVELS is not for ARCH=aarch64"),
    (["ARCH": "aarch64", "GRANULE": "8K"], "GRANULE is 4K, 16K or 64K"),
    (["ARCH": "riscv64", "GRANULE": "16K"], "GRANULE is not for ARCH=riscv64"),
    (["ARCH": "aarch64", "CPUS": "124"], "CPUS is at most 123 with ARCH=aarch64"),
    (["ARCH": "aarch64", "CPUS": "9", "GIC": "2"], "CPUS is at most 8 with GIC=2, not \"9\""),
    (["ARCH": "riscv64", "GIC": "3"], "GIC is not for ARCH=riscv64"), (["GIC": "2"], "GIC is not for"),
    (["ARCH": "riscv64", "MACHINE": "simulated"], "the simulated machine reads the page tables of x86-64"),
    (["CPUS": "2", "MACHINE": "simulated"], "CPUS is for the booted kernel"),
  ])
  func whatAnArchitectureHasNotIsRefused(_ variables: [String: String], _ message: String) {
    let error = #expect(throws: Failure.self) { try MainJob(Variables(variables)) }
    #expect(error?.status == 2 && error?.message.hasPrefix("run: \(message)") == true, "\(error as Any)")
  }

  @Test(arguments: [
    [:], ["CPUS": "255", "LEVELS": "5"], ["ARCH": "aarch64", "CPUS": "123", "GRANULE": "16K", "GIC": "3"],
    ["ARCH": "riscv64", "LEVELS": "3"], ["MACHINE": "simulated", "LEVELS": "5"], ["LISTING": "all"],
  ])
  func whatThereIsIsTaken(_ variables: [String: String]) throws {
    _ = try MainJob(Variables(trace).with(variables))
  }

  /// An empty variable is none, as in a shell.
  @Test func whatIsNotAskedForIsUsual() throws {
    let job = try MainJob(Variables(trace).with(["MEMORY": "", "LAPS": "", "LISTING": ""]))
    #expect(job.options == ["laps=1"])
    #expect(
      job.simulatedArguments == ["--laps", "1", "--memory", "4096M", "--levels", "4", "--", #filePath])
    let listing = try MainJob(Variables(trace).with(["LAPS": "3", "LISTING": "all", "MEMORY": "64"]))
    #expect(listing.options == ["laps=3", "listing=all"])
    #expect(listing.simulatedArguments.contains("--listing") && listing.simulatedArguments.contains("64M"))
  }
}
