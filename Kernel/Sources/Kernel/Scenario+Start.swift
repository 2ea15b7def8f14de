import BareMetal
import CBareMetal
import CKernel
import KernelMemory

// Mistakes that a kernel can make in its start, and what must be true of it.

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
  static func touchAfterFree(_ manager: MemoryManager) throws(MemoryError) {
    x86_write_cr4(x86_read_cr4() & ~globalPages)
    let area = unsafe VirtualAddress(try manager.vmalloc(256 << 12))
    let last = VirtualAddress(area.rawValue + 255 << 12)
    _ = kernel_probe_store(UInt(last.rawValue), 0x5a)
    try unsafe manager.vfree(area.pointer)
    Self.show("store", kernel_probe_store(UInt(last.rawValue), 0x5a))
    exit(.success)
  }

  /// What `Bootstrap` took of the stack, from its first instruction to its last.
  static func reportStack() -> Never {
    var console = SerialPort.com1
    console.write("start.stack.bytes", equals: unsafe Memory.stackUse)
    exit(.success)
  }
}

// MARK: - Stopping the other CPUs

extension Scenario {
  /// Counted by every CPU but the first.
  nonisolated(unsafe) private static var turns: UInt = 0

  /// The others count, with interrupts off, until this one has something to say. Then they must not go on.
  static func stopOthers(_ manager: MemoryManager) -> Never {
    Work.counting.begin()
    while unsafe kernel_load_word(&turns) < 1_000 { relax() }
    _ = LastWords.begin()
    let before = unsafe kernel_load_word(&turns)
    IntervalTimer.wait(microseconds: 50_000)
    let after = unsafe kernel_load_word(&turns)
    var console = SerialPort.com1
    console.write("stopped.turns.before", equals: UInt64(before))
    console.write("stopped.turns.after", equals: UInt64(after))
    exit(before == after ? .success : .jobFailed)
  }

  static func count() -> Never {
    disableInterrupts()
    while true { unsafe kernel_add_word(&turns, 1) }
  }
}
