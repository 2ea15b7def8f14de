import Foundation
import Processes

/// `make run`: replays a recorded Linux boot on the package, in a kernel under QEMU or on the simulated
/// machine, and has a table behind it that compares kmalloc with vmalloc, from short runs of its own.
public struct MainJob {
  let variables: Variables
  private let isSimulated: Bool

  /// Refuses what makes no sense before anything is built: the status is 2.
  public init(_ asked: Variables) throws(Failure) {
    let usual = [
      "TRACE": KernelRun.usualTrace, "MEMORY": "4096", "CPUS": "1", "LEVELS": "4", "GRANULE": "4K",
      "ARCH": "x86_64", "LAPS": "1", "MACHINE": "qemu", "GIC": "",
    ]
    variables = Variables(usual).with(asked.all.filter { !$0.value.isEmpty })
    isSimulated = variables["MACHINE"] == "simulated"
    try checkMachine()
    try checkSizes()
    try checkTables()
    guard FileManager.default.isReadableFile(atPath: text("TRACE")), !isFolder(text("TRACE")) else {
      throw Failure("run: cannot read a trace at \"\(text("TRACE"))\"", status: 2)
    }
  }

  private func text(_ name: String) -> String { variables[name] ?? "" }

  private func isFolder(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
  }

  private func refuse(_ name: String, _ rule: String) throws(Failure) -> Never {
    throw Failure("run: \(name) \(rule), not \"\(text(name))\"", status: 2)
  }

  private func checkMachine() throws(Failure) {
    guard ["qemu", "simulated"].contains(text("MACHINE")) else {
      try refuse("MACHINE", "is qemu or simulated")
    }
    let architecture = try Architecture.asked(variables, by: "run")
    if isSimulated && architecture != .x86_64 {
      throw Failure(
        "run: the simulated machine reads the page tables of x86-64 alone; ARCH=\(architecture) is for the "
          + "booted kernel", status: 2)
    }
    guard ["", "all"].contains(text("LISTING")) else { try refuse("LISTING", "is all or nothing") }
  }

  private func checkSizes() throws(Failure) {
    for name in ["LAPS", "MEMORY", "CPUS"] where number(name) == nil {
      try refuse(name, "must be a whole number above zero")
    }
    // In 1 MiB there is no room for the kernel, and the emulator waits for ever.
    if number("MEMORY") ?? 0 < 2 { try refuse("MEMORY", "is at least 2") }
    let cpus = number("CPUS") ?? 0
    // As many as a local APIC's ID of 8 bits can tell apart.
    if cpus > 255 { try refuse("CPUS", "is at most 255") }
    // As many as the first range of redistributors of QEMU's GICv3 has room for.
    if text("ARCH") == "aarch64" && cpus > 123 { try refuse("CPUS", "is at most 123 with ARCH=aarch64") }
    if isSimulated && cpus > 1 {
      throw Failure(
        "run: CPUS is for the booted kernel; the simulated machine replays on one CPU", status: 2)
    }
  }

  private func number(_ name: String) -> Int? {
    text(name).wholeMatch(of: /[1-9][0-9]{0,8}/).flatMap { Int($0.0) }
  }

  private func checkTables() throws(Failure) {
    switch (text("ARCH"), text("LEVELS")) {
    case ("aarch64", "4"), ("x86_64", "4"), ("x86_64", "5"): break
    case ("riscv64", "3"), ("riscv64", "4"), ("riscv64", "5"): break
    case ("aarch64", _): throw Failure("run: LEVELS is not for ARCH=aarch64", status: 2)
    case ("riscv64", _): try refuse("LEVELS", "is 3, 4 or 5 with ARCH=riscv64")
    default: try refuse("LEVELS", "is 4 or 5")
    }
    try checkInterruptController()
    guard ["4K", "16K", "64K"].contains(text("GRANULE")) else { try refuse("GRANULE", "is 4K, 16K or 64K") }
    if text("ARCH") != "aarch64" && text("GRANULE") != "4K" {
      throw Failure("run: GRANULE is not for ARCH=\(text("ARCH"))", status: 2)
    }
  }

  private func checkInterruptController() throws(Failure) {
    guard ["", "2", "3"].contains(text("GIC")) else { try refuse("GIC", "is 2 or 3") }
    if text("ARCH") != "aarch64" && text("GIC") != "" {
      throw Failure("run: GIC is not for ARCH=\(text("ARCH"))", status: 2)
    }
    // It has a bit of eight for each, and QEMU would speak of its own options.
    if text("GIC") == "2" && number("CPUS") ?? 0 > 8 { try refuse("CPUS", "is at most 8 with GIC=2") }
  }

  /// Where there is no QEMU, the simulated machine does it, if it can.
  public func run() throws -> Int32 {
    var isSimulated = isSimulated
    if !isSimulated, try !Emulator.setUp(variables) {
      if text("ARCH") != "x86_64" { return 1 }
      Console.complain("run: going on with the simulated machine, on one CPU")
      isSimulated = true
    }
    let status = try isSimulated ? simulate() : boot()
    guard status == 0 else { return status }
    return try CompareTask(isSimulated: isSimulated, variables).run()
  }

  private func boot() throws -> Int32 {
    let run = try KernelRun(variables.with(["OPTIONS": options.joined(separator: " ")]))
    guard try run.kernel.build() else { return 1 }
    let status = try run.run()
    return status == KernelRun.badInput ? 2 : status
  }

  /// Words for the kernel's command line.
  var options: [String] {
    ["laps=\(text("LAPS"))"] + (variables["LISTING"].map { ["listing=\($0)"] } ?? [])
  }

  var simulatedArguments: [String] {
    ["--laps", text("LAPS"), "--memory", text("MEMORY") + "M", "--levels", text("LEVELS")]
      + (variables["LISTING"].map { ["--listing", $0] } ?? []) + ["--", text("TRACE")]
  }

  private func simulate() throws -> Int32 {
    let program = HostProgram.simulatedRun(variables)
    guard try program.build() else { return 1 }
    return try program.command(simulatedArguments).run().status
  }
}
