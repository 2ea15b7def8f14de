import Foundation

/// LLVM's tools that come with the compiler in use: the system's may be older, and unable to read what it
/// writes. `swiftc` in PATH may be a launcher, so the compiler is asked.
public enum Toolchain {
  private static let folder: String? = {
    guard let text = try? Run.text("swiftc", ["-print-target-info"]),
      let match = text.firstMatch(of: /"runtimeResourcePath": "(.*)"/)
    else { return nil }
    return match.1 + "/../../bin/"
  }()

  public static func text(_ tool: String, _ arguments: [String]) throws -> String {
    try Run.text(path(tool), arguments)
  }

  public static func path(_ tool: String) throws -> String {
    guard let folder else { throw Unable("cannot find the tools of swiftc") }
    return folder + tool
  }

  /// Mangled names in it made readable.
  public static func demangle(_ text: String) throws -> [String] {
    try Run(path("swift-demangle"), ["--compact"], input: text).lines
  }
}
