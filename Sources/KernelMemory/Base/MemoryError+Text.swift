extension TextSink {
  /// One clause that says why the manager refused.
  public mutating func write(_ error: MemoryError) {
    switch error {
    case .sizeIsZero: write("the size is zero")
    case .sizeOverflow: write("the size is out of bounds")
    case .sizeTooLarge(let pages, let limit): write(pages, " pages are more than the machine's ", limit)
    case .badAlignment(let bytes):
      write("an alignment of ")
      write(decimal: bytes)
      write(" bytes")
    case .rangeExhausted(let largestHole):
      write("the range is exhausted; its largest hole has ")
      write(decimal: largestHole.rawValue)
      write(" pages")
    case .placeTaken(let address): write("the place is taken or outside the range: ", address)
    case .placeBusy(let address): write("the place waits for a flush: ", address)
    case .framesExhausted(let got, let count): write(got, " page frames are free of the wanted ", count)
    case .tablesExhausted(let got, let count): write(got, " frames for tables are free of the wanted ", count)
    case .metadataExhausted: write("no frame is free for the descriptors of areas")
    case .linearMapUnusable(let address): write("no linear map for this page size: ", address)
    case .linearMapMisaligned(let address, let multiple):
      write("the linear map begins at ", address)
      write(", which is no multiple of ")
      write(decimal: multiple &>> 20)
      write(" MiB")
    case .pagingNotPrepared:
      write("this CPU does not read page tables as they are written (PagingControls.prepare() is missing)")
    case .addressWidthDiffers(let bits):
      write("this CPU does not translate addresses of the page-table format's ")
      write(decimal: UInt64(clamping: bits))
      write(" bits")
    case .rootNotLoaded(let root):
      write("this CPU does not use the tables below 0x")
      write(hex: root.rawValue, width: 16)
    case .threadPointerUnusable(let address):
      write("the thread pointer leads to no number of this CPU: ", address)
    case .cpuNumberUnusable(let number, let count):
      write("this CPU says that it has number ")
      write(decimal: UInt64(clamping: number))
      write(" of ")
      write(decimal: UInt64(clamping: count))
    case .notCanonical(let address): write("the page tables do not translate ", address)
    case .frameOutOfReach(let frame):
      write("no page-table entry holds the frame number ")
      write(decimal: frame.rawValue)
    case .frameUnavailable(let frame):
      write("free, or in other use: the frame number ")
      write(decimal: frame.rawValue)
    case .memoryWindow(let address): write("a page of a window on all memory: ", address)
    case .cacheTypeUnavailable: write("the page tables cannot ask for this type of memory")
    case .alreadyMapped(let address): write("already mapped: ", address)
    case .breakBeforeMake(let address): write("a large leaf in use cannot be split: ", address)
    case .badFree(let reason): write(reason)
    case .notLinear(let address): write("an address of vmalloc, not of the linear map: ", address)
    case .notMemory(let address): write("not RAM that is handed out here: ", address)
    case .blockTooLarge(let limit):
      write("more bytes than a block has: ")
      write(decimal: UInt64(clamping: limit))
    case .cachesExhausted: write("the table of caches is full")
    case .cacheUnavailable: write("the cache was destroyed")
    case .cacheInUse(let objects):
      write("live objects of the cache: ")
      write(decimal: UInt64(clamping: objects))
    case .tagsExhausted: write("the table of tags is full")
    case .tagUnavailable: write("there is no such tag")
    case .tagInUse(let bytes, _, _):
      write("memory or a cache is charged to the tag; bytes: ")
      write(decimal: bytes)
    case .overQuota(_, let limit, let used): writeQuota(limit, " bytes", used)
    case .overAreaQuota(_, let limit, let used): writeQuota(limit, " areas", used)
    case .areasUnavailable: write("no further range can be managed, or this one overlaps another")
    case .areasInUse(let address): write("an area is live in the range: ", address)
    case .cpuCountUnsupported(let count):
      write(decimal: UInt64(clamping: count))
      write(" CPUs: 1 to ")
      write(decimal: UInt64(CPUs.limit))
      write(" are supported")
    case .notifyMissing: write("several CPUs, and Machine.notify is nil")
    case .wouldWait: write("memory is short, and waiting for it is not allowed here")
    case .wrongContext:
      write("not here: interrupts are off and it may wait, in an NMI, or the CPU has not joined")
    case .memoryMapFull: write("the memory map has too many entries")
    case .earlyMemoryExhausted:
      write("no usable run of the memory map is in the boot window and the linear map")
    }
  }

  private mutating func write(_ reason: BadFree) {
    switch reason {
    case .alreadyFree: write("not allocated")
    case .interior: write("inside a live area")
    case .guardPage: write("in a guard page")
    case .foreign: write("not memory of this manager")
    case .unaligned: write("not the first byte of a page")
    case .wrongOrder: write("allocated with another order")
    }
  }

  private mutating func writeQuota(_ limit: UInt64, _ unit: StaticString, _ used: UInt64) {
    write("over the tag's quota of ")
    write(decimal: limit)
    write(unit)
    write(", of which are used ")
    write(decimal: used)
  }

  private mutating func write(_ first: PageCount, _ text: StaticString, _ second: PageCount) {
    write(decimal: first.rawValue)
    write(text)
    write(decimal: second.rawValue)
  }

  private mutating func write(_ text: StaticString, _ address: VirtualAddress) {
    write(text)
    write("0x")
    write(hex: address.rawValue, width: 16)
  }
}
