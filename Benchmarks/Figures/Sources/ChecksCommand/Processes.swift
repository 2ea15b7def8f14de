import Foundation

struct Unable: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

/// A program that has run: how it ended, and what it printed, errors included where they are not kept apart.
struct Run {
  let succeeded: Bool
  let text: String

  init(
    _ program: String, _ arguments: [String], folder: String? = nil, input: String? = nil,
    mergingErrors: Bool = true
  ) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
    let output = Pipe()
    process.standardOutput = output
    if mergingErrors { process.standardError = output }
    // No pipe: of what is longer than that holds, nobody would read the output meanwhile.
    let file = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    defer { try? FileManager.default.removeItem(at: file) }
    try Data((input ?? "").utf8).write(to: file)
    process.standardInput = try FileHandle(forReadingFrom: file)
    try process.run()
    text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    succeeded = process.terminationReason == .exit && process.terminationStatus == 0
  }

  var lines: [String] { text.split(separator: "\n").map(String.init) }

  /// What a check complains of: what it printed, or that it failed without a word.
  func complaints(of name: String) -> [String] {
    lines.isEmpty && !succeeded ? ["\(name): it failed, and says nothing"] : lines
  }

  /// What it printed, where it must succeed.
  static func text(_ program: String, _ arguments: [String]) throws -> String {
    let run = try Run(program, arguments, mergingErrors: false)
    guard run.succeeded else { throw Unable("\(program) \(arguments.joined(separator: " ")): it failed") }
    return run.text
  }
}

/// LLVM's tools that come with the compiler in use: the system's may be older, and unable to read what it
/// writes. `swiftc` in PATH may be a launcher, so the compiler is asked.
enum Toolchain {
  private static let folder: String? = {
    guard let text = try? Run.text("swiftc", ["-print-target-info"]),
      let match = text.firstMatch(of: /"runtimeResourcePath": "(.*)"/)
    else { return nil }
    return match.1 + "/../../bin/"
  }()

  static func text(_ tool: String, _ arguments: [String]) throws -> String {
    try Run.text(path(tool), arguments)
  }

  static func path(_ tool: String) throws -> String {
    guard let folder else { throw Unable("cannot find the tools of swiftc") }
    return folder + tool
  }

  /// Mangled names in it made readable.
  static func demangle(_ text: String) throws -> [String] {
    try Run(path("swift-demangle"), ["--compact"], input: text).lines
  }
}
