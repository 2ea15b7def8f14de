// From a firmware memory map to a manager
//
//   1. `init`: the boot code has mapped a fixed window. Early frames inside it hold the first tables:
//      the root, and the linear map of all RAM, with the largest leaves that fit.
//   2. `map`: the kernel adds what else must be there after the switch: its own image, low, with bit 63
//      clear.
//   3. The kernel loads `root`, and from then on reaches RAM through the linear map.
//   4. `start`: frame metadata, the rooms' records, and then the buddy lists, which adopt what the early
//      frames hold as in use.

/// Builds a manager out of the memory that a machine has.
public struct Bootstrap: ~Copyable {
  var space: EarlySpace

  /// Builds the tables of the linear map.
  /// - Parameters:
  ///   - memoryMap: what RAM there is, and what of it is in use.
  ///   - window: how the boot code reaches RAM now: its base and how far it goes.
  ///   - linearMap: how RAM is reached once `root` is loaded.
  ///   - format: how the CPU reads page tables.
  ///   - memoryLimit: below which memory may be added later (`MemoryManager.addMemory`): it takes 8 bytes for
  ///     each 32,768 frames, and the tables directly below the root. Zero for memory that was there at boot.
  /// - Throws: `linearMapUnusable`, `linearMapMisaligned`, `earlyMemoryExhausted`, `alreadyMapped`,
  ///   `notCanonical`; `frameOutOfReach` for a limit that the linear map does not reach.
  public init(
    memoryMap: MemoryMap, window: LinearMap, linearMap: LinearMap, format: PageTableFormatChoice,
    memoryLimit: PhysicalAddress = PhysicalAddress(0)
  ) throws(MemoryError) {
    space = try EarlySpace(memoryMap, window: window, linearMap: linearMap, format, memoryLimit)
  }

  /// The physical address of the root table, to load.
  public var root: PhysicalAddress { space.root.address(space.linearMap.pageSize) }

  /// How many bits of a virtual address the tables translate; the CPU that loads them has to translate as
  /// many.
  public var addressBits: Int { space.choice.format.addressBits }

  /// Maps a run of pages to a run of frames, with the largest leaves that alignment allows: those of a
  /// device, or of memory that is not handed out, such as the kernel's image (`MemoryMap.Kind.kept`).
  /// - Throws: `alreadyMapped`, `notCanonical`, `frameOutOfReach`, `cacheTypeUnavailable`, `frameUnavailable`
  ///   for memory that `start` will hand out, `memoryWindow` for another place than theirs in the linear map
  ///   or in a window made before, `earlyMemoryExhausted`, with nothing mapped.
  public mutating func map(
    _ pages: PageRange, to frame: FrameNumber, _ attributes: MappingAttributes
  ) throws(MemoryError) {
    try space.checkNotHandedOut(frame, pages.count)
    try space.checkWindows(pages, frame)
    try space.map(pages, to: frame, attributes)
  }

  /// Maps all RAM a second time, read-write and not executable, with the largest leaves that fit: a window in
  /// the lower half, for the objects of a Swift runtime (RuntimeHeap).
  /// - Parameter window: where; it reaches all RAM that the linear map reaches.
  /// - Throws: `linearMapUnusable` for a base that is no page's, another page size, or an eighth window;
  ///   `frameOutOfReach` for RAM above its limit; `notCanonical` for one that passes the top of the address
  ///   space; as `map`. Nothing is mapped beyond what was mapped before the refusal.
  public mutating func mapMemory(in window: LinearMap) throws(MemoryError) {
    try space.mapMemory(in: window)
  }
}

// MARK: - Starting

