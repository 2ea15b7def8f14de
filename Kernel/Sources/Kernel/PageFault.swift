import BareMetal
import KernelMemory

/// A page fault, as a person wants to read it: what was tried, why it was refused, and what lies there.
struct PageFault {
  let address: VirtualAddress
  let code: PageFaultCode

  init(at address: VirtualAddress, _ code: PageFaultCode) {
    self.address = address
    self.code = code
  }

  func write(to console: inout SerialPort) {
    console.write("page fault: ")
    console.write(access)
    console.write(" at 0x")
    console.write(hex: address.rawValue, width: 16)
    console.write(", ")
    console.write(refusal)
    console.write("\n  ")
    Place(of: address).write(address, to: &console)
    console.newline()
  }

  private var access: StaticString {
    if code.isInstructionFetch { return "execute" }
    return code.isWrite ? "write" : "read"
  }

  private var refusal: StaticString {
    if code.isReservedBit { return "an entry has a reserved bit set" }
    return code.wasPresent ? "not permitted" : "not mapped"
  }
}
