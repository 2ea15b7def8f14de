import ArgumentParser

/// How a report is printed.
struct OutputOptions: ParsableArguments {
  @Flag(name: [.customShort("j"), .long], help: "As --format json.")
  var json = false

  @Option(help: "When to use colours: auto, always, never.")
  var color = ColorChoice.auto

  var paint: Paint { Paint(color) }
}
