import BareMetal
import CBareMetal
import CKernel
import KernelMemory

// Mistakes that a kernel can make in its start, and faults that other architectures do not have.

extension Scenario {
  /// Before the manager starts: undoes what a kernel may forget.
  func prepare() {
    switch self {
    // EFER.NXE and CR4.PGE as after a reset.
    case .unprepared:
      x86_write_msr(0xc000_0080, x86_read_msr(0xc000_0080) & ~(1 << 11))
      x86_write_cr4(x86_read_cr4() & ~Self.globalPages)
    case .noThreadPointer: x86_write_msr(0xc000_0101, 0)
    case .wrongNumber: unsafe kernel_cpu_block(0)?.pointee.number = 77
    default: break
    }
  }

  private static var globalPages: UInt { 1 << 7 }  // CR4.PGE

  /// So many pages that everything is flushed, on a CPU that takes no part in global pages.
  fileprivate static func touchAfterFree(_ manager: MemoryManager) throws(MemoryError) {
    x86_write_cr4(x86_read_cr4() & ~globalPages)
    let area = unsafe VirtualAddress(try manager.vmalloc(256 << 12))
    let last = VirtualAddress(area.rawValue + 255 << 12)
    _ = kernel_probe_store(UInt(last.rawValue), 0x5a)
    try unsafe manager.vfree(area.pointer)
    Self.show("store", kernel_probe_store(UInt(last.rawValue), 0x5a))
    exit(.success)
  }
}

extension Platform {
  /// All scenarios are x86-64's.
  static func has(_: Scenario) -> Bool { true }

  static func run(_ scenario: Scenario, on manager: MemoryManager) throws(MemoryError) {
    switch scenario {
    case .nonMaskable: kernel_raise_nmi_without_stack()
    case .machineCheck: kernel_raise_machine_check_without_stack()
    default: try Scenario.touchAfterFree(manager)
    }
  }
}
