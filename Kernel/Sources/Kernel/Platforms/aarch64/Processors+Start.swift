import BareMetal
import CKernel
import KernelMemory

// A CPU is started by firmware (Arm DEN0022, PSCI: CPU_ON), at a physical address, with translation off
// (boot.S).

extension Processors {
  private static var startFunction: UInt { 0xc400_0003 }  // CPU_ON, of SMC64

  static func start(
    _ id: UInt64, number: Int, _ memory: ProcessorMemory, _: ProcessorPlan
  ) throws(MemoryError) {
    let stacks = kernel_fault_stacks(
      stack_end: try memory.stack(), exception_stack_end: try memory.faultStack())
    let block = try memory.block(number: number, hardwareID: id, stacks)
    var argument: UInt = 0
    unsafe block.give { argument = unsafe kernel_set_starting_cpu($0) }
    let result = kernel_call_firmware(
      startFunction, UInt(id), kernel_cpu_entry(), argument, unsafe Devices.callsBySMC)
    guard result == 0 else { panicForRefused(id, Int32(truncatingIfNeeded: Int(bitPattern: result))) }
    wait(for: block, microseconds: 1_000_000)
    guard block.isOnline else { panicForSilent(id) }
  }

  private static func panicForRefused(_ id: UInt64, _ result: Int32) -> Never {
    panic { console in
      console.write("firmware does not start the CPU that hardware calls ")
      console.write(decimal: id)
      console.write(": PSCI answers -")
      console.write(decimal: UInt64(result.magnitude))
    }
  }
}
