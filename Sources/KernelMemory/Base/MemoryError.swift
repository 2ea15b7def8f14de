/// Why the memory manager refused. Every refusal leaves its state and its counters of use as they were.
public enum MemoryError: Error, Equatable, Sendable {
  /// Nothing was asked for.
  case sizeIsZero
  /// The size is negative, or wraps when it is multiplied or its guard pages are added.
  case sizeOverflow
  /// More pages than the machine has frames, in the zones that may be taken from.
  case sizeTooLarge(pages: PageCount, limit: PageCount)
  /// Not a power of two, or wider than the address space.
  case badAlignment(UInt64)
  /// No hole of the range holds the pages, their guard and their alignment.
  case rangeExhausted(largestHole: PageCount)
  /// The place asked for is outside the range, unaligned, or somebody's.
  case placeTaken(VirtualAddress)
  /// Nobody has the place asked for, but what was there is not flushed yet, even though this call has had all
  /// flushed that it may wait for.
  case placeBusy(VirtualAddress)
  /// Too few page frames, counting what purging and emptying the caches would give.
  case framesExhausted(got: PageCount, of: PageCount)
  /// Too few page frames for the page tables.
  case tablesExhausted(got: PageCount, of: PageCount)
  /// No page frame for the descriptors and the index of areas.
  case metadataExhausted
  /// The base of the linear map or of the boot window is no page's address, or the page size is not the
  /// page-table format's; or there are as many windows on all memory as `MemoryWindows` holds (8).
  case linearMapUnusable(VirtualAddress)
  /// The base of the linear map is no multiple of the largest block of frames, in bytes (4 MiB with frames of
  /// 4 KiB).
  case linearMapMisaligned(VirtualAddress, multiple: UInt64)
  /// This CPU would not read page-table entries as the format writes them: on x86-64,
  /// `PagingControls.prepare()` was not called on it.
  case pagingNotPrepared
  /// This CPU does not translate addresses of so many bits, as the page-table format does: on x86-64,
  /// CR4.LA57 and the number of levels disagree.
  case addressWidthDiffers(formatBits: Int)
  /// This CPU uses other page tables than those below this root, which the manager is to start with.
  case rootNotLoaded(PhysicalAddress)
  /// The register that leads to this CPU's number holds no address of a mapped word (zero: it was never set).
  case threadPointerUnusable(VirtualAddress)
  /// The number that this CPU has is not below `Machine.cpuCount`.
  case cpuNumberUnusable(Int, count: Int)
  /// The pages are not in the part of the address space that the page-table format can translate.
  case notCanonical(VirtualAddress)
  /// No entry of the page-table format holds a frame number this high; or the frame that was to be borrowed
  /// is not one of the manager's.
  case frameOutOfReach(FrameNumber)
  /// The frame that was to be mapped is nobody's, or this package's own: it is free, or on its way to be, a
  /// page table, a record, or a slab of kmalloc, or, before `start`, RAM that will be handed out. Or the
  /// frame that was to be taken out of the linear map is one that the manager hands out.
  case frameUnavailable(FrameNumber)
  /// A page that was to be unmapped, or mapped to another frame than belongs there, is one of the linear
  /// map's, or of another window on all memory.
  case memoryWindow(VirtualAddress)
  /// The page-table format has no way to ask for this type of memory.
  case cacheTypeUnavailable(CacheType)
  /// A page that was to be mapped is mapped.
  case alreadyMapped(VirtualAddress)
  /// Splitting a large leaf needs break-before-make here, and the leaf is in use.
  case breakBeforeMake(VirtualAddress)
  /// What was to be freed cannot be.
  case badFree(BadFree)
  /// The address is one of vmalloc's: its frames are found with `frame(at:)`, page by page.
  case notLinear(VirtualAddress)
  /// The address is not that of RAM that this manager hands out.
  case notMemory(VirtualAddress)
  /// More bytes than one object or block of kmalloc has.
  case blockTooLarge(limit: Int)
  /// The table of caches is full.
  case cachesExhausted(limit: Int)
  /// The cache was destroyed.
  case cacheUnavailable
  /// The cache cannot go: objects of it are live.
  case cacheInUse(objects: Int)
  /// The table of tags is full.
  case tagsExhausted(limit: Int)
  /// There is no such tag: none was made here, or it was removed; or it is the one that stays.
  case tagUnavailable
  /// The tag cannot be removed: so much is charged to it, or the objects of a cache will be.
  case tagInUse(bytes: UInt64, objects: UInt64, areas: UInt64)
  /// The allocation would take its tag over its quota, in bytes; `used` of them were live.
  case overQuota(tag: Tag, limit: UInt64, used: UInt64)
  /// The area would take its tag over its quota, in areas; `used` of them were live.
  case overAreaQuota(tag: Tag, limit: UInt64, used: UInt64)
  /// No further address range can be managed, or it overlaps one that is, or a window on all memory; or there
  /// is no such range, or it is one that stays.
  case areasUnavailable
  /// The range cannot be given back: somebody has an area in it, the first of which begins here.
  case areasInUse(VirtualAddress)
  /// Not at least one CPU, or more than 256.
  case cpuCountUnsupported(Int)
  /// There are several CPUs, and no way to ask them for a flush (`Machine.notify`): each wait would be for
  /// ever.
  case notifyMissing
  /// Memory is short, and what could be drained by waiting for other CPUs must not be waited for here.
  case wouldWait
  /// The call may have to wait for other CPUs, and interrupts are off; or it comes from an NMI that has
  /// interrupted this package, from a constructor of a cache, or from a CPU that has not joined (`joinCPU`),
  /// or has left; or the only CPU that is left asked to leave.
  case wrongContext
  /// The storage of the memory map has no row left.
  case memoryMapFull(limit: Int)
  /// The memory map has no usable run that holds what must be built there: so many frames in a row, in the
  /// boot window, and before `start` below the limit of the linear map, too.
  case earlyMemoryExhausted(PageCount)
}

/// What is wrong with an address or a frame that was to be freed.
public enum BadFree: Equatable, Sendable {
  /// Inside a managed range, but not allocated: freed before, or never handed out.
  case alreadyFree
  /// Inside a live area, but not its first byte.
  case interior
  /// In the guard behind a live area.
  case guardPage
  /// Not memory of this allocator: another range, an area whose frames are its caller's or, to `vunmap`, are
  /// not, the linear map, a frame that is reserved or in other use.
  case foreign
  /// Not the first byte of a page, or a frame number that no block of this order has.
  case unaligned
  /// A block of frames that was allocated with another order.
  case wrongOrder
}
