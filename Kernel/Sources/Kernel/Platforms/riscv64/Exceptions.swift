import BareMetal
import CKernel
import KernelMemory

// Every exception of a hart ends here (trap.S), on the stack of faults. A fault of a probe goes back to the
// probe, and one at an address that is mapped by now is none: the hart remembered that it was not. For all
// others the kernel says what happened and stops, because nothing in it faults by design; a fault while
// saying so is said in one line, so that it cannot go round in circles.

/// Called by trap.S, with interrupts off.
@c(kernel_exception)
func handleException(_ frame: UnsafeMutablePointer<kernel_trap_frame>) {
  let address = VirtualAddress(UInt64(unsafe frame.pointee.address))
  let mapping = LastWords.isSilent ? Memory.manager?.mapping(at: address) : nil
  let code = PageFaultCode(UInt64(unsafe frame.pointee.cause), wasPresent: mapping != nil)
  if let mapping, Absence.isOver(code, mapping, at: address) { return }
  if unsafe kernel_probe_recover(frame, frame.pointee.address) { return }
  var console = SerialPort.console
  guard LastWords.begin() else {
    console.write("another exception while reporting the first\n")
    exit(.fault)
  }
  unsafe report(frame.pointee, code, to: &console)
  exit(.fault)
}

/// That an address has no translation, as a hart may remember for a while (Privileged Architecture, 12.2.1).
private enum Absence {
  /// The address of the last fault that was taken for such a memory, and how often in a row it was.
  nonisolated(unsafe) private static var last = VirtualAddress(0)
  nonisolated(unsafe) private static var repeats = 0
  /// A hart that has forgotten does not fault again; where one does all the same, the fault is reported.
  private static var limit: Int { 8 }

  /// Whether the tables permit what was tried. Then this hart has forgotten, and may try again.
  static func isOver(_ code: PageFaultCode, _ mapping: MappedRange, at address: VirtualAddress) -> Bool {
    guard code.isPageFault, permits(mapping.attributes.protection, code) else { return false }
    unsafe repeats = last == address ? repeats + 1 : 0
    unsafe last = address
    guard unsafe repeats < limit else { return false }
    forgetAbsentEntries()
    return true
  }

  private static func permits(_ protection: Protection, _ code: PageFaultCode) -> Bool {
    if code.isInstructionFetch { return protection.isExecutable }
    return !code.isWrite || protection.isWritable
  }
}

private func report(_ frame: kernel_trap_frame, _ code: PageFaultCode, to console: inout SerialPort) {
  let address = VirtualAddress(UInt64(frame.address))
  if code.isPageFault {
    PageFault(at: address, code).write(to: &console)
    // As far down as no other mapping is: a frame of a function may be this large.
    if AddressSpace.processorRange.contains(address.number(Platform.pageSize)) {
      console.write("  the stack of a CPU has overflowed\n")
    }
  } else {
    console.write("exception: ")
    console.write(name(ofCause: frame.cause))
    console.newline()
  }
  console.write("  cause ")
  console.write(decimal: UInt64(frame.cause))
  console.write(", stval 0x")
  console.write(hex: UInt64(frame.address), width: 16)
  console.write(", PC 0x")
  console.write(hex: UInt64(frame.pc), width: 16)
  console.write(", SP 0x")
  console.write(hex: UInt64(frame.x.1), width: 16)
  if Processors.count > 1 {
    console.write(", CPU ")
    console.write(decimal: UInt64(CPUBlock.current.number))
  }
  console.newline()
}

/// Privileged Architecture, 12.1.8, scause.
private func name(ofCause cause: UInt) -> StaticString {
  switch cause {
  case 0: "program counter not aligned"
  case 1: "no memory to fetch from"
  case 2: "illegal instruction (a Swift precondition that does not hold ends in one)"
  case 3: "breakpoint"
  case 4: "load that is not aligned"
  case 5: "no memory to load from"
  case 6: "store that is not aligned"
  case 7: "no memory to store to"
  default: "of a cause that this kernel does not expect"
  }
}
