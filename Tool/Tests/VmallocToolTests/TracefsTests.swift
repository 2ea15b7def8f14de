import Foundation
import LinuxMemory
import Testing

@testable import VmallocTool

/// A folder that looks like tracefs: recording needs root and a kernel with these events, which a test has
/// not.
private struct FakeTracefs {
  let folder = FileManager.default.temporaryDirectory.appending(path: "tracefs-\(UUID().uuidString)").path
  static let files = [
    "buffer_size_kb": "7 (expanded: 1408)", "events/vmalloc/enable": "0", "tracing_on": "1",
  ]
  static let trace = "# tracer: nop\n"

  init(hasInstances: Bool) throws {
    try Self.fill(folder)
    if hasInstances {
      try FileManager.default.createDirectory(
        atPath: folder + "/instances", withIntermediateDirectories: true)
    }
  }

  static func fill(_ folder: String) throws {
    try FileManager.default.createDirectory(
      atPath: folder + "/events/vmalloc", withIntermediateDirectories: true)
    for (name, value) in files {
      try (value + "\n").write(toFile: folder + "/" + name, atomically: false, encoding: .utf8)
    }
    try trace.write(toFile: folder + "/trace", atomically: false, encoding: .utf8)
  }

  func text(_ name: String) throws -> String {
    try String(contentsOfFile: folder + "/" + name, encoding: .utf8)
  }

  func remove() { try? FileManager.default.removeItem(atPath: folder) }
}

@Suite(.serialized) struct TracefsTests {
  @Test func withoutInstancesEveryValueIsPutBack() throws {
    let fake = try FakeTracefs(hasInstances: false)
    defer { fake.remove() }
    var told: [String] = []
    var tracefs = Tracefs(folder: fake.folder)
    tracefs.tell = { told.append($0.replacing(fake.folder, with: "T")) }
    tracefs.sleep = { _ in
      told.append("sleep")
      #expect((try? fake.text("events/vmalloc/enable")) == "1\n")
      #expect((try? fake.text("buffer_size_kb")) == "16384\n")
    }
    let output = fake.folder + "/out.txt"
    try tracefs.record(seconds: 5, to: output)
    #expect(try String(contentsOfFile: output, encoding: .utf8) == FakeTracefs.trace)
    #expect(try fake.text("events/vmalloc/enable") == "0\n")
    #expect(try fake.text("buffer_size_kb") == "7\n")
    #expect(try fake.text("tracing_on") == "1\n")
    #expect(
      told == [
        "echo 16384 > T/buffer_size_kb", "echo 1 > T/events/vmalloc/enable", "echo 1 > T/tracing_on", "sleep",
        "echo 0 > T/tracing_on", "cat T/trace > T/out.txt", "echo 1 > T/tracing_on",
        "echo 0 > T/events/vmalloc/enable", "echo 7 > T/buffer_size_kb",
      ])
  }

  @Test func anInstanceOfItsOwnIsRemoved() throws {
    let fake = try FakeTracefs(hasInstances: true)
    defer { fake.remove() }
    var told: [String] = []
    var tracefs = Tracefs(folder: fake.folder)
    tracefs.tell = { told.append($0.replacing(fake.folder, with: "T")) }
    tracefs.sleep = { _ in }
    tracefs.makeFolder = { path in
      (try? FakeTracefs.fill(path)) == nil ? 5 : 0
    }
    tracefs.removeFolder = { path in (try? FileManager.default.removeItem(atPath: path)) == nil ? 5 : 0 }
    try tracefs.record(seconds: 5, to: fake.folder + "/out.txt")
    let instance = "T/instances/vmalloc-\(getpid())"
    #expect(told.first == "mkdir \(instance)" && told.last == "rmdir \(instance)")
    #expect(told.contains("echo 1 > \(instance)/events/vmalloc/enable"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: fake.folder + "/instances").isEmpty)
    #expect(try fake.text("events/vmalloc/enable") == "0\n")
  }

  /// What fails half-way is undone, too.
  @Test func anErrorPutsBackWhatWasChanged() throws {
    let fake = try FakeTracefs(hasInstances: false)
    defer { fake.remove() }
    try FileManager.default.removeItem(atPath: fake.folder + "/tracing_on")
    var tracefs = Tracefs(folder: fake.folder)
    tracefs.tell = { _ in }
    #expect(throws: InputError.self) { try tracefs.record(seconds: 5, to: fake.folder + "/out.txt") }
    #expect(try fake.text("events/vmalloc/enable") == "0\n")
    #expect(try fake.text("buffer_size_kb") == "7\n")
  }

  @Test func whatIsMissingIsSaid() throws {
    let nowhere = #expect(throws: InputError.self) {
      try Tracefs(folder: "/nowhere/tracing").record(seconds: 1, to: "x")
    }
    #expect(nowhere?.description.contains("mount -t tracefs") == true)
    let fake = try FakeTracefs(hasInstances: false)
    defer { fake.remove() }
    // Nothing is recorded for a file that cannot be written.
    let lost = #expect(throws: InputError.self) {
      try Tracefs(folder: fake.folder).record(seconds: 1, to: "/no/where")
    }
    #expect(lost?.description.hasPrefix("/no/where: ") == true)
    #expect(try fake.text("buffer_size_kb") == "7 (expanded: 1408)\n")
    try FileManager.default.removeItem(atPath: fake.folder + "/events/vmalloc")
    let old = #expect(throws: InputError.self) {
      try Tracefs(folder: fake.folder).record(seconds: 1, to: "x")
    }
    #expect(old?.description.contains("no events of vmalloc") == true)
    // A folder on which nothing is mounted, as /sys/kernel/tracing is.
    try FileManager.default.removeItem(atPath: fake.folder + "/events")
    let empty = #expect(throws: InputError.self) {
      try Tracefs(folder: fake.folder).record(seconds: 1, to: "x")
    }
    #expect(empty?.description.contains("mount -t tracefs") == true)
  }

  /// An interrupt ends the wait, and only that: the program lives to put things back.
  @Test func anInterruptEndsTheWait() {
    Interrupts.watch()
    defer { Interrupts.unwatch() }
    pthread_kill(pthread_self(), SIGINT)
    let start = ContinuousClock.now
    Interrupts.sleep(seconds: 20)
    #expect(ContinuousClock.now - start < .seconds(5))
  }
}
