import BareMetal
import CKernel
import KernelMemory

// Every exception of a CPU but interrupts ends here (vectors.S), on the stack of faults. A fault of a probe
// goes back to the probe. For all others the kernel says what happened and stops, because nothing in it
// faults by design; a fault while saying so is said in one line, so that it cannot go round in circles.

/// Called by vectors.S, with interrupts off.
@c(kernel_exception)
func handleException(_ frame: UnsafeMutablePointer<kernel_trap_frame>) {
  let isSynchronous = unsafe frame.pointee.vector & 3 == 0
  if isSynchronous, unsafe kernel_probe_recover(frame, frame.pointee.address) { return }
  var console = SerialPort.console
  guard LastWords.begin() else {
    console.write("another exception while reporting the first\n")
    exit(.fault)
  }
  unsafe report(frame.pointee, isSynchronous, to: &console)
  exit(.fault)
}

private func report(_ frame: kernel_trap_frame, _ isSynchronous: Bool, to console: inout SerialPort) {
  let code = PageFaultCode(UInt64(frame.syndrome))
  let address = VirtualAddress(UInt64(frame.address))
  if isSynchronous && code.isAbort {
    PageFault(at: address, code).write(to: &console)
    // As far down as no other mapping is: a frame of a function may be this large.
    if AddressSpace.processorRange.contains(address.number(Platform.pageSize)) {
      console.write("  the stack of a CPU has overflowed\n")
    }
  } else {
    console.write("exception: ")
    console.write(isSynchronous ? name(ofClass: code.exceptionClass) : name(ofVector: frame.vector))
    console.newline()
  }
  console.write("  vector ")
  console.write(decimal: UInt64(frame.vector))
  console.write(", ESR 0x")
  console.write(hex: UInt64(frame.syndrome))
  console.write(", PC 0x")
  console.write(hex: UInt64(frame.pc), width: 16)
  console.write(", SP 0x")
  console.write(hex: UInt64(frame.sp), width: 16)
  if Processors.count > 1 {
    console.write(", CPU ")
    console.write(decimal: UInt64(CPUBlock.current.number))
  }
  console.newline()
}

/// Arm ARM, D19.2, ESR_EL1.EC.
private func name(ofClass value: UInt64) -> StaticString {
  switch value {
  case 0x00: "undefined instruction"
  case 0x07: "floating-point unit off"
  case 0x0e: "illegal execution state"
  case 0x15: "SVC"
  case 0x22: "program counter not aligned"
  case 0x26: "stack pointer not aligned"
  case 0x2f: "SError"
  case 0x3c: "breakpoint (a Swift precondition that does not hold ends in one)"
  default: "of a class that this kernel does not expect"
  }
}

private func name(ofVector vector: UInt) -> StaticString {
  switch vector & 3 {
  case 1: "interrupt in a fault's handler"
  case 2: "FIQ"
  default: "SError"
  }
}
