import Figures
import Foundation
import Processes

/// `make bench`: counts instructions per operation. It boots the kernel with QEMU's instruction counter as
/// its clock, which is the same on every machine, in each mode, with one CPU and with two, and merges what
/// it prints ("bench NAME INSTRUCTIONS", a line each) into .build/bench.json: a flat object, name to
/// number. What was done for a figure is below its line in .build/bench.log. A figure that breaks one of
/// the rules which keep figures honest is left out by the kernel, and its run fails. At the end come a
/// table beside Linux's figures, and pairs per second on threads of the host, for reading only. Operations
/// are counted on the other architectures, too, whose names are behind their figures'.
public struct Bench {
  private static let figures = ".build/bench.json"
  private static let log = ".build/bench.log"
  private let variables: Variables
  private var text = ""

  public init(_ variables: Variables) {
    // The figures beside which they are printed are those of x86-64.
    self.variables = variables.ofUsualMachine
  }

  /// One boot, of a part (Kernel/Sources/Kernel/Bench/BenchPart.swift) in a mode.
  struct Boot: Equatable {
    let part: String
    let mode: String
    let cpus: String
    var mebibytes = 4096
    var architecture = Architecture.x86_64

    /// What names of figures end in.
    var suffix: String { architecture == .x86_64 ? "" : "_\(architecture)" }
    var name: String {
      "\(part), mode \(mode), CPUs: \(cpus)" + (architecture == .x86_64 ? "" : ", on \(architecture)")
    }
    /// In the kernel that is built to count what CPUs share.
    var countsContention: Bool { part == "contention" }
    var variables: [String: String] {
      [
        "ARCH": architecture.rawValue, "CPUS": cpus, "MEMORY": "\(mebibytes)",
        "OPTIONS": "bench=\(part) mode=\(mode)",
        "VMALLOC_CONTENTION": countsContention ? "1" : "",
      ]
    }
  }

  /// What MODES and BENCH_CPUS ask for; CONTENTION=no leaves out the contended runs.
  /// - Parameters:
  ///   - canGrow: whether there is memory for runs in a machine with 8 GiB.
  ///   - others: architectures besides x86-64.
  static func boots(_ variables: Variables, canGrow: Bool, others: [Architecture] = []) -> [Boot] {
    let cpus = variables.words("BENCH_CPUS", or: "1 2")
    var boots = cpus.flatMap { cpus in
      variables.words("MODES", or: "strict lazy warm").flatMap { mode in
        ["operations", "tests"].filter { $0 != "tests" || mode != "strict" }
          .map { Boot(part: $0, mode: mode, cpus: cpus) }
      }
    }
    boots.append(Boot(part: "access", mode: "lazy", cpus: "1"))
    let lazy = variables.words("MODES", or: "lazy warm").filter { $0 != "strict" }
    if canGrow {
      boots += lazy.map { Boot(part: "growth", mode: $0, cpus: "1", mebibytes: 8192) }
      boots.append(Boot(part: "memory", mode: "lazy", cpus: "1", mebibytes: 8192))
    }
    if Self.contends(variables) {
      boots += ["2", "4"].flatMap { cpus in lazy.map { Boot(part: "contention", mode: $0, cpus: cpus) } }
    }
    return boots
      + others.flatMap { architecture in
        variables.words("MODES", or: "strict lazy warm").map {
          Boot(part: "operations", mode: $0, cpus: "1", architecture: architecture)
        }
      }
  }

  private static func contends(_ variables: Variables) -> Bool { variables["CONTENTION"] ?? "yes" == "yes" }

  public mutating func run() throws -> Int32 {
    let others = others
    try build(others)
    try? FileManager.default.removeItem(atPath: Self.figures)
    var failed = false
    for boot in Self.boots(variables, canGrow: canGrow(), others: others) where try !count(boot) {
      failed = true
    }
    let figures = try Figures(log: text)
    try write(figures.json, to: Self.figures)
    Console.show(figures.json)
    for line in lines where Self.isOfInterest(line) { Console.say(String(line)) }
    if failed {
      for line in lines where !Self.isUsual(line) { Console.complain(String(line)) }
      throw Failure("bench: a run failed (whole log: \(Self.log))")
    }
    let anchors = Anchors(tsv: contents("Benchmarks/linux-6.12.tsv") ?? "")
    Console.show(BenchTables(figures, anchors).text)
    return try HostThreads.run([], variables)
  }

  /// The other architectures whose emulators are installed, which is done only when they are asked for.
  /// PORTS=no leaves them out.
  private var others: [Architecture] {
    guard variables["PORTS"] ?? "yes" == "yes" else { return [] }
    return Architecture.allCases.filter { architecture in
      if architecture == .x86_64 { return false }
      if Emulator.isInstalled(architecture.emulator, variables) { return true }
      Console.complain("bench: no figures of \(architecture): \(architecture.emulator) is missing")
      return false
    }
  }

  private func build(_ others: [Architecture]) throws {
    guard try Emulator.setUp(variables) else { throw Failure("bench: there is no emulator") }
    let usual = Self.contends(variables) ? ["", "1"] : [""]
    let kernels =
      usual.map { ["VMALLOC_CONTENTION": $0] }
      + others.map { ["ARCH": $0.rawValue, "VMALLOC_CONTENTION": ""] }
    for kernel in kernels where try !Kernel(variables.with(kernel)).build() {
      throw Failure("bench: the kernel does not build")
    }
  }

  /// Whether its run went well.
  private mutating func count(_ boot: Boot) throws -> Bool {
    Console.progress("bench: counting \(boot.name)")
    let file = Self.log + ".new"
    let status = try KernelRun(variables.with(boot.variables)).count(into: file)
    // Serial lines end in a carriage return.
    let said = (contents(file) ?? "").replacing("\r\n", with: "\n")
    text += "== \(boot.name)\n" + Self.naming(said, boot.suffix)
    try FileManager.default.removeItem(atPath: file)
    try write(text, to: Self.log)
    if status != 0 { Console.complain("bench: the run failed: \(boot.name)") }
    return status == 0
  }

  /// What a run has said, with something behind the name of each figure.
  static func naming(_ text: String, _ suffix: String) -> String {
    text.replacing(/^bench ([^ ]+)/.anchorsMatchLineEndings()) { "bench \($0.1)\(suffix)" }
  }

  private var lines: [Substring] { text.split(separator: "\n") }

  static func isOfInterest(_ line: Substring) -> Bool {
    ["== tests", "Summary", "  refused"].contains { line.hasPrefix($0) }
  }

  /// What a run says that goes well.
  static func isUsual(_ line: Substring) -> Bool {
    line.prefixMatch(
      of: /==|bench|Summary:|  (operations|flushes:|locks|peak|longest|refused,|live)/) != nil
  }

  /// RAM that the guest does not touch costs the host nothing, so that half of 8 GiB is enough. GROWTH=no
  /// leaves these runs out.
  private func canGrow() -> Bool {
    guard variables["GROWTH"] ?? "yes" == "yes" else { return false }
    let available = Self.availableMebibytes(contents("/proc/meminfo") ?? "")
    if let available, available >= 4096 { return true }
    Console.complain(
      "bench: no runs in a machine with 8 GiB: 4 GiB of memory are needed, "
        + "\(available.map(String.init) ?? "an unknown number of") MiB are available")
    return false
  }

  static func availableMebibytes(_ meminfo: String) -> Int? {
    meminfo.firstMatch(of: /MemAvailable: *([0-9]+) kB/).flatMap { Int($0.1) }.map { $0 / 1024 }
  }
}
