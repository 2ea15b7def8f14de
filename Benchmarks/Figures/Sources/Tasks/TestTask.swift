import Foundation
import Processes

/// `make test`: those of what the scripts do, the hosted ones, random inputs of the fuzz target, those of
/// the nested kernel package, which boot it under QEMU, then the tool for Linux hosts. Most are built while
/// others run.
public struct TestTask {
  private var session: Session

  /// What the kernels are asked for is said here, and by the tests themselves.
  private static let ignored = [
    "CPUS", "MEMORY", "TRACE", "LAPS", "LISTING", "MACHINE", "OPTIONS", "VMALLOC_CONFIGURATION",
    "VMALLOC_CONTENTION",
  ]

  public init(_ variables: Variables) throws(Failure) {
    session = try Session(variables.without(Self.ignored).ofUsualMachine, limit: "25m")
  }

  /// - Parameter targets: the folders of Tests/. Every one is in a suite. (ThreadTests run under
  ///   ThreadSanitizer, too.)
  static func suites(targets: [String]) -> [Suite] {
    let others = ["TestSupport", "HeavyTests", "AblationTests"]
    let units = targets.filter { !others.contains($0) }.sorted().joined(separator: ",")
    func nested(_ name: String, _ package: String, _ scratch: String, _ flags: [String] = []) -> Suite {
      Suite(name: name, scratch: "\(package)/\(scratch)", flags: ["--package-path", package] + flags)
    }
    return [
      nested("figures tests", "Benchmarks/Figures", ".build"),
      Suite(name: "unit tests", scratch: ".build", only: units),
      Suite(name: "heavy tests", scratch: ".build-release", only: "HeavyTests", flags: Build.asserting),
      Suite(
        name: "ablation tests", scratch: ".build-ablations", only: "AblationTests",
        flags: Build.asserting + ["--traits", "Ablations"]),
      Suite(
        name: "tests under ThreadSanitizer", scratch: ".build-tsan", only: "ThreadTests",
        flags: ["--sanitize=thread", "-Xlinker", "--wrap=__tsan_external_write"]),
      nested("fuzz tests", "Fuzzing", ".build-release", Build.asserting),
      nested("kernel tests", "Kernel", ".build-release", Build.optimised),
      nested("tool tests", "Tool", ".build-release", Build.optimised),
    ]
  }

  public mutating func run() throws -> Int32 {
    let targets = try FileManager.default.contentsOfDirectory(atPath: "Tests").filter { !$0.contains(".") }
    let suites = Self.suites(targets: targets)
    let ahead = BuildAhead(suites.dropFirst(2), session.variables)
    for suite in suites {
      // Before the tool's, too: one of its tests boots the kernel, and reads what it says.
      if suite.name == "kernel tests" { try buildKernels() }
      ahead.wait(for: suite)
      try session.run(suite)
    }
    return session.end()
  }

  private mutating func buildKernels() throws {
    if try Emulator.setUp(session.variables) {
      try buildKernels(of: .x86_64)
    } else {
      Console.complain("test: the tests that boot the kernel are skipped")
    }
    // Their emulators are installed only when that is asked for.
    for architecture in [Architecture.aarch64, .riscv64] {
      if Emulator.isInstalled(architecture.emulator, session.variables) {
        try buildKernels(of: architecture)
      } else {
        Console.complain(
          "test: \(architecture.emulator) is missing, so the tests that boot the kernel of \(architecture) are "
            + "skipped; ARCH=\(architecture) Scripts/setup.sh installs it")
      }
    }
  }

  /// Builds the kernels of an architecture, optimised and unoptimised, and has the tests find them.
  private mutating func buildKernels(of architecture: Architecture) throws {
    for configuration in ["release", "debug"] {
      let asked = ["ARCH": architecture.rawValue, "VMALLOC_CONFIGURATION": configuration]
      let kernel = try Kernel(session.variables.with(asked))
      if try kernel.build() {
        session.setVariable(kernel.variable, kernel.loadedImage)
      } else {
        session.fail("kernel of \(architecture), \(configuration): does not build")
      }
    }
  }
}

/// Builds suites one after the other while the first ones run, since a build of whole modules keeps one
/// core busy. One that fails is tried again in its turn, and says why.
private struct BuildAhead {
  private let builds: [String: DispatchSemaphore]

  init(_ suites: ArraySlice<Suite>, _ variables: Variables) {
    let builds = Dictionary(uniqueKeysWithValues: suites.map { ($0.name, DispatchSemaphore(value: 0)) })
    self.builds = builds
    let suites = Array(suites)
    Thread.detachNewThread {
      for suite in suites {
        _ = try? suite.build(variables).command(isQuiet: true).writing(to: "/dev/null").run()
        builds[suite.name]?.signal()
      }
    }
  }

  func wait(for suite: Suite) { builds[suite.name]?.wait() }
}
