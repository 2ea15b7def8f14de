import BootReplay
import CKernel
import KernelMemory

/// This CPU, as the job sees it: its MMU answers, and a fault comes back as an answer too (probe.S).
struct Processor: JobMachine {
  mutating func store(_ value: UInt64, at address: VirtualAddress) -> Bool {
    kernel_probe_store(UInt(address.rawValue), UInt(value)).error_code == Self.done
  }

  mutating func load(_ address: VirtualAddress) -> UInt64? {
    var value: UInt = 0
    let result = unsafe kernel_probe_load(UInt(address.rawValue), &value)
    return result.error_code == Self.done ? UInt64(value) : nil
  }

  /// KERNEL_PROBE_DONE, which no error code of a page fault is.
  private static var done: UInt { .max }
}