extension Bootstrap {
  /// Starts the manager; `root` is loaded on this CPU.
  /// - Parameters:
  ///   - machine: what the manager may ask of the hardware.
  ///   - vmallocRange: the range of `vmalloc`; nil for the format's default.
  ///   - mode: when freed memory can be used again.
  ///   - hardening: how the memory of kmalloc is watched.
  ///   - contents: what `vmalloc` finds in memory that others have written; nil for `clearedBetweenTags`
  ///     where kmalloc is hardened or checked, and `unspecified` else.
  /// - Throws: `pagingNotPrepared`, `addressWidthDiffers`, `rootNotLoaded`, `threadPointerUnusable`,
  ///   `cpuNumberUnusable`, `notifyMissing`, before anything is done; `cpuCountUnsupported`,
  ///   `earlyMemoryExhausted`, `metadataExhausted`, `tablesExhausted`, `notCanonical`, `areasUnavailable`,
  ///   `alreadyMapped` where something is mapped in the range.
  public consuming func start(
    on machine: Machine, vmallocRange: PageRange? = nil, mode: FreeMode = .warm,
    hardening: SlabHardening = .none, contents: AreaContents? = nil
  ) throws(MemoryError) -> MemoryManager {
    try checkCPU(of: machine)
    space.early.window = space.linearMap
    let machine = try store(machine)
    let table = try makeFrameTable()
    let cpus = try CPUs(count: machine.value.cpuCount, recordsEnd: Vmalloc.caches.end, carving: &space)
    let tags = try Tags(cpus, table.pageSize, carving: &space)
    let frames = try Frames(table, cpus, carving: &space)
    let tables = try PageTables(format: space.choice.format, root: space.root, table, carving: &space)
    let arenas = try ArenaTable(frames, framesEnd: allocatableEnd(), carving: &space)
    let quarantine = try Quarantine(machine, frames, tables, arenas, carving: &space)
    let base = UInt(space.linearMap.base.rawValue)
    let slab = try Slab(frames, tags, quarantine, base: base, hardening, carving: &space)
    let traits = AreaTraits(clearing: contents ?? hardening.contents)
    let manager = try MemoryManager(
      mode, machine, quarantine, slab, space.windows, traits, carving: &space)
    return try begin(manager, vmallocRange ?? space.choice.defaultVmallocRange)
  }

  /// Closes the early frames, and begins with the range of `vmalloc`.
  private func begin(_ manager: MemoryManager, _ range: PageRange) throws(MemoryError) -> MemoryManager {
    handOver(to: manager.frames)
    manager.slab.selectBlockLists()
    manager.tables.adoptAll()
    manager.joinCPU()
    _ = try manager.makeAreas(range)
    return manager
  }

  /// Metadata for every section that has frames to hand out.
  private mutating func makeFrameTable() throws(MemoryError) -> FrameTable {
    let shift = FrameTable.sectionShift
    var sections: UInt64 = 0
    var next = FrameNumber(0)
    while let run = space.reachable(.allocatable, from: next) {
      sections = (run.end.rawValue &- 1) &>> shift &+ 1
      next = run.end
    }
    sections = max(sections, (max(space.addedEnd.rawValue, 1) &- 1) &>> shift &+ 1)
    let table = FrameTable(
      linearMap: space.linearMap, directory: try space.carve(Int(sections)), sectionCount: sections)
    next = FrameNumber(0)
    while let run = space.reachable(.allocatable, from: next) {
      for section in run.first.rawValue &>> shift...(run.end.rawValue &- 1) &>> shift
      where table.metadata(of: FrameNumber(section &<< shift)) == nil {
        table.setSection(section, metadata: try space.carve(1 &<< Int(shift)))
      }
      next = run.end
    }
    return table
  }

  /// Gives the frames over to the allocator: those that were handed out early as used, the others as free.
  private func handOver(to frames: Frames) {
    let taken = space.early.taken
    var next = FrameNumber(0)
    while let run = space.reachable(.allocatable, from: next) {
      if run.overlaps(taken) {
        frames.adopt(FrameRange(from: run.first, upTo: taken.first))
        frames.adopt(FrameRange(from: taken.end, upTo: run.end))
      } else {
        frames.adopt(run)
      }
      next = run.end
    }
    frames.adopt(inUse: taken)
    frames.selectFastZone()
    frames.state.value.refused = refusedFrames()
  }

  /// Where the highest run of frames ends that are handed out, or may be later.
  private func allocatableEnd() -> PhysicalAddress {
    var end = FrameNumber(0)
    while let run = space.reachable(.allocatable, from: end) { end = run.end }
    return max(end, space.addedEnd).address(space.linearMap.pageSize)
  }

  private func refusedFrames() -> UInt64 {
    var refused: UInt64 = 0
    var next = FrameNumber(1)
    while let run = space.memoryMap.nextRun(.allocatable, from: next, space.linearMap.pageSize) {
      let inside = space.reachable(.allocatable, from: run.first)
      let reached = inside.map { $0.first == run.first ? $0.count.rawValue : 0 } ?? 0
      refused &+= run.count.rawValue &- reached
      next = run.end
    }
    return refused
  }

  /// A copy, in a function of its own: it is large, and `start` has little stack.
  private mutating func store(_ machine: Machine) throws(MemoryError) -> Stable<Machine> {
    let copy: Stable<Machine> = try space.carve(1)
    unsafe copy.pointer.initialize(to: machine)
    return copy
  }
}
