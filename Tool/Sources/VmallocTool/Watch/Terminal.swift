// The terminal while `watch` has it: keys come one by one and without an echo, the cursor is hidden, and what
// is drawn is on a second screen, so that the first is as it was when the program has ended.
//
// Whatever ends the program gives the terminal back: the normal way, a signal that asks for the end, a stop
// by Ctrl-Z, and a crash. For the last one the saved settings lie in memory that a signal handler may read,
// and the handlers call nothing but what POSIX lets them: tcsetattr, write, signal, raise. Only SIGKILL
// cannot be answered.
import Synchronization

/// Signals that came and were not answered yet.
private let endingSignal = Atomic<Int32>(0)
private let stopRequested = Atomic<Bool>(false)
private let resized = Atomic<Bool>(false)

/// The settings to restore; valid while `isTaken`.
nonisolated(unsafe) private let savedSettings = UnsafeMutablePointer<termios>.allocate(capacity: 1)
private let isTaken = Atomic<Bool>(false)

/// Leave the second screen, show the cursor, end all colours.
private let leaving: StaticString = "\u{1B}[0m\u{1B}[?25h\u{1B}[?1049l"

/// Safe in a signal handler.
private func restoreTerminal() {
  guard isTaken.exchange(false, ordering: .sequentiallyConsistent) else { return }
  unsafe _ = tcsetattr(STDIN_FILENO, TCSANOW, savedSettings)
  unsafe _ = write(STDOUT_FILENO, leaving.utf8Start, leaving.utf8CodeUnitCount)
}

/// A key.
enum Key: Equatable {
  case quit, sort, up, down, pageUp, pageDown, home, other
}

/// What ended a wait.
enum WakeUp: Equatable {
  case timeout
  case key(Key)
  case resize
  /// A signal asks the program to end.
  case end(Int32)
}

/// The terminal of standard input and output, taken until this value is gone.
struct Terminal: ~Copyable {
  private var unblocked = sigset_t()

  /// Nil where standard input or output is none.
  init?() {
    guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1,
      unsafe tcgetattr(STDIN_FILENO, savedSettings) == 0
    else { return nil }
    installHandlers()
    take()
  }

  deinit { restoreTerminal() }

  private func take() {
    var settings = unsafe savedSettings.pointee
    settings.c_lflag &= ~tcflag_t(ICANON | ECHO)
    unsafe withUnsafeMutableBytes(of: &settings.c_cc) { codes in
      unsafe codes[Int(VMIN)] = 0
      unsafe codes[Int(VTIME)] = 0
    }
    isTaken.store(true, ordering: .sequentiallyConsistent)
    unsafe _ = tcsetattr(STDIN_FILENO, TCSANOW, &settings)
    Screen.write("\u{1B}[?1049h\u{1B}[?25l")
  }

  /// The signals are blocked but while this program waits: none can come between a look and a wait.
  private mutating func installHandlers() {
    var blocked = sigset_t()
    unsafe sigemptyset(&blocked)
    for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE] {
      unsafe sigaddset(&blocked, number)
      signal(number) { endingSignal.store($0, ordering: .sequentiallyConsistent) }
    }
    unsafe sigaddset(&blocked, SIGTSTP)
    signal(SIGTSTP) { _ in stopRequested.store(true, ordering: .sequentiallyConsistent) }
    unsafe sigaddset(&blocked, SIGWINCH)
    signal(SIGWINCH) { _ in resized.store(true, ordering: .sequentiallyConsistent) }
    var crashes = sigset_t()
    unsafe sigemptyset(&crashes)
    for number in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT, SIGFPE] {
      unsafe sigaddset(&crashes, number)
      signal(number) { crash in
        restoreTerminal()
        signal(crash, SIG_DFL)
        raise(crash)
      }
    }
    unsafe pthread_sigmask(SIG_UNBLOCK, &crashes, nil)
    unsafe pthread_sigmask(SIG_BLOCK, &blocked, &unblocked)
    // Whoever started this program may have blocked them before: a wait without them would not end.
    for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP, SIGWINCH] {
      unsafe sigdelset(&unblocked, number)
    }
  }

  /// Waits for a key or a signal, at most so many milliseconds.
  mutating func wait(milliseconds: Int) -> WakeUp {
    var limit = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
    var input = fd_set()
    input.__fds_bits.0 = 1  // standard input is descriptor 0
    let ready = unsafe pselect(1, &input, nil, nil, &limit, &unblocked)
    let ending = endingSignal.load(ordering: .sequentiallyConsistent)
    if ending != 0 { return .end(ending) }
    if stopRequested.exchange(false, ordering: .sequentiallyConsistent) {
      restoreTerminal()
      raise(SIGSTOP)
      take()
      return .resize
    }
    if resized.exchange(false, ordering: .sequentiallyConsistent) { return .resize }
    return ready > 0 ? readKey() : .timeout
  }

  private func readKey() -> WakeUp {
    var bytes = [UInt8](repeating: 0, count: 16)
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(STDIN_FILENO, $0.baseAddress, $0.count) }
    // No byte although some were announced: the terminal has hung up.
    return count > 0 ? .key(Self.key(bytes[..<count])) : .end(SIGHUP)
  }

  /// The key that some bytes stand for.
  static func key(_ bytes: ArraySlice<UInt8>) -> Key {
    switch Array(bytes) {
    case [0x71], [0x51], [0x03]: .quit
    case [0x73], [0x53]: .sort
    case [0x1B, 0x5B, 0x41], [0x1B, 0x4F, 0x41], [0x6B]: .up
    case [0x1B, 0x5B, 0x42], [0x1B, 0x4F, 0x42], [0x6A]: .down
    case [0x1B, 0x5B, 0x35, 0x7E]: .pageUp
    case [0x1B, 0x5B, 0x36, 0x7E], [0x20]: .pageDown
    case [0x1B, 0x5B, 0x48], [0x1B, 0x5B, 0x31, 0x7E]: .home
    default: .other
    }
  }

  /// The size of the terminal in characters.
  var size: (width: Int, height: Int) {
    var size = winsize()
    guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
      return (80, 24)
    }
    return (Int(size.ws_col), Int(size.ws_row))
  }

  /// Draws lines from the top, and clears what was below and beside them.
  func draw(_ lines: [String]) {
    Screen.write("\u{1B}[H" + lines.map { $0 + "\u{1B}[K" }.joined(separator: "\r\n") + "\u{1B}[J")
  }

  /// Gives the terminal back and ends the program as the signal would have ended it.
  consuming func end(by number: Int32) -> Never {
    restoreTerminal()
    signal(number, SIG_DFL)
    var mask = sigset_t()
    unsafe sigemptyset(&mask)
    unsafe pthread_sigmask(SIG_SETMASK, &mask, nil)
    raise(number)
    exit(128 + number)
  }
}
