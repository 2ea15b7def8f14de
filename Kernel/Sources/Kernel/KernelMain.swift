import BareMetal
import KernelMemory

// The kernel, from the first Swift instruction to the last
//
// boot.S has switched translation on, with tables that map the first 4 GiB to themselves. From there:
//
//  1. the CPU is made to read page tables as the core writes them, or the run ends with a reason, and its
//     protections are switched on;
//  2. what the loader says is read and copied: memory map, command line, where the trace lies;
//  3. the core builds the real tables and the frame metadata, the kernel switches, the manager starts; only when
//     the interrupt controller is mapped are interrupts switched on, because a handler's last act is to tell it so;
//  4. the other CPUs are started;
//  5. the job runs, or one of the faults on purpose, and the run ends with a status.
//
// What differs from one architecture to the next is in Platforms/.

/// Called by boot.S. SwiftPM makes the linker look for an executable's entry under this name, so that no
/// `@main` is needed, which would bring the argument handling of a hosted program with it.
@c(Kernel_main)
public func kernelMain(_ loaderData: UInt) -> Never {
  SerialPort.console.configure()
  Platform.begin()
  prepareCPU()
  let request = BootRequest.read(at: PhysicalAddress(UInt64(loaderData)))
  request.options.scenario?.prepare()
  let manager = Memory.start(request)
  Processors.start(request.processors, on: manager)
  run(request, on: manager)
}

/// Makes this CPU read page tables as the core writes them, and switches its protections on.
func prepareCPU() {
  Platform.prepareCPU()
  ProcessorProtection.enable()
}

func panicForMissing(_ feature: StaticString) -> Never {
  panic { console in
    console.write("this CPU lacks ")
    console.write(feature)
  }
}

/// Sizes and figures of the benches are those of Linux, by pages of 4 KiB.
private func requireSmallPages() {
  guard Platform.pageSize != .size4K else { return }
  var console = SerialPort.console
  console.write("error: the benches count by pages of 4 KiB; leave out \"granule=\"\n")
  exit(.badInput)
}

private func run(_ request: BootRequest, on manager: MemoryManager) -> Never {
  if let scenario = request.options.scenario { scenario.run(on: manager) }
  let bench = Bench(on: manager, mode: request.options.mode)
  if let part = request.options.bench {
    requireSmallPages()
    exit(bench.run(part))
  }
  if request.options.profiledPairs > 0 { exit(bench.profile(request.options)) }
  if request.options.stressPairs > 0 { exit(Stress.run(pairs: request.options.stressPairs, on: manager)) }
  if request.options.testsInterrupts { exit(InterruptTest.run(on: manager)) }
  if request.options.testsFloating { exit(FloatingTest.run(on: manager)) }
  if request.options.testsSwiftHeap { exit(SwiftHeapTest.run(on: manager)) }
  var console = SerialPort.console
  if request.options.compares {
    exit(request.options.runComparison(on: manager, reportingTo: &console))
  }
  guard let trace = request.trace else {
    console.write("error: there is no trace, or an empty one; give the loader one as the initial RAM disk\n")
    exit(.badInput)
  }
  let status = Job(manager: manager, trace: trace, options: request.options).run()
  guard request.options.holds else { exit(status) }
  manager.writeMappings(to: &console)
  console.write("holding\n")
  haltForever()
}
