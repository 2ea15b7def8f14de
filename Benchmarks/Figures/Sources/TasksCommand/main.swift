// What the scripts in Scripts/ do, a command each. They say which variables of the environment count.
//
//   tasks kernel build | run [QEMU arguments...] | path
//   tasks run | test | soak | bench | profile [MODE] [PAGES] [PAIRS] | compare qemu | simulated
//   tasks threads [OPTIONS...]
import Foundation
import Processes
import Tasks

func status(_ arguments: ArraySlice<String>) throws -> Int32 {
  let variables = Variables()
  let rest = Array(arguments.dropFirst())
  switch arguments.first {
  case "kernel": return try KernelTask(variables).run(rest)
  case "run": return try MainJob(variables).run()
  case "test":
    var task = try TestTask(variables)
    return try task.run()
  case "soak":
    var task = try Soak(variables)
    return try task.run()
  case "bench":
    var task = Bench(variables)
    return try task.run()
  case "profile":
    try Profile(rest, variables).print()
    return 0
  case "compare": return try CompareTask(machine: rest.first, variables).run()
  case "threads": return try HostThreads.run(rest, variables)
  default:
    throw Failure("usage: tasks kernel | run | test | soak | bench | profile | compare | threads", status: 2)
  }
}

Children.handleInterrupts()
do {
  exit(try status(CommandLine.arguments.dropFirst()))
} catch let failure as Failure {
  FileHandle.standardError.write(Data((failure.message + "\n").utf8))
  exit(failure.status)
} catch {
  FileHandle.standardError.write(Data("\(error)\n".utf8))
  exit(1)
}
