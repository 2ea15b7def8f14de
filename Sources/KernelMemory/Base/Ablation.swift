#if Ablations
// Mistakes that the core can be told to make, so that the tests that are to find them can be seen to do it.
// This file, and each use of it, exists only in builds with the package trait `Ablations`.

/// A mistake.
enum Ablation: UInt8 {
  /// No CPU flushes; all say that they have.
  case dropFlush
  /// The CPU that asks for a flush makes it, and takes the others' word for granted.
  case flushLocalOnly
  case freeFramesBeforeFlush
  case recycleRangeBeforeFlush
  case freeTableBeforeFlush
  /// A batch is completed whatever the CPUs have flushed.
  case skipFlushGeneration
  /// A look-up and a free ignore the generation of the descriptor.
  case skipAreaGeneration
  /// The warm cache serves requests for another protection.
  case warmAcrossProtections
  /// `vzalloc` leaves what is in the frames.
  case forgetToClear
  /// The page behind an area is mapped.
  case mapGuard
  /// A slab's frames are free while another CPU may be in the middle of a free there.
  case returnSlabDirectly
  /// A node of the index of areas is a free frame while another CPU may be in the middle of a look-up there.
  case returnIndexNodeDirectly
  /// Tables are counted without the lock, through entries in quarantine.
  case followQuarantined
  /// A CPU that joins has old drains to answer, and nobody is asked twice.
  case joinUnanswered
  /// `map` looks at the ranges before it takes their lock.
  case mapLooksEarly
  /// `map` takes a leaf in quarantine for none.
  case mapOverQuarantined
  /// A leaf is written in two stores, the second of which says where its page is.
  case leafInTwoStores
  /// A table is linked before what its frame held is cleared.
  case linkBeforeZero
  /// A large leaf becomes a table before that holds the smaller leaves.
  case splitLinksFirst
  /// The number of the CPU is read while the caller can still be moved to another.
  case earlyCPUNumber
  /// `Machine.afterMap` is never called.
  case forgetAfterMap
  /// The flush of a batch does not cover the tables in it.
  case tablesWithoutFlush
  /// Tables are freed behind a flush of ranges, on a machine whose ranges spare tables.
  case rangesForTables
  /// A large leaf is put where a table is on its way back.
  case largeLeafOverTable
  /// The linear map does not permit writes.
  case readOnlyLinearMap
  /// Locks neither acquire nor release.
  case relaxedLocks
  /// An area goes live before what it is can be seen.
  case relaxedAreas
  /// A CPU says that it has flushed, and then flushes.
  case confirmBeforeFlush
  /// Of as many requests as are remembered, and one more, the oldest is lost.
  case forgetOldestRequest
  /// A CPU that joins is waited for from after its flush on.
  case joinAfterFlush
  /// What was requested is read while others request more.
  case unlockedRequests
  /// An NMI that has interrupted the package serves flushes.
  case serveInNMI
  /// A look-up without a lock does not say that it is one.
  case unmarkedLookups
  /// A look-up without a lock begins before others can see that it does.
  case unfencedLookups
  /// A flush that was broadcast is taken for the end of all look-ups, too.
  case ignoreEpochs
  /// Who waits for a flush waits for that of the CPU that it is on by then.
  case waitForThisCPU
  /// The frames of areas that are to sleep are free before the flush.
  case stripBeforeFlush
  /// A table is cleared when its frame is free already.
  case clearFreedTable
  /// The owners of a slab's objects are looked at when its frames are free already.
  case readReturnedSlab
  /// Caches keep what they hold of frames that are mapped with another type than write-back.
  case forgetToClean
  /// 1 GiB is mapped by one leaf where CPUs know no such leaf.
  case unsupportedLeaf

  /// A flush of several pages leaves the last one out.
  case shortFlush
  /// A large leaf is split while it is in use, where it must be absent and flushed first.
  case splitLive
  /// Leaves are written as if nobody had used them.
  case clearFlags
  /// Leaves of areas say that they are parts of runs, whatever is beside them.
  case runsOfOne

  /// The mistake that is made; changed only while no CPU runs.
  nonisolated(unsafe) static var selected: Ablation?

  /// A leaf without its frame, with what is wrong about it: the flag "accessed" is bit 10 on AArch64, and bit
  /// 6 on RISC-V.
  static func spoiled(_ leaf: UInt64) -> UInt64 {
    clearFlags.isOn ? leaf & ~(1 << 10 | 1 << 6) : leaf
  }

  @inline(__always)
  var isOn: Bool { unsafe Self.selected == self }
}
#endif
