import Foundation

/// What keeps a program of ours from its work.
public struct Unable: Error, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}

/// A program that has run: how it ended, and what it printed, errors included where they are not kept apart.
public struct Run {
  public let succeeded: Bool
  public let text: String

  public init(
    _ program: String, _ arguments: [String], folder: String? = nil, input: String? = nil,
    mergingErrors: Bool = true
  ) throws {
    var command = Command(program, arguments)
    command.folder = folder
    command.keepsErrorsApart = !mergingErrors
    // Files and no pipes: whoever fills one of these waits for a reader. They lose their names at once, so
    // that nothing has to remove them.
    let files = [input ?? "", ""].map { text in
      let file = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
      return (file: file, text: text)
    }
    defer { for file in files { try? FileManager.default.removeItem(at: file.file) } }
    for file in files { try Data(file.text.utf8).write(to: file.file) }
    command.input = files[0].file.path
    command.output = files[1].file.path
    let child = try command.start()
    let output = try FileHandle(forReadingFrom: files[1].file)
    for file in files { try FileManager.default.removeItem(at: file.file) }
    succeeded = child.wait().isGood
    text = String(decoding: output.readDataToEndOfFile(), as: UTF8.self)
  }

  public var lines: [String] { text.split(separator: "\n").map(String.init) }

  /// What a check complains of: what it printed, or that it failed without a word.
  public func complaints(of name: String) -> [String] {
    lines.isEmpty && !succeeded ? ["\(name): it failed, and says nothing"] : lines
  }

  /// What it printed, where it must succeed.
  public static func text(_ program: String, _ arguments: [String], input: String? = nil) throws -> String {
    let run = try Run(program, arguments, input: input, mergingErrors: false)
    guard run.succeeded else { throw Unable("\(program) \(arguments.joined(separator: " ")): it failed") }
    return run.text
  }
}
