// Fuzz FILE...              runs each file's bytes; without arguments, those of standard input
// Fuzz --seeds FIRST COUNT  runs inputs that a seeded generator makes
// Fuzz --corpus DIR COUNT   writes such inputs into a folder, to start libFuzzer with
import Foundation
import FuzzBody

let inputLimit = 400

func report(_ problem: String?, _ name: String) {
  guard let problem else { return }
  print("\(name): \(problem)")
  exit(1)
}

func seeded(_ seed: UInt64) -> [UInt8] {
  var bytes = SeededBytes(seed: seed)
  return bytes.input(upTo: inputLimit)
}

let arguments = Array(CommandLine.arguments.dropFirst())
switch arguments.first {
case nil:
  report(fuzz([UInt8](FileHandle.standardInput.readDataToEndOfFile())), "standard input")
case "--seeds" where arguments.count == 3:
  let (first, count) = (UInt64(arguments[1]) ?? 1, UInt64(arguments[2]) ?? 1)
  for seed in first..<first + count { report(fuzz(seeded(seed)), "seed \(seed)") }
  print("\(count) inputs passed")
case "--corpus" where arguments.count == 3:
  let folder = URL(fileURLWithPath: arguments[1])
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  for seed in 1...(UInt64(arguments[2]) ?? 1) {
    try Data(seeded(seed)).write(to: folder.appendingPathComponent("seed-\(seed)"))
  }
default:
  for path in arguments {
    report(fuzz([UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))), path)
  }
  print("\(arguments.count) inputs passed")
}
