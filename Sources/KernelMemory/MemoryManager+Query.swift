extension MemoryManager {
  /// The frame behind a mapped address, in any range. O(levels), lock-free.
  public func frame(at address: VirtualAddress) -> FrameNumber? {
    let page = address.number(pageSize)
    guard let leaf = mapping(at: address) else { return nil }
    return FrameNumber(leaf.frame.rawValue &+ (page.rawValue &- leaf.pages.first.rawValue))
  }

  /// The leaf that maps `address`. O(levels), lock-free.
  public func mapping(at address: VirtualAddress) -> MappedRange? {
    let page = address.number(pageSize)
    guard tables.isCanonical(PageRange(unchecked: page, count: PageCount(1))) else { return nil }
    return tables.query(page)
  }

  /// Whether `address` lies in a range that this manager hands areas out of.
  public func contains(_ address: VirtualAddress) -> Bool {
    areas.instance(containing: address.number(pageSize)) != nil
  }

  /// The live area that has `address`, interior and guard addresses included. O(1), lock-free.
  public func area(containing address: VirtualAddress) -> Area? {
    let page = address.number(pageSize)
    guard let number = areas.instance(containing: page)?.find(page) else { return nil }
    return areas.pool[number].value.state == .live ? area(number) : nil
  }

  /// Every live area, instance by instance, in address order. O(areas + holes).
  public func forEachArea(_ body: (Area) -> Void) {
    areas.forEach { instance in instance.forEachLive { number in body(area(number)) } }
  }

  /// The runs of contiguous frames behind an area, in address order. O(pages).
  public func forEachRun(of area: Area, _ body: (FrameRange) -> Void) {
    var run = FrameRange(from: FrameNumber(0), upTo: FrameNumber(0))
    tables.visit(area.pages) { leaf in
      if !run.isEmpty && leaf.frame == run.end {
        run = FrameRange(
          unchecked: run.first, count: PageCount(run.count.rawValue &+ leaf.pages.count.rawValue))
      } else {
        if !run.isEmpty { body(run) }
        run = FrameRange(unchecked: leaf.frame, count: leaf.pages.count)
      }
    }
    if !run.isEmpty { body(run) }
  }

  /// Every leaf of the address space, in address order, the lower half first. O(tables + leaves).
  public func forEachMapping(_ body: (MappedRange) -> Void) { tables.visitAll(body) }

  func area(_ number: UInt32) -> Area {
    let descriptor = areas.pool[number]
    return Area(
      address: PageNumber(descriptor.value.first).address(pageSize), pages: descriptor.value.pages,
      guardPages: PageCount(UInt64(descriptor.value.guardPages)), byteCount: descriptor.value.byteCount,
      protection: descriptor.value.protection, cache: descriptor.value.cache, tag: descriptor.value.tag,
      areas: AreasID(index: descriptor.value.instance))
  }
}
