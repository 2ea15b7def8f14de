import KernelMemory
import PVH

/// A fault on purpose, by which the page-fault handler is judged. None comes back but those of probes and
/// of spans.
enum Scenario: UInt8 {
  case null, guardPage, afterFree, stackGuard, stackOverflow, writeReadOnly, executeData
  case linearMapHole, imageAlias, windowAlias, trap, probes, spans

  /// What the command line calls it.
  var name: StaticString {
    switch self {
    case .null: "null"
    case .guardPage: "guard"
    case .afterFree: "after-free"
    case .stackGuard: "stack-guard"
    case .stackOverflow: "stack-overflow"
    case .writeReadOnly: "write-read-only"
    case .executeData: "execute-data"
    case .linearMapHole: "linear-map-hole"
    case .imageAlias: "image-alias"
    case .windowAlias: "window-alias"
    case .trap: "trap"
    case .probes: "probes"
    case .spans: "spans"
    }
  }

  /// Nil where no scenario has this name.
  init?(_ word: CommandLine.Word) {
    var value: UInt8 = 0
    while let scenario = Scenario(rawValue: value) {
      if word.equals(scenario.name) {
        self = scenario
        return
      }
      value += 1
    }
    return nil
  }

  static func writeNames(to sink: inout some TextSink) {
    var value: UInt8 = 0
    while let scenario = Scenario(rawValue: value) {
      sink.write(" ")
      sink.write(scenario.name)
      value += 1
    }
  }
}
