import LinuxMemory
import Testing

@testable import VmallocTool

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

@Suite struct WatchTests {
  private func frame() throws -> WatchFrame {
    WatchFrame(
      start: Usage(try Lists.read(Lists.morning), AreaFilter()),
      now: Usage(try Lists.read(Lists.evening), AreaFilter()),
      seconds: 75)
  }

  @Test func theFrameShowsGrowthFirst() throws {
    let lines = try frame().lines(width: 100, height: 8, Paint(.never))
    #expect(
      lines == [
        "vmalloc watch, 1 min 15 s; by growth; s: order, arrows: scroll, q: end",
        "pages 2.1 MiB (+16.0 KiB), space 4.1 MiB, lazy 40.0 KiB, 10 areas (+2)", "",
        "   PAGES     GROWTH     SPACE  AREAS  MORE  OWNER",
        "48.0 KiB  +16.0 KiB  60.0 KiB      3    +1  kernel_clone",
        "12.0 KiB  +12.0 KiB  16.0 KiB      1    +1  probe [other]",
        "       -          -  40.0 KiB      2    +1  unpurged (no owner)",
        " 2.0 MiB          -   2.0 MiB      1     -  alloc_large_system_hash",
      ])
  }

  @Test func everyFrameFitsItsTerminal() throws {
    var frame = try frame()
    frame.problem = String(repeating: "long ", count: 40)
    for sort in WatchSort.allCases {
      frame.sort = sort
      for (width, height) in [(20, 5), (40, 10), (80, 24), (200, 60), (1, 1), (3, 50), (9, 2)] {
        frame.offset = 3
        let lines = frame.lines(width: width, height: height, Paint(.never))
        #expect(lines.count <= height)
        for line in lines { #expect(line.count <= width, "\(width)") }
      }
    }
  }

  @Test func ordersGoRound() throws {
    #expect(
      (0..<5).reduce(into: [WatchSort.growth]) { all, _ in all.append(all.last?.next ?? .name) }.last
        == .growth)
    var frame = try frame()
    frame.sort = .name
    #expect(frame.rows.first?.owner.name == "alloc_large_system_hash")
    frame.sort = .pages
    #expect(
      frame.rows.first?.owner.name == "alloc_large_system_hash" && frame.rows[1].owner.name == "kernel_clone")
  }

  @Test func aLineOfAPipeIsWordsOfKeyAndValue() throws {
    let line = try frame().summaryLine(time: "T")
    #expect(line == "T pages=2158592 growth=16384 space=4333568 lazy=40960 areas=10 most=kernel_clone:16384")
  }

  @Test(arguments: [
    ("q", Key.quit), ("s", .sort), ("\u{1B}[A", .up), ("\u{1B}[B", .down), ("\u{1B}[5~", .pageUp),
    ("x", .other),
  ])
  func keysAreKnown(_ bytes: String, _ key: Key) { #expect(Terminal.key(Array(bytes.utf8)[...]) == key) }

  @Test func aPipeGetsALineATickAndNoHeading() throws {
    let path = "/tmp/vmalloc-watch-\(getpid())"
    try Program.write(Array(Lists.morning.utf8), to: path)
    defer { unlink(path) }
    let result = try Program.run(["watch", path, "-d", "0.1", "-n", "3"])
    let lines = result.output.split(separator: "\n")
    #expect(result.status == 0 && lines.count == 3)
    for line in lines { #expect(line.contains(" pages=2142208 growth=0 ")) }
    #expect(try Program.run(["watch", "/no/such/file"]).status == 3)
    #expect(try Program.run(["watch", "-d", "0"]).status == 2)
  }

  /// What ends the program, and the status that a shell sees.
  @Test(arguments: [
    ("q", Int32(0), Int32(0)), ("", SIGINT, 128 + SIGINT), ("", SIGTERM, 128 + SIGTERM),
    ("", SIGHUP, 128 + SIGHUP),
    ("", SIGQUIT, 128 + SIGQUIT), ("", SIGPIPE, 128 + SIGPIPE), ("", SIGSEGV, 128 + SIGSEGV),
    ("", SIGABRT, 128 + SIGABRT), ("", SIGBUS, 128 + SIGBUS), ("", SIGFPE, 128 + SIGFPE),
    ("", SIGILL, 128 + SIGILL), ("", SIGTRAP, 128 + SIGTRAP),
  ])
  func theTerminalIsGivenBackWhateverEndsIt(_ key: String, _ number: Int32, _ status: Int32) throws {
    let path = "/tmp/vmalloc-pty-\(getpid())-\(number)"
    try Program.write(Array(Lists.morning.utf8), to: path)
    defer { unlink(path) }
    let terminal = try PseudoTerminal()
    let before = try terminal.settings()
    let child = try terminal.spawn(["watch", path, "-d", "0.1"])
    try #require(terminal.reads("OWNER"))
    #expect(try terminal.settings().c_lflag != before.c_lflag)
    terminal.resize(columns: 40, rows: 8)
    kill(child, SIGWINCH)
    terminal.type(key)
    if number != 0 { kill(child, number) }
    // A core that is dumped, or a backtrace, takes its time.
    #expect(terminal.reads("\u{1B}[?1049l"))
    #expect(try Program.wait(child) & 0x7F == status & 0x7F)
    #expect(try terminal.settings().c_lflag == before.c_lflag)
  }
}

extension WatchTests {
  /// What is on the screen of a terminal of any size is no wider than it.
  @Test(arguments: [(1, 1), (7, 3), (20, 6), (33, 12)] as [(UInt16, UInt16)])
  func aSmallTerminalHasNoLineThatIsTooLong(_ columns: UInt16, _ rows: UInt16) throws {
    let path = "/tmp/vmalloc-small-\(getpid())-\(columns)"
    try Program.write(Array(Lists.evening.utf8), to: path)
    defer { unlink(path) }
    let terminal = try PseudoTerminal()
    let before = try terminal.settings()
    terminal.resize(columns: columns, rows: rows)
    let child = try terminal.spawn(["watch", path, "-d", "0.1", "--color", "never"])
    let screen = try #require(terminal.text(until: "\u{1B}[J"))
    let picture = try #require(screen.split(separator: "\u{1B}[H").last)
    var shown = ""
    shown.unicodeScalars.append(contentsOf: picture.unicodeScalars.filter { $0 != "\r" })
    let lines = shown.replacing("\u{1B}[J", with: "").replacing("\u{1B}[K", with: "").split(
      separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count <= rows && lines.contains { $0.count > 0 })
    for line in lines { #expect(line.count <= Int(columns)) }
    terminal.type("q")
    #expect(terminal.reads("\u{1B}[?1049l"))
    #expect(try Program.wait(child) == 0)
    #expect(try terminal.settings().c_lflag == before.c_lflag)
  }

  /// Ctrl-Z gives the terminal to the shell, and `fg` takes it again.
  @Test func aStoppedWatchHasGivenTheTerminalBack() throws {
    let path = "/tmp/vmalloc-stop-\(getpid())"
    try Program.write(Array(Lists.morning.utf8), to: path)
    defer { unlink(path) }
    let terminal = try PseudoTerminal()
    let before = try terminal.settings()
    let child = try terminal.spawn(["watch", path, "-d", "0.1"])
    try #require(terminal.reads("OWNER"))
    kill(child, SIGTSTP)
    #expect(terminal.reads("\u{1B}[?1049l"))
    #expect(Program.hasStopped(child))
    #expect(try terminal.settings().c_lflag == before.c_lflag)
    kill(child, SIGCONT)
    #expect(terminal.reads("OWNER"))
    #expect(try terminal.settings().c_lflag != before.c_lflag)
    kill(child, SIGTERM)
    #expect(terminal.reads("\u{1B}[?1049l"))
    #expect(try Program.wait(child) & 0x7F == SIGTERM)
    #expect(try terminal.settings().c_lflag == before.c_lflag)
  }

  /// A reading that fails gets no line, and the next one may succeed, as when /proc/allocinfo comes and goes.
  @Test func aFileThatVanishesInBetweenIsReadAgain() throws {
    let path = "/tmp/vmalloc-gone-\(getpid())"
    try Program.write(Array(AllocinfoTests.file.utf8), to: path)
    defer { unlink(path) }
    let terminal = try PseudoTerminal()
    let child = try terminal.spawn(["watch", path, "-d", "0.1"])
    try #require(terminal.reads("alloc_slab_page"))
    unlink(path)
    #expect(terminal.reads("there is no such file"))
    try Program.write(Array(AllocinfoTests.file.utf8), to: path)
    let screen = try #require(terminal.text(until: "0 min 1 s"))
    #expect(screen.split(separator: "\u{1B}[H").last?.contains("no such file") == false)
    terminal.type("q")
    #expect(try Program.wait(child) == 0)
  }
}

/// A terminal whose keyboard and screen are in this program's hands.
struct PseudoTerminal {
  private let main: Int32
  private let path: String
  private let other: Int32

  init() throws {
    // Linux's own requests to unlock the other end (TIOCSPTLCK) and to ask for its number (TIOCGPTN).
    main = unsafe open("/dev/ptmx", O_RDWR | O_NOCTTY)
    var unlocked: Int32 = 0
    var number: Int32 = 0
    try #require(
      unsafe main >= 0 && ioctl(main, 0x4004_5431, &unlocked) == 0 && ioctl(main, 0x8004_5430, &number) == 0)
    path = "/dev/pts/\(number)"
    // Held open, so that the settings outlive the program.
    other = unsafe open(path, O_RDWR | O_NOCTTY)
    try #require(other >= 0)
    resize(columns: 100, rows: 24)
  }

  func settings() throws -> termios {
    var settings = termios()
    try #require(unsafe tcgetattr(other, &settings) == 0)
    return settings
  }

  func resize(columns: UInt16, rows: UInt16) {
    var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    _ = unsafe ioctl(main, UInt(TIOCSWINSZ), &size)
  }

  func spawn(_ arguments: [String]) throws -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    for descriptor in Int32(0)...2 {
      unsafe posix_spawn_file_actions_addopen(&actions, descriptor, path, O_RDWR, 0)
    }
    return try Program.spawn(arguments, ["SWIFT_BACKTRACE=enable=no"], &actions)
  }

  /// Runs the program with the other end as its input, which gives these bytes and then hangs up.
  func hangUp(after text: String, reading arguments: [String]) throws -> Program.Result {
    var settings = try settings()
    settings.c_oflag = 0
    _ = unsafe tcsetattr(other, TCSANOW, &settings)
    let bytes = Array(text.utf8)
    #expect(unsafe write(other, bytes, bytes.count) == bytes.count)
    close(other)
    return try Program.run(arguments, inputDescriptor: main)
  }

  func type(_ text: String) {
    let bytes = Array(text.utf8)
    if !bytes.isEmpty { _ = unsafe write(main, bytes, bytes.count) }
  }

  /// Whether the screen shows some text within ten seconds.
  func reads(_ text: String) -> Bool { self.text(until: text) != nil }

  /// What comes up to some text, which is in it; nil where it does not come within ten seconds.
  func text(until text: String) -> String? {
    var seen: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    for _ in 0..<100 {
      var input = pollfd(fd: main, events: Int16(POLLIN), revents: 0)
      if unsafe poll(&input, 1, 100) > 0 {
        let count = unsafe read(main, &chunk, chunk.count)
        if count <= 0 { return nil }
        seen += chunk[..<count]
        let shown = String(decoding: seen, as: UTF8.self)
        if shown.contains(text) { return shown }
      }
    }
    return nil
  }
}
