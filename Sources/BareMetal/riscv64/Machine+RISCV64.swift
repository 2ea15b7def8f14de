#if arch(riscv64)

private import CBareMetal
private import CMachine
public import KernelMemory

extension Machine {
  /// A RISC-V machine in supervisor mode. One with several harts says how a hart is notified: by an
  /// interrupt, as a rule, whose handler calls `MemoryManager.serveFlushes()`; it owes a fence rw,rw before
  /// its call of the firmware.
  ///
  /// Up to 16 pages are flushed one by one, each by an SFENCE.VMA that leaves tables alone, so that a flush
  /// behind which tables are freed is one of everything. Above that an emptied TLB is cheaper than as many
  /// fences.
  ///
  /// Entries that were not present may be remembered (Privileged Architecture, 12.2.1): of this hart
  /// `afterMap` drops those that it is about; what another one has written this hart may take for absent
  /// until a page fault at an address that is mapped, whose handler has it forget (`forgetAbsentEntries`) and
  /// goes on. With several harts every kernel has such a handler.
  ///
  /// Where memory types are used (Svpbmt), and accesses of all types do not find what caches hold,
  /// `cleanMemory` is to be set, too.
  public static func riscv64(
    cpuCount: Int = 1, notify: Notify? = nil, fatal: @escaping Fatal
  ) -> Machine {
    var machine = unsafe Machine(
      context: nil, cpuCount: cpuCount, fullFlushThreshold: PageCount(UInt64(pagesFlushedSingly)),
      flush: { _, ranges, count in
        guard count > 0, let ranges = unsafe ranges else { return PagingControls.flushEverything() }
        unsafe PagingControls.flush(ranges, count)
      },
      notify: notify,
      afterMap: { _, range, madeTables in
        guard !madeTables, (range.end &- range.start) &>> 12 <= pagesFlushedSingly else {
          return PagingControls.flushEverything()
        }
        unsafe withUnsafePointer(to: range) { range in unsafe PagingControls.flush(range, 1) }
      },
      fatal: fatal,
      check: { _, tables in
        guard PagingControls.addressBits != 0 else { return cmachine_paging_unprepared }
        guard PagingControls.addressBits == Int(tables.address_bits) else {
          return cmachine_paging_other_width
        }
        return PagingControls.root.rawValue == UInt64(tables.root)
          ? cmachine_paging_ready : cmachine_paging_other_root
      })
    machine.rangesSpareTables = true
    return machine
  }
}

/// More of them are flushed with everything else.
private var pagesFlushedSingly: UInt { 16 }

/// Has this hart forget that an address has no translation: for the handler of a page fault where the tables
/// have one.
public func forgetAbsentEntries() { PagingControls.flushEverything() }

/// Has this hart execute what was written to memory. Other harts execute FENCE.I before they go there.
public func synchronizeInstructions() {
  riscv_fence()
  riscv_fence_i()
}

#endif
