import Figures
import Foundation
import Processes

/// kmalloc beside vmalloc, cold and warm: a table of what a pair (allocate, free) of each size costs, from
/// what the manager counts. A manager has one mode, so there are two short runs of what was built, a lazy
/// one (kmalloc, and cold pairs of vmalloc, which edit page tables) and a warm one. In a kernel,
/// instructions are those of QEMU's instruction counter, the same on every machine; the simulated machine
/// counts none.
public struct CompareTask {
  private let isSimulated: Bool
  private let variables: Variables

  init(isSimulated: Bool, _ variables: Variables) {
    self.isSimulated = isSimulated
    self.variables = variables
  }

  public init(machine: String?, _ variables: Variables) throws(Failure) {
    guard let machine, ["qemu", "simulated"].contains(machine) else {
      throw Failure("usage: Scripts/compare.sh qemu | simulated", status: 2)
    }
    self.init(isSimulated: machine == "simulated", variables)
  }

  public func run() throws -> Int32 {
    var lines = ""
    for mode in ["lazy", "warm"] {
      let file = ".build/compare/\(mode)"
      try write("", to: file)
      let status = try isSimulated ? simulate(mode, into: file) : boot(mode, into: file)
      lines += (contents(file) ?? "") + "\n"
      if status != 0 {
        Console.write(contents(file) ?? "")
        throw Failure("compare: the \(mode) run failed")
      }
    }
    Console.show(try Comparison(lines).text)
    return 0
  }

  private func boot(_ mode: String, into file: String) throws -> Int32 {
    try KernelRun(variables.with(["CPUS": "1", "OPTIONS": "compare mode=\(mode)"])).count(into: file)
  }

  private func simulate(_ mode: String, into file: String) throws -> Int32 {
    let arguments = ["--compare", mode, "--memory", (variables["MEMORY"] ?? "3072") + "M"]
    return try HostProgram.simulatedRun(variables).command(arguments).writing(to: file).run().status
  }
}
