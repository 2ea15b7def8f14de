import Foundation

/// The variables of the environment, in which a user says what is wanted. An empty one is none.
public struct Variables: Sendable {
  public private(set) var all: [String: String]

  public init(_ all: [String: String] = ProcessInfo.processInfo.environment) { self.all = all }

  subscript(name: String) -> String? {
    get { all[name].flatMap { $0.isEmpty ? nil : $0 } }
    set { all[name] = newValue }
  }

  /// What a variable lists, between spaces.
  func words(_ name: String, or usual: String) -> [String] {
    (self[name] ?? usual).split(separator: " ").map(String.init)
  }

  func with(_ changes: [String: String]) -> Variables {
    Variables(all.merging(changes) { $1 })
  }

  func without(_ names: [String]) -> Variables {
    Variables(all.filter { !names.contains($0.key) })
  }

  /// The machine that is booted where none is asked for, whatever this process was asked for.
  var ofUsualMachine: Variables {
    without(["CPU", "GIC", "LEVELS", "GRANULE"]).with(["ARCH": Architecture.x86_64.rawValue])
  }
}

/// What was asked for cannot be done, or what was done has failed: a sentence, and the exit status.
public struct Failure: Error, Equatable {
  public let message: String
  public let status: Int32

  public init(_ message: String, status: Int32 = 1) {
    self.message = message
    self.status = status
  }
}

/// What a program says while it works.
enum Console {
  /// Progress belongs on a terminal; a pipe or a file gets results only.
  static let isTerminal = isatty(2) == 1

  static func say(_ line: String) { show(line + "\n") }

  static func show(_ text: String) {
    print(text, terminator: "")
    // Where the output is a file, too, and others write to it.
    fflush(nil)
  }

  static func complain(_ line: String) { write(line + "\n") }

  static func progress(_ line: String) {
    if isTerminal { complain(line) }
  }

  static func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}

/// The text of a file; nil where there is none.
func contents(_ path: String) -> String? {
  FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
}

func write(_ text: String, to path: String) throws {
  let folder = (path as NSString).deletingLastPathComponent
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  try Data(text.utf8).write(to: URL(fileURLWithPath: path))
}
