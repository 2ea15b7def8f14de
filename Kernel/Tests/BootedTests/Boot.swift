import Foundation

/// A machine that was booted, and ended.
struct Boot {
  /// The emulator's exit status: (value << 1) | 1 of what the kernel wrote to isa-debug-exit.
  let status: Int32
  /// What the kernel said on the serial port.
  let serial: String
  /// What the emulator's monitor answered.
  let monitor: String

  /// What the kernel itself said: firmware's banner comes before it on the same port, where there is one.
  var kernelText: Substring {
    guard let banner = serial.ranges(of: "\nBoot HART MEDELEG").last,
      let end = serial[banner.upperBound...].firstIndex(of: "\n")
    else { return serial[...] }
    return serial[serial.index(after: end)...]
  }

  var kernelLines: [Substring] { kernelText.split(separator: "\n") }

  /// The lines `name=value` of the job's report.
  var values: [String: String] {
    var values: [String: String] = [:]
    for line in serial.split(separator: "\n") {
      let parts = line.split(separator: "=")
      if parts.count == 2, !line.contains(" ") { values[String(parts[0])] = String(parts[1]) }
    }
    return values
  }

  /// Boots and waits for the end.
  static func run(_ setup: Setup) throws -> Boot {
    try Machine(setup).finish()
  }

  /// Boots, waits until the kernel says that it holds, asks the monitor, and ends the machine, unless what
  /// was asked does.
  static func hold(_ setup: Setup, asking commands: [String], thenQuits: Bool = true) throws -> Boot {
    let machine = try Machine(setup)
    try machine.wait(forLine: "holding")
    try machine.tell(commands + (thenQuits ? ["quit"] : []))
    return try machine.finish()
  }
}

/// A running emulator. Nothing waits longer than a limit far above what any run takes.
private final class Machine {
  private static let limit: TimeInterval = 120

  private let process = Process()
  private let commands = Pipe()
  private let folder: URL
  private let deadline = Date(timeIntervalSinceNow: limit)

  private var serial: URL { folder.appending(path: "serial") }
  private var monitor: URL { folder.appending(path: "monitor") }

  init(_ setup: Setup) throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "booted-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try Data().write(to: serial)
    try Data().write(to: monitor)
    guard let emulator = setup.architecture.emulator else {
      throw CannotBoot(description: setup.architecture.absence)
    }
    process.executableURL = URL(filePath: emulator)
    process.arguments = try setup.arguments(serial: serial)
    process.standardInput = commands
    process.standardOutput = try FileHandle(forWritingTo: monitor)
    process.standardError = process.standardOutput
    try process.run()
  }

  deinit {
    if process.isRunning { process.terminate() }
    try? FileManager.default.removeItem(at: folder)
  }

  func wait(forLine line: String) throws {
    try wait("the kernel to say \"\(line)\"") {
      try text(serial).hasSuffix("\n\(line)\n") || !process.isRunning
    }
  }

  func tell(_ lines: [String]) throws {
    try commands.fileHandleForWriting.write(contentsOf: Data(lines.map { $0 + "\n" }.joined().utf8))
  }

  func finish() throws -> Boot {
    try wait("the machine to end") { !process.isRunning }
    return Boot(status: process.terminationStatus, serial: try text(serial), monitor: try text(monitor))
  }

  private func wait(_ event: String, until hasHappened: () throws -> Bool) throws {
    while try !hasHappened() {
      guard Date() < deadline else {
        throw CannotBoot(
          description: "waited \(Int(Self.limit)) s for \(event); the serial port has\n\(try text(serial))")
      }
      Thread.sleep(forTimeInterval: 0.02)
    }
  }

  /// Firmware ends its lines with a carriage return, too, which is one character with the newline.
  private func text(_ file: URL) throws -> String {
    String(decoding: try Data(contentsOf: file), as: UTF8.self).replacing("\r\n", with: "\n")
  }
}
