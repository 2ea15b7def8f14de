import Foundation
import Processes
import Testing

/// The program itself, in a folder where whatever it runs is a script of a few lines.
@Suite struct ProgramTests {
  private final class Place {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)

    init() throws {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    /// By another program: what one has open for writing, a child that it begins meanwhile has too, and then
    /// nobody can run it.
    func write(_ text: String, _ path: String) throws {
      let script = #"mkdir -p "${1%/*}" && cat >"$1" && chmod 755 "$1""#
      let run = try Run("sh", ["-c", script, "sh", "\(folder.path)/\(path)"], input: text)
      #expect(run.succeeded, "\(run.text)")
    }

    func read(_ path: String) -> String? {
      try? String(contentsOf: folder.appendingPathComponent(path), encoding: .utf8)
    }

    func number(_ path: String) -> pid_t? {
      read(path).flatMap { pid_t($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }

    /// Only what is in `bin` is found; the program's number is in `number`.
    func command(_ task: [String]) -> Command {
      let tasks = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../.build/debug/tasks").standardizedFileURL.path
      var command = Command(
        "/bin/sh", ["-c", #"echo $$ >number; exec "$@""#, "sh", tasks] + task,
        environment: ["PATH": folder.path + "/bin"])
      command.folder = folder.path
      command.output = folder.path + "/output"
      return command
    }
  }

  /// A place where all suites build but one, and one crashes in its second test.
  private func placeOfSuites() throws -> Place {
    let place = try Place()
    try place.write("", "Tests/ATests/A.swift")
    try place.write("#!/bin/sh\nexit 1\n", "Scripts/setup.sh")
    try place.write(
      #"""
      #!/bin/sh
      case "$*" in build*--package-path\ Tool*) exit 1 ;; build*) exit 0 ;; esac
      echo "$VMALLOC_TESTS,$CPUS" >>asked
      while [ "$1" != --event-stream-output-path ]; do shift; done
      plan() { echo '{"kind":"test","payload":{"kind":"function","id":"'$1'"}}' >>"$events"; }
      event() { echo '{"kind":"event","payload":{"kind":"'$1'","testID":"'$2'","messages":[]}}' >>"$events"; }
      events=$2
      plan a
      case $events in *heavy*) plan b ;; esac
      event testEnded a
      case $events in *heavy*) echo "b is to blame"; kill -SEGV $$ ;; esac
      echo '{"kind":"event","payload":{"kind":"runEnded"}}' >>"$events"
      """#, "bin/swift")
    return place
  }

  @Test func theLastLineIsTheSumOfAllSuites() throws {
    let place = try placeOfSuites()
    var command = place.command(["test"])
    command.environment["CPUS"] = "7"
    #expect(try command.run() == Ending(status: 1, isLate: false))
    let output = try #require(place.read("output"))
    #expect(output.hasSuffix("\n7 passed, 2 failed\n"), "\(output)")
    #expect(output.contains("heavy tests: 1 passed, 1 failed, 0 skipped in 0 s; the process ended before"))
    #expect(output.contains("\nb is to blame\n") && output.contains("\ntool tests: does not build\n"))
    for emulator in ["aarch64", "riscv64"] { #expect(output.contains("qemu-system-\(emulator) is missing")) }
    #expect(output.contains("test: the tests that boot the kernel are skipped"))
    // No terminal, no progress; and what the kernel may be asked for is nothing that tests are asked for.
    #expect(!output.contains("\r"))
    #expect(place.read("asked") == ",\nATests,\nHeavyTests,\nAblationTests,\nThreadTests,\n,\n,\n")
  }

  @Test(.timeLimit(.minutes(1)), arguments: [SIGINT, SIGTERM])
  func anInterruptLeavesNothingBehind(signal: Int32) throws {
    let place = try Place()
    try place.write("", "Kernel/.build-kernel/x86_64-unknown-none-elf/release/Kernel")
    try place.write("", "Examples/traces/debian-6.12-boot/trace.txt")
    // One that leaves something behind that no interrupt reaches.
    try place.write(
      """
      #!/bin/sh
      /bin/sleep 51 &
      echo $! >stray
      echo $$ >emulator
      exec /bin/sleep 50
      """, "bin/qemu-system-x86_64")
    let child = try place.command(["kernel", "run"]).start()
    for _ in 0..<1000 where place.number("emulator") == nil { usleep(10_000) }
    let emulator = try #require(place.number("emulator"), "\(place.read("output") ?? "")")
    kill(try #require(place.number("number")), signal)
    #expect(child.wait() == Ending(status: 128 + signal, isLate: false))
    #expect(kill(emulator, 0) == -1)
    // It is asked to end, and does.
    let stray = try #require(place.number("stray"))
    for _ in 0..<500 where isRunning(stray) { usleep(10_000) }
    #expect(!isRunning(stray))
  }

  /// Not so where nobody has asked how it ended, either.
  private func isRunning(_ process: pid_t) -> Bool {
    let words = try? FileHandle(forReadingFrom: URL(filePath: "/proc/\(process)/cmdline")).readToEnd()
    return words.map { !$0.isEmpty } ?? false
  }

  @Test func whatIsWrongIsSaid() throws {
    let place = try Place()
    #expect(try place.command(["kernel", "run"]).run().status == 2)
    #expect(place.read("output") == "kernel: not built yet; run: Scripts/kernel.sh build\n")
    #expect(try place.command(["dance"]).run().status == 2)
    #expect(place.read("output")?.hasPrefix("usage: tasks kernel | run") == true)
  }
}
