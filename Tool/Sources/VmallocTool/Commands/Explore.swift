import ArgumentParser
import LinuxMemory
import VmallocReplay

/// Makes a picture of the address space.
struct Explore: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw the vmalloc space as one HTML file: a map to zoom, owners, page tables, and time.",
    discussion: """
      FILE is a copy of /proc/vmallocinfo, the report of a booted kernel of this project (make run \
      LISTING=all), or a trace, which is drawn as Linux placed its areas or, with --policy, as this \
      project's manager does, with page frames and counters. The file that is written needs no network.

      EXAMPLES
        vmalloc explore -o vmalloc.html                     the running kernel, as root
        vmalloc explore trace.txt -o boot.html              a trace, with its time
        vmalloc explore trace.txt --policy warm -o ours.html
        make run LISTING=all | vmalloc explore - -o run.html
      """)

  @Argument(help: "The list or trace to draw; - is standard input.", completion: .file())
  var file = InputOptions.live

  @Option(name: .shortAndLong, help: "The file to write; - is standard output.", completion: .file())
  var output = "vmalloc.html"

  @Option(help: "Replay a trace under this policy, and draw that.", transform: Policy.parse)
  var policy: Policy?

  @Option(help: "The title of the picture; the file's name unless told otherwise.")
  var title: String?

  @Flag(help: "Refuse damaged lines, with the line's number.")
  var strict = false

  func run() throws {
    try ExitStatus.catching {
      let bar = ProgressBar()
      var picture = try PictureInput.read(file, policy, isStrict: strict, bar)
      if let title { picture.title = title }
      let page = ExplorerPage.html(picture)
      if output == "-" {
        Screen.write(page)
      } else {
        try OutputFile.write(page, to: output)
        Screen.complain(
          "vmalloc: \(output): \(picture.areas.count) areas, \(Sizes.human(UInt64(page.utf8.count))).")
      }
      for note in picture.notes { Screen.complain("vmalloc: \(note)") }
    }
  }
}

/// Reads what can be drawn.
enum PictureInput {
  static func read(_ path: String, _ policy: Policy?, isStrict: Bool, _ bar: ProgressBar) throws -> Picture {
    let text = try WholeInput.read(path)
    let name = path == "-" ? "standard input" : path
    let snapshot = try? Snapshot.read(text, name: name, keepingAreas: true, isStrict: isStrict)
    if policy == nil, let snapshot, snapshot.areaCount > 0, snapshot.report.traceLines == 0 {
      return Picture(snapshot)
    }
    let recording: Recording
    do {
      recording = try Recording.read(text, name: name, isStrict: isStrict)
    } catch let error as RecordingError {
      guard let snapshot, snapshot.areaCount > 0 else { throw error }
      recording = Recording(snapshot)
    }
    guard let policy else { return Picture(recording) }
    var settings = ReplaySettings()
    settings.keepsPicture = true
    settings.isVerified = false
    let run = try PolicyRun(recording, policy, settings) { bar.show("\(policy)", $0, of: $1) }
    bar.clear()
    guard run.refusal.isEmpty, var picture = run.picture else {
      throw InputError.unsuitable(name, "the replay was refused: \(run.refusal)")
    }
    picture.title += ", replayed: \(policy)"
    return picture
  }
}

/// A file that is written in one go.
enum OutputFile {
  /// Says that a file cannot be written before the work is done that would be lost.
  static func check(_ path: String) throws {
    if unsafe access(path, F_OK) == 0 {
      if unsafe access(path, W_OK) != 0 { throw InputError.system(path, errno) }
      return
    }
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    if unsafe access(folder, W_OK) != 0 { throw InputError.system(path, errno) }
  }

  static func write(_ text: String, to path: String) throws {
    guard let file = unsafe fopen(path, "w") else { throw InputError.system(path, errno) }
    let bytes = Array(text.utf8)
    let written = unsafe bytes.withUnsafeBytes { unsafe fwrite($0.baseAddress, 1, $0.count, file) }
    let number = errno
    guard unsafe fclose(file) == 0, written == bytes.count else { throw InputError.system(path, number) }
  }
}
