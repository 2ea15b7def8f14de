import Processes

/// Builds the bootable kernel, and runs it under QEMU.
public struct KernelTask {
  private let variables: Variables

  public init(_ variables: Variables) { self.variables = variables }

  public func run(_ arguments: [String]) throws -> Int32 {
    switch arguments.first {
    case "build": return try Kernel(variables).build() ? 0 : 1
    case "run": return try KernelRun(variables).run(Array(arguments.dropFirst()))
    case "path":
      Console.say(try Kernel(variables).image)
      return 0
    default: throw Failure("usage: Scripts/kernel.sh build | run [QEMU arguments...] | path", status: 2)
    }
  }
}
