import Foundation
import Processes

/// `make soak`: the heavy tests with many more rounds (they read VMALLOC_SOAK), then the recorded boot a
/// hundred times over, then areas handed from CPU to CPU on a machine with four: 1,000,000 in lazy mode, as
/// many in warm mode, and 20,000 strictly flushed. LAPS=n, STRESS=n and STRICT_STRESS=n ask for other
/// numbers.
public struct Soak {
  private var session: Session

  public init(_ variables: Variables) throws(Failure) {
    session = try Session(variables.ofUsualMachine.with(["VMALLOC_SOAK": "1"]), limit: "8h")
  }

  public mutating func run() throws -> Int32 {
    let suite = Suite(
      name: "heavy tests, long", scratch: ".build-release", only: "HeavyTests", flags: Build.asserting)
    try session.run(suite)
    let variables = session.variables
    check("replay") {
      try MainJob(variables.with(["LAPS": variables["LAPS"] ?? "100"])).run()
    }
    if try !Emulator.setUp(variables) {
      Console.complain("soak: the stress of the booted kernel is skipped")
    } else if try Kernel(variables).build() {
      for (mode, pairs) in Self.stress(variables) {
        check("stress in mode \(mode)") {
          try KernelRun(variables.with(["CPUS": "4", "OPTIONS": "stress=\(pairs) mode=\(mode)"])).run()
        }
      }
    } else {
      session.fail("soak: the kernel does not build")
    }
    return session.end()
  }

  static func stress(_ variables: Variables) -> [(mode: String, pairs: String)] {
    let many = variables["STRESS"] ?? "1000000"
    return [("lazy", many), ("warm", many), ("strict", variables["STRICT_STRESS"] ?? "20000")]
  }

  private mutating func check(_ name: String, _ status: () throws -> Int32) {
    do {
      if try status() == 0 { return Console.say("soak: \(name) passed") }
    } catch let failure as Failure {
      Console.complain(failure.message)
    } catch {
      Console.complain("\(error)")
    }
    session.fail("soak: \(name) failed")
  }
}
