#if arch(arm64)

private import CBareMetal
private import CMachine
public import KernelMemory

extension Machine {
  /// An AArch64 machine at EL1, for the format of that granule. With several CPUs a flush is broadcast to the
  /// TLBs of all of them (TLBI ..IS), and needs no interrupt. One with several CPUs says all the same how a
  /// CPU is notified, of what is not a flush: by an interrupt, as a rule, whose handler calls
  /// `MemoryManager.serveFlushes()`; it owes a DSB ISHST first.
  ///
  /// Where the CPU has TLBI by range, 128 MiB with pages of 4 KiB are some instructions, and a flush of so
  /// many pages is asked for by ranges. Without it they are flushed one by one, up to a table's 512 with the
  /// granule of 4 KiB: that many TLBI are a fraction of the walks that an emptied TLB of some thousand
  /// entries costs.
  ///
  /// Entries that were not present are never in a TLB (Arm ARM, D8.14), but that they are present is not
  /// known to the walkers of all CPUs before a barrier.
  /// - Parameter hasRangeInvalidation: whether all CPUs have TLBI by range, as this one says for itself.
  public static func aarch64(
    granule: PageSize = .size4K, cpuCount: Int = 1,
    hasRangeInvalidation: Bool = ProcessorFeatures.hasRangeInvalidation,
    notify: Notify? = nil, fatal: @escaping Fatal
  ) -> Machine {
    let flush = TLBFlush(granule, reachesAllCPUs: cpuCount > 1, hasRanges: hasRangeInvalidation)
    var machine = unsafe Machine(
      context: flush.context, cpuCount: cpuCount,
      fullFlushThreshold: PageCount(hasRangeInvalidation ? 32_768 : 512),
      flush: { context, ranges, count in unsafe TLBFlush(context)(ranges, count) },
      notify: notify,
      afterMap: { _, _, _ in
        arm64_dsb_ishst()
        arm64_isb()
      },
      fatal: fatal, cleanMemory: cleanCaches,
      check: { context, tables in
        let granule = unsafe TLBFlush(context).granule
        guard PagingControls.isPrepared(granule) else { return cmachine_paging_unprepared }
        guard PagingControls.addressBits(granule) == Int(tables.address_bits) else {
          return cmachine_paging_other_width
        }
        return PagingControls.root.rawValue == UInt64(tables.root)
          ? cmachine_paging_ready : cmachine_paging_other_root
      })
    machine.flushReachesAllCPUs = flush.reachesAllCPUs
    return machine
  }
}

/// To the point of coherency, where accesses of all types meet.
private func cleanCaches(_: UnsafeMutableRawPointer?, _ range: cmachine_range) {
  let size = ProcessorFeatures.dataLineSize
  arm64_dsb_sy()
  var address = range.start
  // Not `<`: a range may end at the top of the address space.
  while address != range.end {
    arm64_dc_civac(address)
    address &+= size
  }
  arm64_dsb_sy()
}

/// Has all CPUs execute what was written to memory, which is in use by this address (Arm ARM, B2.7.4). Other
/// CPUs execute an ISB before they go there.
@unsafe
public func synchronizeInstructions(at start: UnsafeRawPointer, byteCount: Int) {
  let first = UInt(bitPattern: start)
  let end = first &+ UInt(max(0, byteCount))
  let dataLine = ProcessorFeatures.dataLineSize
  let instructionLine = ProcessorFeatures.instructionLineSize
  var address = first & ~(dataLine &- 1)
  while address < end {
    arm64_dc_cvau(address)
    address &+= dataLine
  }
  arm64_dsb_ish()
  address = first & ~(instructionLine &- 1)
  while address < end {
    arm64_ic_ivau(address)
    address &+= instructionLine
  }
  arm64_dsb_ish()
  arm64_isb()
}

#endif
