// What the scripts in Scripts/ have computed: each command prints to standard output.
//
//   figures merge LOG                 the `bench` lines of a log, as JSON
//   figures table FIGURES ANCHORS     the tables of `make bench`: bench.json beside linux-6.12.tsv
//   figures compare LOG...            kmalloc beside vmalloc, from the `compare` lines of these logs together
//   figures tests EVENTS              "passed failed skipped ended" for an event stream of Swift Testing
import Figures
import Foundation

func fail(_ message: String, status: Int32 = 1) -> Never {
  FileHandle.standardError.write(Data((message + "\n").utf8))
  exit(status)
}

func contents(_ path: String) -> Data {
  guard let data = FileManager.default.contents(atPath: path) else {
    fail("figures: cannot read \(path)", status: 2)
  }
  return data
}

func text(_ path: String) -> String { String(decoding: contents(path), as: UTF8.self) }

let arguments = Array(CommandLine.arguments.dropFirst())
do {
  switch (arguments.first, arguments.count) {
  case ("merge", 2): print(try Figures(log: text(arguments[1])).json, terminator: "")
  case ("table", 3):
    let tables = BenchTables(Figures(json: text(arguments[1])), Anchors(tsv: text(arguments[2])))
    print(tables.text, terminator: "")
  case ("compare", 2...):
    let lines = arguments[1...].map(text).joined(separator: "\n")
    print(try Comparison(lines).text, terminator: "")
  case ("tests", 2):
    let events = TestEvents(contents(arguments[1]))
    print(events.passed, events.failed, events.skipped, events.hasEnded ? 1 : 0)
  default: fail("usage: figures merge LOG | table FIGURES ANCHORS | compare LOG... | tests EVENTS", status: 2)
  }
} catch {
  fail("\(error)")
}
