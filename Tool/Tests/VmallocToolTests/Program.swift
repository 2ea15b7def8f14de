import Testing

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// The built program, run as a user runs it.
struct Program {
  struct Result {
    var status: Int32
    var output: String
    var errors: String
  }

  /// Where the program lies: beside the tests.
  static var path: String {
    let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? ""
    return bundle.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/vmalloc"
  }

  /// Runs it to its end; `input` is its standard input.
  /// - Parameter launcher: a program, by its whole path, that starts it, and that program's arguments.
  static func run(
    _ arguments: [String], input: [UInt8] = [], environment: [String] = [], launcher: [String] = [],
    inputDescriptor: Int32? = nil, output: String? = nil
  ) throws -> Result {
    let folder = "/tmp/vmalloc-test-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
    mkdir(folder, 0o700)
    defer { for name in ["in", "out", "err", ""] { unsafe remove("\(folder)/\(name)") } }
    try write(input, to: folder + "/in")
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    if let inputDescriptor {
      unsafe posix_spawn_file_actions_adddup2(&actions, inputDescriptor, 0)
    } else {
      unsafe posix_spawn_file_actions_addopen(&actions, 0, folder + "/in", O_RDONLY, 0)
    }
    unsafe posix_spawn_file_actions_addopen(&actions, 1, output ?? folder + "/out", O_WRONLY | O_CREAT, 0o600)
    unsafe posix_spawn_file_actions_addopen(&actions, 2, folder + "/err", O_WRONLY | O_CREAT, 0o600)
    let child = try spawn(arguments, environment, &actions, launcher: launcher)
    return Result(
      status: try wait(child), output: output == nil ? try contents(folder + "/out") : "",
      errors: try contents(folder + "/err"))
  }

  static func spawn(
    _ arguments: [String], _ environment: [String], _ actions: inout posix_spawn_file_actions_t,
    launcher: [String] = []
  ) throws -> pid_t {
    var child: pid_t = 0
    let words = launcher.isEmpty ? ["vmalloc"] + arguments : launcher + [path] + arguments
    var argv = unsafe words.map { unsafe strdup($0) } + [nil]
    var envp = unsafe (["TERM=xterm", "PATH=/usr/bin:/bin"] + environment).map { unsafe strdup($0) } + [nil]
    defer { unsafe (argv + envp).forEach { unsafe free($0) } }
    let result = unsafe posix_spawn(&child, launcher.first ?? path, &actions, nil, &argv, &envp)
    unsafe posix_spawn_file_actions_destroy(&actions)
    try #require(result == 0, "cannot start \(path)")
    return child
  }

  /// The exit status, or 128 and the number of the signal. A program that does not end is killed.
  static func wait(_ child: pid_t) throws -> Int32 {
    var status: Int32 = 0
    for _ in 0..<1500 {
      if unsafe waitpid(child, &status, WNOHANG) == child {
        return status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
      }
      usleep(20_000)
    }
    kill(child, SIGKILL)
    _ = unsafe waitpid(child, &status, 0)
    Issue.record("the program does not end")
    return status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
  }

  /// Whether a program stops within ten seconds.
  static func hasStopped(_ child: pid_t) -> Bool {
    var status: Int32 = 0
    for _ in 0..<500 {
      if unsafe waitpid(child, &status, WUNTRACED | WNOHANG) == child { return status & 0xFF == 0x7F }
      usleep(20_000)
    }
    return false
  }

  static func write(_ bytes: [UInt8], to path: String) throws {
    let file = try #require(unsafe fopen(path, "w"))
    _ = unsafe fwrite(bytes, 1, bytes.count, file)
    unsafe fclose(file)
  }

  static func contents(_ path: String) throws -> String {
    let file = try #require(unsafe fopen(path, "r"))
    defer { unsafe fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = unsafe fread(&chunk, 1, chunk.count, file)
      if count == 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += chunk[..<count]
    }
  }
}
