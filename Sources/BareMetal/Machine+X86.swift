#if arch(x86_64)

private import CMachine
public import KernelMemory

extension Machine {
  /// A PC with one CPU, for the x86-64 page-table formats.
  ///
  /// The threshold is that of Linux's documentation (Documentation/arch/x86/tlb.rst): up to 33 pages,
  /// single invalidations cost less than refilling a TLB that was emptied.
  public static func x86_64(linearMap: LinearMap, fatal: @escaping Fatal) -> Machine {
    unsafe Machine(
      context: nil, cpuCount: 1, linearMap: linearMap, fullFlushThreshold: PageCount(33),
      flush: { _, ranges, count in
        guard count > 0, let ranges = unsafe ranges else { return PagingControls.flushEverything() }
        for index in 0..<count {
          unsafe PagingControls.flush(from: ranges[index].start, upTo: ranges[index].end)
        }
      },
      afterMap: nil, fatal: fatal)
  }
}

#endif
