import ArgumentParser
import LinuxMemory

/// Shows what grows, again and again.
struct Watch: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show live who holds the vmalloc space and what grew since the start.",
    discussion: """
      On a terminal a picture is drawn every few seconds; q ends it, s changes the order of rows, the arrows \
      scroll. In a pipe or a file each reading is one line of key=value words.

      EXAMPLES
        sudo vmalloc watch                           every two seconds
        sudo vmalloc watch -d 60 -n 60 >>growth.log  a line a minute, for an hour
        sudo vmalloc watch /proc/allocinfo           by function, with the allocations of slabs and pages, too
      """)

  @Argument(help: "The list to read again and again.", completion: .file())
  var file = InputOptions.live

  @Option(
    name: [.customShort("d"), .long], parsing: .unconditional, help: "Seconds from one reading to the next.")
  var delay = 2.0

  @Option(
    name: [.customShort("n"), .long], parsing: .unconditional, help: "End after so many readings; 0 goes on.")
  var count = 0

  @Option(
    name: [.customShort("f"), .long], help: "Only callers that contain this; * and ? stand for any letters.")
  var filter = ""

  @Option(help: "When to use colours: auto, always, never.")
  var color = ColorChoice.auto

  mutating func validate() throws {
    if !(delay >= 0.1 && delay <= 86_400) {
      throw ValidationError("--delay takes seconds from 0.1 to 86400.")
    }
    if count < 0 { throw ValidationError("--count takes a number from 0 on.") }
    if file == "-" { throw ValidationError("Standard input cannot be read again and again: name a file.") }
  }

  func run() throws {
    try ExitStatus.catching {
      let start = try read()
      if let terminal = Terminal() {
        watch(on: terminal, from: start)
      } else {
        try printLines(from: start)
      }
    }
  }

  private func read() throws -> Usage {
    let snapshot = try Snapshot.read(path: file)
    try InputOptions.refuseUseless(snapshot)
    var filter = AreaFilter()
    filter.pattern = self.filter
    return Usage(snapshot, filter)
  }

  private func printLines(from start: Usage) throws {
    var now: Usage? = start
    var readings = 0
    while true {
      // What could not be read is no reading, and gets no line.
      if let now {
        Screen.print([WatchFrame(start: start, now: now).summaryLine(time: Clock.timestamp())])
      }
      readings += 1
      if readings == count { return }
      usleep(UInt32(delay * 1_000_000))
      do {
        now = try read()
      } catch let error as InputError {
        // /proc/allocinfo can vanish while it is read: the next reading may succeed.
        Screen.complain("vmalloc: \(error.description)")
        now = nil
      }
    }
  }

  private func watch(on terminal: consuming Terminal, from start: Usage) {
    var frame = WatchFrame(start: start, now: start)
    let paint = Paint(color)
    let began = Clock.milliseconds()
    var readings = 1
    var next = began + Int(delay * 1000)
    while true {
      let (width, height) = terminal.size
      terminal.draw(frame.lines(width: width, height: height, paint))
      switch terminal.wait(milliseconds: max(0, next - Clock.milliseconds())) {
      case .end(let number): terminal.end(by: number)
      case .key(.quit): return
      case .key(let key): Self.answer(key, &frame, height)
      case .resize: break
      case .timeout:
        if readings == count { return }
        readings += 1
        next += Int(delay * 1000)
        if next < Clock.milliseconds() { next = Clock.milliseconds() + Int(delay * 1000) }
        frame = again(frame, began)
      }
    }
  }

  private func again(_ frame: WatchFrame, _ began: Int) -> WatchFrame {
    var next = frame
    do {
      next = WatchFrame(start: frame.start, now: try read(), sort: frame.sort, offset: frame.offset)
    } catch {
      next.problem = "\(error)"
    }
    next.seconds = (Clock.milliseconds() - began) / 1000
    return next
  }

  private static func answer(_ key: Key, _ frame: inout WatchFrame, _ height: Int) {
    let last = max(0, frame.rows.count - 1)
    switch key {
    case .sort: frame.sort = frame.sort.next
    case .up: frame.offset = max(0, frame.offset - 1)
    case .down: frame.offset = min(last, frame.offset + 1)
    case .pageUp: frame.offset = max(0, frame.offset - height)
    case .pageDown: frame.offset = min(last, frame.offset + height)
    case .home: frame.offset = 0
    case .quit, .other: break
    }
  }
}

/// Time, without Foundation.
enum Clock {
  /// Milliseconds of a clock that is never set.
  static func milliseconds() -> Int {
    var now = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec * 1000 + now.tv_nsec / 1_000_000
  }

  /// `2026-11-26T21:00:00Z`.
  static func timestamp() -> String {
    var now = time(nil)
    var parts = unsafe tm()
    unsafe gmtime_r(&now, &parts)
    func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let date = unsafe "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
    return unsafe "\(date)T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
  }
}
