import ArgumentParser

/// The tool: one command a question.
@main
struct Vmalloc: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vmalloc",
    abstract: "Who holds the vmalloc space of a Linux kernel, and what grows.",
    version: "0.1.0",
    subcommands: [Inspect.self])
}
