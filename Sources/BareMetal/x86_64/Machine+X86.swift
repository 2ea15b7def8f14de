#if arch(x86_64)

private import CBareMetal
private import CMachine
public import KernelMemory

extension Machine {
  /// A PC, for the x86-64 page-table formats. One with several CPUs says how a CPU is notified: by an
  /// interrupt, as a rule, whose handler calls `MemoryManager.serveFlushes()`.
  ///
  /// The threshold is that of Linux's documentation (Documentation/arch/x86/tlb.rst): up to 33 pages, single
  /// invalidations cost less than refilling a TLB that was emptied.
  ///
  /// Where the CPU does not snoop itself, frames that change their memory type are flushed from the caches
  /// (Intel SDM vol. 3A, 12.12.4 and 12.11.8).
  public static func x86_64(
    cpuCount: Int = 1, notify: Notify? = nil, fatal: @escaping Fatal
  ) -> Machine {
    unsafe Machine(
      context: nil, cpuCount: cpuCount, fullFlushThreshold: PageCount(33),
      flush: { _, ranges, count in
        guard count > 0, let ranges = unsafe ranges else { return PagingControls.flushEverything() }
        for index in 0..<count {
          unsafe PagingControls.flush(from: ranges[index].start, upTo: ranges[index].end)
        }
      },
      notify: notify, afterMap: nil, fatal: fatal,
      cleanMemory: ProcessorFeatures.snoopsItself ? nil : cleanCaches,
      check: { _, tables in
        guard PagingControls.isPrepared else { return cmachine_paging_unprepared }
        guard PagingControls.addressBits == Int(tables.address_bits) else {
          return cmachine_paging_other_width
        }
        return PagingControls.root.rawValue == UInt64(tables.root)
          ? cmachine_paging_ready : cmachine_paging_other_root
      })
  }
}

/// A line at a time; WBINVD takes the caches of this CPU alone, and is for CPUs that are too old for several.
private func cleanCaches(_: UnsafeMutableRawPointer?, _ range: cmachine_range) {
  guard let size = ProcessorFeatures.cacheLineSize else { return x86_wbinvd() }
  x86_mfence()
  var address = range.start
  // Not `<`: a range may end at the top of the address space.
  while address != range.end {
    x86_clflush(address)
    address &+= size
  }
  x86_mfence()
}

#endif
