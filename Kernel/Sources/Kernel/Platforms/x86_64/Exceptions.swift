import BareMetal
import CKernel
import KernelMemory

// Every exception of the CPU ends here (exceptions.S). A page fault of a probe goes back to the probe. For
// all others the kernel says what happened and stops, because nothing in it faults by design; a fault
// while saying so is said in one line, so that it cannot go round in circles.

private enum Vector {
  static var nonMaskable: UInt { 2 }
  static var doubleFault: UInt { 8 }
  static var pageFault: UInt { 14 }
}

/// Called by exceptions.S, with interrupts off. `address` is what CR2 held before anything else could fault.
@c(kernel_exception)
func handleException(_ frame: UnsafeMutablePointer<kernel_trap_frame>, _ address: UInt) {
  if unsafe frame.pointee.vector == Vector.nonMaskable { LastWords.stopIfBegun() }
  if unsafe frame.pointee.vector == Vector.pageFault && kernel_probe_recover(frame, address) { return }
  var console = SerialPort.console
  guard LastWords.begin() else {
    console.write("another exception while reporting the first\n")
    exit(.fault)
  }
  unsafe report(frame.pointee, address: VirtualAddress(UInt64(address)), to: &console)
  exit(.fault)
}

private func report(_ frame: kernel_trap_frame, address: VirtualAddress, to console: inout SerialPort) {
  switch frame.vector {
  case Vector.pageFault:
    PageFault(at: address, PageFaultCode(UInt64(frame.error_code))).write(to: &console)
  case Vector.doubleFault:
    console.write("double fault")
    // The usual cause: the stack ran into its guard, so that the page fault's own frame had no place.
    if Image.isStackGuard(address.number(.size4K)) {
      console.write(": ")
      Place.stackGuard.write(address, to: &console)
    } else if AddressSpace.processorRange.contains(address.number(.size4K)) {
      console.write(": the stack of a CPU has overflowed")
    }
    console.newline()
  default:
    console.write("exception: ")
    console.write(name(ofVector: frame.vector))
    console.newline()
  }
  console.write("  vector ")
  console.write(decimal: UInt64(frame.vector))
  console.write(", error code 0x")
  console.write(hex: UInt64(frame.error_code))
  console.write(", RIP 0x")
  console.write(hex: UInt64(frame.rip), width: 16)
  console.write(", RSP 0x")
  console.write(hex: UInt64(frame.rsp), width: 16)
  if Processors.count > 1 {
    console.write(", CPU ")
    console.write(decimal: UInt64(CPUBlock.current.number))
  }
  console.newline()
}

/// Intel SDM vol. 3A, table 6-1.
private func name(ofVector vector: UInt) -> StaticString {
  switch vector {
  case 0: "divide error"
  case 1: "debug"
  case 2: "non-maskable interrupt"
  case 3: "breakpoint"
  case 4: "overflow"
  case 5: "bound range exceeded"
  case 6: "invalid opcode (a Swift precondition that does not hold ends in one)"
  case 7: "device not available"
  case 10: "invalid task state segment"
  case 11: "segment not present"
  case 12: "stack segment fault"
  case 13: "general protection"
  case 16: "x87 floating-point error"
  case 17: "alignment check"
  case 18: "machine check"
  case 19: "SIMD floating-point error"
  case 20: "virtualization exception"
  case 21: "control protection"
  default: "reserved vector"
  }
}
