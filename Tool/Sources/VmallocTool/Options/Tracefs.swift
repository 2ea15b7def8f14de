// Recording the running kernel
//
// The commands are those that a person would type, and each is printed. Where the kernel has instances (3.10
// on) the recording has one of its own, and disturbs nobody's; else the values of the files that it changes
// are kept and written back. Either is undone at the end, after an error, and after an interrupt, which ends
// the recording early and keeps what there is.
import LinuxMemory

/// The files of tracefs, by which a recording is made.
struct Tracefs {
  let folder: String
  /// Makes a folder; a test makes the files in it, too, as tracefs does.
  var makeFolder: (String) -> Int32 = { unsafe mkdir($0, 0o700) == 0 ? 0 : errno }
  var removeFolder: (String) -> Int32 = { unsafe rmdir($0) == 0 ? 0 : errno }
  /// Waits while the kernel records.
  var sleep: (UInt32) -> Void = { Interrupts.sleep(seconds: $0) }
  /// Where commands are told.
  var tell: (String) -> Void = { Screen.complain("vmalloc: \($0)") }

  private static let places = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]

  /// - Parameter folder: where tracefs is mounted; nil for the usual places.
  init(folder: String?) {
    self.folder = folder ?? Self.places.first { unsafe access($0 + "/events", F_OK) == 0 } ?? Self.places[0]
  }

  /// Kilobytes a CPU: some 100,000 events.
  private static let bufferSize = "16384"

  /// Records for so many seconds, or until an interrupt, and writes the trace.
  func record(seconds: UInt32, to output: String) throws {
    try checkPermission()
    try OutputFile.check(output)
    Interrupts.watch()
    defer { Interrupts.unwatch() }
    var undo = Undo(tell: tell)
    defer { undo.all() }
    let root = try begin(&undo)
    try set(root + "/buffer_size_kb", Self.bufferSize, &undo)
    try set(root + "/events/vmalloc/enable", "1", &undo)
    try set(root + "/tracing_on", "1", &undo)
    sleep(seconds)
    try write(root + "/tracing_on", "0")
    tell("cat \(root)/trace > \(output)")
    try copy(root + "/trace", to: output)
  }

  /// A sentence that says what to do, before anything is changed.
  private func checkPermission() throws {
    let events = folder + "/events/vmalloc/enable"
    // The folder is there before anything is mounted on it.
    guard unsafe access(folder, X_OK) != 0 && errno == EACCES || access(folder + "/events", F_OK) == 0 else {
      throw InputError.unsuitable(
        folder, "tracefs is not mounted; as root: mount -t tracefs tracefs \(folder)")
    }
    guard unsafe access(folder, X_OK) == 0, unsafe access(folder, R_OK) == 0 else {
      throw InputError.unsuitable(folder, "permission denied: recording needs root")
    }
    guard unsafe access(events, F_OK) == 0 else {
      throw InputError.unsuitable(events, "this kernel has no events of vmalloc; they came with Linux 6.2")
    }
    guard unsafe access(events, W_OK) == 0 else {
      if errno == EROFS {
        throw InputError.unsuitable(folder, "it is mounted read-only; as root: mount -o remount,rw \(folder)")
      }
      throw InputError.unsuitable(events, "permission denied: recording needs root")
    }
  }

  /// The folder to work in: an instance, or tracefs itself.
  private func begin(_ undo: inout Undo) throws -> String {
    guard unsafe access(folder + "/instances", W_OK) == 0 else { return folder }
    let root = folder + "/instances/vmalloc-\(getpid())"
    tell("mkdir \(root)")
    let number = makeFolder(root)
    guard number == 0 else { throw InputError.system(root, number) }
    let removeFolder = removeFolder
    undo.add("rmdir \(root)") { removeFolder(root) }
    return root
  }

  /// Writes a value, and keeps the one before to be written back.
  private func set(_ path: String, _ value: String, _ undo: inout Undo) throws {
    let before = try Self.firstWord(of: path)
    try write(path, value)
    undo.add("echo \(before) > \(path)") { Self.put(before, in: path) }
  }

  private func write(_ path: String, _ value: String) throws {
    tell("echo \(value) > \(path)")
    let number = Self.put(value, in: path)
    guard number == 0 else { throw InputError.system(path, number) }
  }

  /// The value of a file, which may go on with a remark: `7 (expanded: 1408)`.
  private static func firstWord(of path: String) throws -> String {
    let bytes = try WholeInput.read(path)
    return String(decoding: bytes.prefix { $0 > 0x20 }, as: UTF8.self)
  }

  private static func put(_ value: String, in path: String) -> Int32 {
    let file = unsafe open(path, O_WRONLY | O_TRUNC | O_CLOEXEC)
    guard file >= 0 else { return errno }
    defer { close(file) }
    let bytes = Array((value + "\n").utf8)
    let written = unsafe bytes.withUnsafeBytes { unsafe writeBytes($0, to: file) }
    return written == bytes.count ? 0 : errno
  }

  private func copy(_ path: String, to output: String) throws {
    try OutputFile.write(String(decoding: try WholeInput.read(path), as: UTF8.self), to: output)
  }
}

/// What has to be put back, the last first.
private struct Undo {
  let tell: (String) -> Void
  private var steps: [(command: String, run: () -> Int32)] = []

  init(tell: @escaping (String) -> Void) { self.tell = tell }

  mutating func add(_ command: String, _ run: @escaping () -> Int32) { steps.append((command, run)) }

  mutating func all() {
    while let step = steps.popLast() {
      tell(step.command)
      let number = step.run()
      if number != 0 { tell("that failed: \(unsafe String(cString: strerror(number)))") }
    }
  }
}

/// SIGINT, SIGTERM and SIGHUP while something has to be put back: they only end the wait.
enum Interrupts {
  private static let signals = [SIGINT, SIGTERM, SIGHUP]

  /// Holds the signals back: they stay pending until `unwatch`, or `sleep` takes one.
  static func watch() { unsafe _ = pthread_sigmask(SIG_BLOCK, &set, nil) }

  static func unwatch() { unsafe _ = pthread_sigmask(SIG_UNBLOCK, &set, nil) }

  private nonisolated(unsafe) static var set: sigset_t = {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for signal in signals { unsafe sigaddset(&set, signal) }
    return set
  }()

  /// Waits so long, or until one of the signals comes, which is then done with.
  static func sleep(seconds: UInt32) {
    var limit = timespec(tv_sec: Int(seconds), tv_nsec: 0)
    unsafe _ = sigtimedwait(&set, nil, &limit)
  }
}
