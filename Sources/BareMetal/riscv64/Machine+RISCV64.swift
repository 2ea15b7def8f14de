#if arch(riscv64)

private import CBareMetal
private import CMachine
public import KernelMemory

extension Machine {
  /// A RISC-V machine in supervisor mode. One with several harts says how a hart is notified: by an
  /// interrupt, as a rule, whose handler calls `MemoryManager.serveFlushes()`; it owes a fence rw,rw before
  /// its call of the firmware.
  ///
  /// A flush is one of everything, whatever is asked for (`PagingControls`). Entries that were not present
  /// may be remembered (Privileged Architecture, 12.2.1): of this hart `afterMap` drops them; another one
  /// takes a page fault at an address that is mapped, whose handler has it forget (`forgetAbsentEntries`) and
  /// goes on.
  public static func riscv64(
    cpuCount: Int = 1, notify: Notify? = nil, fatal: @escaping Fatal
  ) -> Machine {
    unsafe Machine(
      context: nil, cpuCount: cpuCount, fullFlushThreshold: .zero,
      flush: { _, _, _ in PagingControls.flushEverything() },
      notify: notify,
      afterMap: { _, _, _ in PagingControls.flushEverything() },
      fatal: fatal,
      check: { _, tables in
        guard PagingControls.addressBits != 0 else { return cmachine_paging_unprepared }
        guard PagingControls.addressBits == Int(tables.address_bits) else {
          return cmachine_paging_other_width
        }
        return PagingControls.root.rawValue == UInt64(tables.root)
          ? cmachine_paging_ready : cmachine_paging_other_root
      })
  }
}

/// Has this hart forget that an address has no translation: for the handler of a page fault where the tables
/// have one.
public func forgetAbsentEntries() { PagingControls.flushEverything() }

/// Has this hart execute what was written to memory. Other harts execute FENCE.I before they go there.
public func synchronizeInstructions() {
  riscv_fence()
  riscv_fence_i()
}

#endif
