// What `make lint` and `make models` check, a line each; the exit status is not zero where something is
// found.
//
//   checks sources          the sources as text: format, sizes, words; and the scripts' syntax
//   checks core             the core allocates nothing and drops no retired memory, on every bare-metal target
//   checks kernel IMAGE...  no frame of the kernel is larger than the guards below its stacks
//   checks models [all]     the models hold, and fail without each safeguard; with `all`, the long searches, too
import Checks
import Foundation
import Processes

/// Says what was found, and remembers whether all is well.
final class Report {
  private(set) var isClean = true

  func say(_ verdict: Verdict) {
    print(verdict.text)
    // Where the output is a file, too.
    fflush(nil)
    if !verdict.offences.isEmpty { isClean = false }
  }
}

let arguments = Array(CommandLine.arguments.dropFirst())
Children.handleInterrupts()
let report = Report()
do {
  switch arguments.first {
  case "sources": try SourceChecks(report).run()
  case "core": try CoreChecks(report).run()
  case "kernel" where arguments.count > 1:
    for image in arguments.dropFirst() { try KernelChecks(report).run(image) }
  case "models": try ModelChecks(report, long: arguments.dropFirst().first == "all").run()
  default: throw Unable("usage: checks sources | core | kernel IMAGE... | models [all]")
  }
} catch {
  FileHandle.standardError.write(Data("\(error)\n".utf8))
  exit(2)
}
exit(report.isClean ? 0 : 1)
