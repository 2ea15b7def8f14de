import ArgumentParser

/// The tool: one command a question.
@main
struct Vmalloc: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vmalloc",
    abstract: "Who holds the vmalloc space of a Linux kernel, and what grows.",
    version: "0.1.0",
    subcommands: [Inspect.self, Diff.self, Watch.self, Replay.self, Explore.self])

  /// Argument parsing ends with 64 for a wrong use; this tool says 2, as most do.
  static func main() {
    signal(SIGPIPE, SIG_DFL)
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      let code = exitCode(for: error)
      if code == .validationFailure {
        Screen.complain(fullMessage(for: error))
        Glibc.exit(ExitStatus.usage.rawValue)
      }
      exit(withError: error)
    }
  }
}
