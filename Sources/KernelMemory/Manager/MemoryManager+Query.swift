internal import CMachine
internal import Synchronization

extension MemoryManager {
  /// The frame behind a mapped address, in any range; nil on a CPU that has not joined, as of the following.
  /// O(levels), lock-free.
  // Inlined, so that a loop over pages keeps what does not change in registers.
  @inline(__always)
  public func frame(at address: VirtualAddress) -> FrameNumber? {
    cpus.asReader(orElse: nil) { tables.frame(at: address) }
  }

  /// The leaf that maps `address`. O(levels), lock-free.
  public func mapping(at address: VirtualAddress) -> MappedRange? {
    let page = address.number(pageSize)
    guard tables.isCanonical(PageRange(unchecked: page, count: PageCount(1))) else { return nil }
    return cpus.asReader(orElse: nil) { tables.query(page) }
  }

  /// Whether `address` lies in a range that this manager hands areas out of.
  public func contains(_ address: VirtualAddress) -> Bool {
    arenas.contains(address.number(pageSize))
  }

  /// The live area that has `address`, interior and guard addresses included. O(1), lock-free.
  public func area(containing address: VirtualAddress) -> Area? {
    let page = address.number(pageSize)
    return cpus.asReader(orElse: nil) { liveArea(containing: page) }
  }

  private func liveArea(containing page: PageNumber) -> Area? {
    guard let number = arenas.arena(containing: page)?.find(page), let area = liveArea(number),
      area.spanRange.contains(page)
    else { return nil }
    return area
  }

  /// What a descriptor says of a live area; nil where it describes none. Lock-free: what was read belongs
  /// together only if the generation is the same at the end.
  private func liveArea(_ number: UInt32) -> Area? {
    let descriptor = arenas.pool[number]
    guard let (generation, isBorrowed) = descriptor.value.heldGeneration else { return nil }
    cmachine_step(cmachine_step_area_found)
    let area = area(number, isBorrowed: isBorrowed)
    #if Ablations
    if Ablation.skipAreaGeneration.isOn { return area }
    #endif
    atomicMemoryFence(ordering: .acquiring)
    return descriptor.value.heldGeneration?.generation == generation ? area : nil
  }

  /// Every live area, arena by arena, in address order. Areas that come or go meanwhile may be
  /// passed over. O(areas + holes).
  /// - Throws: `wrongContext` in an NMI that has interrupted this package, before `body` is called.
  public func forEachArea(_ body: (Area) -> Void) throws(MemoryError) {
    try cpus.enter { _ in }
    for number in 0..<arenas.count {
      forEachArea(of: ArenaID(index: UInt8(truncatingIfNeeded: number)), body)
    }
  }

  private func forEachArea(of id: ArenaID, _ body: (Area) -> Void) {
    var page = PageNumber(0)
    while let number = nextArea(of: id, from: &page, where: { $0.isLive }) {
      if let area = liveArea(number) { body(area) }
    }
  }

  /// The next area of a range whose state is wanted; `page` goes on behind it. The lock is held for a few
  /// pieces at a time.
  func nextArea(
    of id: ArenaID, from page: inout PageNumber, where isWanted: (AreaState) -> Bool
  ) -> UInt32? {
    var isDone = false
    while !isDone {
      let found: UInt32? = cpus.attempt(orElse: nil) { cpu in
        arenas.locked(cpu) {
          switch arenas.find(id)?.step(from: page, where: isWanted) ?? .end {
          case .found(let number):
            page = arenas.pool[number].value.spanRange.end
            return number
          case .from(let next): page = next
          case .end: isDone = true
          }
          return nil
        }
      }
      if let found { return found }
    }
    return nil
  }

  /// The runs of contiguous frames behind an area, in address order; `body` may do what its caller may.
  /// O(pages).
  public func forEachRun(of area: Area, _ body: (FrameRange) -> Void) {
    var run = FrameRange(from: FrameNumber(0), upTo: FrameNumber(0))
    forEachLeaf(of: area.pages) { leaf in run.extend(by: leaf.frames, endingWith: body) }
    if !run.isEmpty { body(run) }
  }

  /// The runs of frames that this manager hands out or has in use itself, in order: RAM, less the
  /// regions that the memory map says are `.kept` or reserved. O(frames), less those in free blocks.
  public func forEachMemoryRun(_ body: (FrameRange) -> Void) {
    let end = FrameNumber(frames.table.sectionCount &<< FrameTable.sectionShift)
    var next = FrameNumber(0)
    while let run = memoryRun(from: &next, upTo: end) { body(run) }
  }

  /// The next run of managed frames; `next` goes on behind it.
  private func memoryRun(from next: inout FrameNumber, upTo end: FrameNumber) -> FrameRange? {
    while next < end, managedFrames(at: next) == 0 { next = FrameNumber(next.rawValue &+ 1) }
    let first = next
    while next < end, case let count = managedFrames(at: next), count > 0 {
      next = FrameNumber(next.rawValue &+ count)
    }
    return first < end ? FrameRange(from: first, upTo: min(next, end)) : nil
  }

  /// How many frames from this one on are managed, as metadata says: those of a free block, or one.
  func managedFrames(at frame: FrameNumber) -> UInt64 {
    let state = frames.table.metadata(of: frame)?.value.state ?? FrameState(.unmanaged, zone: 0)
    if state.kind == .unmanaged { return 0 }
    return state.kind == .free ? 1 &<< UInt64(state.order) : 1
  }

  /// Every leaf of the address space, in address order, the lower half first. `body` runs with
  /// interrupts off. O(tables + leaves).
  public func forEachMapping(_ body: (MappedRange) -> Void) {
    cpus.asReader(orElse: ()) { tables.visitAll(body) }
  }

  /// Every leaf that maps a page of a run, in address order; `body` runs with interrupts as they are.
  /// O(tables + pages at the lowest level).
  func forEachLeaf(of pages: PageRange, _ body: (MappedRange) -> Void) {
    var rest = pages
    // What is no leaf any more waits for its flush.
    while let page = cpus.asReader(orElse: nil, { tables.firstMapped(in: rest) }) {
      let leaf = cpus.asReader(orElse: nil) { tables.query(page) }
      if let leaf { body(leaf) }
      rest = PageRange(from: leaf?.pages.end ?? PageNumber(page.rawValue &+ 1), upTo: pages.end)
    }
  }

  private func area(_ number: UInt32, isBorrowed: Bool) -> Area {
    let descriptor = arenas.pool[number]
    let traits = descriptor.value.traits
    return Area(
      address: PageNumber(descriptor.value.first).address(pageSize), pages: descriptor.value.pages,
      guardPages: PageCount(UInt64(traits.guardPages)), byteCount: descriptor.value.byteCount,
      protection: traits.protection, cache: traits.cache, tag: traits.tag, areas: traits.arena,
      isBorrowed: isBorrowed)
  }
}

extension FrameRange {
  /// Adds the frames that follow; where they do not adjoin, what there was is ended, and they begin anew.
  fileprivate mutating func extend(by next: FrameRange, endingWith body: (FrameRange) -> Void) {
    if !isEmpty && next.first == end {
      self = FrameRange(unchecked: first, count: PageCount(count.rawValue &+ next.count.rawValue))
    } else {
      if !isEmpty { body(self) }
      self = next
    }
  }
}
