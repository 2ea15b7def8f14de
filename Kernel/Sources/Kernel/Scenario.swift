import KernelMemory
import LoaderText

/// A fault on purpose, or a mistake in the kernel's start, by which its messages are judged. None comes back
/// but those of probes, of spans, and of what is reported.
enum Scenario: UInt8 {
  case null, guardPage, afterFree, stackGuard, stackOverflow, writeReadOnly, executeData
  case linearMapHole, imageAlias, windowAlias, trap, probes, spans
  case largeFrames, nonMaskable, machineCheck, noGlobalPages, stopped, startStack
  case unprepared, noThreadPointer, wrongNumber, wrongLevels
  case cacheTypes, flushes

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
    case .largeFrames: "stack-overflow-large"
    case .nonMaskable: "nmi-no-stack"
    case .machineCheck: "machine-check-no-stack"
    case .noGlobalPages: "after-free-no-global"
    case .stopped: "others-stopped"
    case .startStack: "start-stack"
    case .unprepared: "start-unprepared"
    case .noThreadPointer: "start-no-thread-pointer"
    case .wrongNumber: "start-wrong-number"
    case .wrongLevels: "start-wrong-levels"
    case .cacheTypes: "cache-types"
    case .flushes: "flushes"
    }
  }

  /// Nil where no scenario of this architecture has this name.
  init?(_ word: CommandLine.Word) {
    var value: UInt8 = 0
    while let scenario = Scenario(rawValue: value) {
      if word.equals(scenario.name), Platform.has(scenario) {
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
      if Platform.has(scenario) {
        sink.write(" ")
        sink.write(scenario.name)
      }
      value += 1
    }
  }
}
