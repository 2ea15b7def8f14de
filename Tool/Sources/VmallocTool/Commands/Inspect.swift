import ArgumentParser
import LinuxMemory

/// Sums up a list of areas.
struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show who holds the vmalloc space: areas, address space, pages.")

  @Argument(help: "A copy of /proc/vmallocinfo; - is standard input.")
  var file = "/proc/vmallocinfo"

  func run() throws {
    var reader = try LineReader(path: file)
    var lines = 0
    try reader.forEachLine { _, number in lines = number }
    print("\(reader.name): \(lines) lines")
  }
}
