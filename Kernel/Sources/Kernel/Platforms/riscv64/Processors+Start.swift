import CKernel
import KernelMemory

// A hart is started by firmware (RISC-V SBI, HSM), at a physical address, with translation off (boot.S).

extension Processors {
  static func start(
    _ id: UInt64, number: Int, _ memory: ProcessorMemory, _: ProcessorPlan
  ) throws(MemoryError) {
    let stacks = kernel_fault_stacks(
      stack_end: try memory.stack(), exception_stack_end: try memory.faultStack())
    let block = try memory.block(number: number, hardwareID: id, stacks)
    var argument: UInt = 0
    unsafe block.give { argument = unsafe kernel_set_starting_cpu($0) }
    let result = Firmware.start(id, at: kernel_cpu_entry(), argument)
    guard result == 0 else { panicForRefused(id, result) }
    wait(for: block, microseconds: 1_000_000)
    guard block.isOnline else { panicForSilent(id) }
  }

  private static func panicForRefused(_ id: UInt64, _ result: Int) -> Never {
    panic { console in
      console.write("firmware does not start the hart ")
      console.write(decimal: id)
      console.write(": SBI answers -")
      console.write(decimal: UInt64(result.magnitude))
    }
  }
}
