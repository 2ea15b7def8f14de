#if arch(x86_64)

private import CMachine
public import KernelMemory

extension Machine {
  /// A PC, for the x86-64 page-table formats. One with several CPUs says how a CPU is notified: by an
  /// interrupt, as a rule, whose handler calls `MemoryManager.serveFlushes()`.
  ///
  /// The threshold is that of Linux's documentation (Documentation/arch/x86/tlb.rst): up to 33 pages,
  /// single invalidations cost less than refilling a TLB that was emptied.
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
      notify: notify, afterMap: nil, fatal: fatal)
  }
}

#endif
