import Foundation
import LinuxMemory
import Testing
import VmallocReplay

@testable import VmallocTool

/// The report of `make run` and of `vmalloc replay` is one, and its list is read where lists are read.
@Suite struct ReplayReportTests {
  private static let report = Result {
    var settings = ReplaySettings()
    settings.listsAllAreas = true
    return try PolicyRun(try Recording.read(path: Boot.trace), try Policy("strict"), settings).report
  }

  /// Nothing but the rows of the list is an area, and nothing is said to be unread.
  private func check(_ report: String) throws {
    let snapshot = try Lists.read(report)
    #expect(snapshot.areaCount == 281 && snapshot.sums().pages == 3282)
    #expect(snapshot.addressCounts[Int(AddressState.real.rawValue)] == 281)
    #expect(snapshot.report.isClean && snapshot.report.foreign > 100, "\(snapshot.report)")
    let picture = Picture(snapshot)
    #expect(picture.areas.count == 281 && picture.notes.isEmpty)
    #expect(picture.owners.contains("busybox") && picture.owners.contains("kworker/0:0"))
  }

  @Test func theListOfAReplayIsRead() throws { try check(try Self.report.get()) }

  @Test func theReportThatWasMailedIsRead() throws {
    let quoted = try Self.report.get().split(separator: "\n", omittingEmptySubsequences: false).map {
      "> " + $0
    }
    let snapshot = try Lists.read(quoted.joined(separator: "\n"))
    #expect(snapshot.areaCount == 281 && snapshot.report[.unread] == 0 && snapshot.report[.cut] == 0)
  }

  @Test func theProgramReadsItFromAPipe() throws {
    let report = Array(try Self.report.get().utf8)
    let inspected = try Program.run(["inspect", "-", "--by", "kind", "-j"], input: report)
    #expect(inspected.status == 0 && inspected.errors.isEmpty && inspected.output.contains("\"areas\": 281,"))
    let explored = try Program.run(["explore", "-", "-o", "-"], input: report)
    #expect(explored.status == 0 && explored.output.contains("\"count\":281") && explored.errors.isEmpty)
  }

  /// The kernel in `Kernel/` boots, and its serial port is the input.
  @Test(.enabled(if: Emulator.canBoot, Comment(rawValue: Emulator.absence)))
  func theReportOfTheBootedKernelIsRead() throws {
    let serial = try Emulator.boot(options: "listing=all")
    try #require(serial.contains("verdict=pass"), "\(serial)")
    try check(serial)
    // But for where frames lie, and the machine's name, it is the report of the tool.
    func figures(_ text: String) -> [Substring] {
      text.split(separator: "\n").filter { $0.contains("=") && !$0.contains(" ") && !$0.hasPrefix("frames.") }
    }
    #expect(figures(serial).filter { !$0.hasPrefix("status=") } == figures(try Self.report.get()))
  }
}

/// QEMU with the project's kernel, where both are.
private enum Emulator {
  static let absence = "no qemu-system-x86_64, or no kernel: Scripts/kernel.sh build"
  static let canBoot = emulator != nil && FileManager.default.fileExists(atPath: kernel)

  private static let emulator = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    .map { "\($0)/qemu-system-x86_64" }.first(where: FileManager.default.isExecutableFile)

  /// Where Scripts/kernel.sh puts it, unless VMALLOC_KERNEL says otherwise.
  private static let kernel =
    ProcessInfo.processInfo.environment["VMALLOC_KERNEL"]
    ?? URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../../Kernel/.build-kernel/x86_64-unknown-none-elf/release/Kernel")
    .standardizedFileURL.path

  /// What the kernel says on its serial port until it ends.
  static func boot(options: String) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: emulator ?? "")
    process.arguments = [
      "-accel", "tcg", "-cpu", "max", "-m", "1024", "-display", "none", "-serial", "stdio", "-monitor",
      "none",
      "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-kernel", kernel, "-initrd",
      Boot.trace,
      "-append", options,
    ]
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let deadline = DispatchWorkItem { process.terminate() }
    DispatchQueue.global().asyncAfter(deadline: .now() + 120, execute: deadline)
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    deadline.cancel()
    return String(decoding: data, as: UTF8.self).replacing("\r\n", with: "\n")
  }
}
