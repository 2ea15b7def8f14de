import Foundation
import Processes

/// A build by SwiftPM.
struct Build: Sendable {
  /// What work that must be fast is built with: an unoptimised build is about forty times slower. Testable
  /// imports need a flag of their own there.
  static let optimised = [
    "-c", "release", "-Xswiftc", "-cross-module-optimization", "-Xswiftc", "-enable-testing",
  ]
  /// The same with all that a debug build checks: assertions, the library's own included, and `#if DEBUG`.
  /// Overflow and exclusive access are checked in any build.
  static let asserting =
    optimised + ["-Xswiftc", "-assert-config", "-Xswiftc", "Debug", "-Xswiftc", "-DDEBUG"]

  var arguments: [String]
  var variables: Variables
  var folder: String?

  /// `swift build` draws its own progress on a terminal; elsewhere it says only what went wrong.
  func command(isQuiet: Bool = !Console.isTerminal) -> Command {
    let quiet = isQuiet ? ["--quiet"] : []
    var command = Command("swift", ["build"] + quiet + arguments, environment: variables.all)
    command.folder = folder
    return command
  }

  func run() throws -> Bool { try command().run().isGood }

  /// A note of what a build was made from. Where that has changed, what it explains is removed.
  static func forget(_ built: String, unless note: String, in file: String) throws {
    if contents(file) == note { return }
    try? FileManager.default.removeItem(atPath: built)
    try write(note, to: file)
  }

  /// SwiftPM keeps the plan of an earlier build when files have come to a package that the built one
  /// depends on.
  static func forgetStalePlan(_ configuration: String, in scratch: String, of folders: [String]) throws {
    let files = folders.flatMap { folder in
      FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
    }
    try forget(
      "\(scratch)/\(configuration).yaml", unless: files.sorted().joined(separator: "\n"),
      in: "\(scratch)/files-\(configuration)")
  }
}

/// A program of a nested package that is built for this host.
struct HostProgram {
  let name: String
  let package: String
  let flags: [String]
  let variables: Variables

  private var scratch: String { "\(package)/.build-release" }

  func build() throws -> Bool {
    try Build.forgetStalePlan("release", in: scratch, of: ["Sources"])
    let place = ["--package-path", package, "--scratch-path", scratch]
    return try Build(arguments: place + flags + ["--product", name], variables: variables).run()
  }

  /// What was built.
  func command(_ arguments: [String]) -> Command {
    Command("\(scratch)/release/\(name)", arguments, environment: variables.all)
  }

  /// The main job on the simulated machine.
  static func simulatedRun(_ variables: Variables) -> HostProgram {
    HostProgram(name: "SimulatedRun", package: "Kernel", flags: Build.optimised, variables: variables)
  }
}
