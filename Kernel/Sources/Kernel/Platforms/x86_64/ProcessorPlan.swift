import ACPI
import BareMetal
import CKernel
import KernelMemory
import PVH

// Which CPUs this kernel will use, found out while physical memory is still mapped at its own
// addresses: firmware's tables lie outside of what the kernel maps later, and so does the page below 1
// MiB at which the other CPUs begin. Where anything is missing that several CPUs need, the kernel says
// so, and runs on one.

/// The CPUs to start, and what that takes.
struct ProcessorPlan {
  /// The CPUs by their local APICs' IDs, this one among them; nil where there is only this one.
  let others: Others?

  struct Others {
    let list: ProcessorList
    /// Where the registers of the local APIC are.
    let localAPIC: PhysicalAddress
    /// Where a CPU begins: reserved, and never mapped.
    let trampoline: FrameNumber
  }

  /// CPUs, this one included.
  var count: Int { others?.list.count ?? 1 }

  /// What hardware calls the CPU at a place in the list, which there is.
  func hardwareID(_ index: Int) -> UInt64 { UInt64(others?.list[index] ?? LocalAPIC.initialID) }

  init(_ startInfo: borrowing StartInfo) throws(StartInfoError) {
    guard LocalAPIC.isPresent, let list = Self.list(startInfo), list.count > 1 else {
      others = nil
      return
    }
    guard let localAPIC = LocalAPIC.physicalAddress else {
      Self.warn { console in console.write("firmware has put the local APIC into x2APIC mode") }
      others = nil
      return
    }
    guard let trampoline = try startInfo.highestUsableFrame(below: Self.trampolineLimit) else {
      Self.warn { console in console.write("no page frame of RAM is free below 640 KiB") }
      others = nil
      return
    }
    others = Others(list: list, localAPIC: localAPIC, trampoline: trampoline)
  }

  /// Puts the code that a CPU begins with where it begins. All that the loader left was read before.
  func placeTrampoline() {
    if let others { Self.placeTrampoline(in: others.trampoline) }
  }

  /// 640 KiB: where a PC's first RAM ends at the latest.
  private static var trampolineLimit: FrameNumber { FrameNumber(0xa_0000 / PageSize.size4K.bytes) }

  private static func list(_ startInfo: borrowing StartInfo) -> ProcessorList? {
    do throws(ACPIError) {
      let list = try ProcessorList(
        rootPointer: startInfo.acpiRootPointer, window: AddressSpace.window)
      guard list.contains(LocalAPIC.initialID) else {
        warn { console in console.write("the ACPI table of CPUs (MADT) lacks the one that runs") }
        return nil
      }
      if list.unreachable > 0 { warnOfUnreachable(list.unreachable) }
      return list
    } catch {
      warn { console in error.write(to: &console) }
      return nil
    }
  }

  private static func warn(_ reason: (inout SerialPort) -> Void) {
    var console = SerialPort.console
    console.write("warning: only one CPU is used: ")
    reason(&console)
    console.newline()
  }

  private static func warnOfUnreachable(_ count: Int) {
    var console = SerialPort.console
    console.write("warning: ")
    console.write(decimal: UInt64(count))
    console.write(" CPUs are not used: their local APIC's ID does not fit into 8 bits\n")
  }

  private static func placeTrampoline(in frame: FrameNumber) {
    let code = kernel_trampoline_code()
    let source = unsafe UnsafeRawPointer(bitPattern: code.start)
    let target = unsafe AddressSpace.window.virtualAddress(of: frame.address(.size4K)).pointer
    guard let source = unsafe source, let target = unsafe target else { return }
    unsafe target.copyMemory(from: source, byteCount: Int(code.end - code.start))
  }
}
