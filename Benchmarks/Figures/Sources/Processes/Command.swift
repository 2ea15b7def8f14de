import Foundation

/// A program to run: its arguments and variables, the folder it runs in, and where it reads and writes.
public struct Command: Sendable {
  public var program: String
  public var arguments: [String]
  /// All that it gets.
  public var environment: [String: String]
  /// Where it runs; nil for where we do.
  public var folder: String?
  /// The file that it reads; nil for what we read.
  public var input: String?
  /// The file that it writes, complaints included unless they are kept apart; nil for where we write.
  public var output: String?
  public var keepsErrorsApart = false

  public init(
    _ program: String, _ arguments: [String],
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) {
    self.program = program
    self.arguments = arguments
    self.environment = environment
  }

  /// The same, reading nothing and writing to a file.
  public func writing(to file: String) -> Command {
    var command = self
    command.input = "/dev/null"
    command.output = file
    return command
  }

  /// Runs it to its end.
  @discardableResult public func run() throws -> Ending { try Children.start(self).wait() }

  /// Starts it in our group of processes, so that the interrupt key reaches it as it reaches us, with the
  /// signals that we handle as they were for us.
  /// - Parameter mark: a variable that it, and whatever it begins, has besides.
  func spawn(resetting handled: Set<Int32>, mark: String) throws -> pid_t {
    var actions = Self.noActions
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if let input { posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0) }
    if let output {
      posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
      if !keepsErrorsApart { posix_spawn_file_actions_adddup2(&actions, 1, 2) }
    }
    var attributes = Self.noAttributes
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    for signal in handled { sigaddset(&signals, signal) }
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF))

    // What changes the folder of a child is in some C libraries, and in no standard: a shell can do it.
    let place = folder.map { ["sh", "-c", #"cd "$0" && exec "$@""#, $0] } ?? []
    let all = place + [program] + arguments
    var words = all.map { strdup($0) } + [nil]
    var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [strdup(mark), nil]
    defer { (words + variables).forEach { free($0) } }
    var process: pid_t = 0
    let error = posix_spawnp(&process, all[0], &actions, &attributes, &words, &variables)
    guard error == 0 else { throw Unable("cannot run \(program): \(String(cString: strerror(error)))") }
    return process
  }

  // These types are pointers in some C libraries, and structures in others.
  #if canImport(Darwin)
  private static var noActions: posix_spawn_file_actions_t? { nil }
  private static var noAttributes: posix_spawnattr_t? { nil }
  #else
  private static var noActions: posix_spawn_file_actions_t { posix_spawn_file_actions_t() }
  private static var noAttributes: posix_spawnattr_t { posix_spawnattr_t() }
  #endif
}
