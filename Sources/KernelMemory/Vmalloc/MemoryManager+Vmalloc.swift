// The family that users call
//
//     vmalloc                                          vfree
//       1 check size, alignment, tag, range              1 address → descriptor; one compare-and-swap
//       2 reserve a range with its guard                   live → retired decides wrong and second frees
//       3 reserve frames and table frames                2 clear the entries: `Detached`
//       4 pin tables, write entries: cannot fail         3 retire what was detached, and the range
//       5 publish the descriptor                         4 a completed flush frees all of it
//
// Steps 2 and 3 of vmalloc can fail, and undo what they did; nothing after them can.

extension MemoryManager {
  /// Allocates `byteCount` bytes, rounded up to pages, contiguous in virtual addresses, from page
  /// frames wherever they lie. The contents are unspecified.
  ///
  /// O(pages), whatever the number of areas. Legal in any context but an NMI.
  /// - Parameters:
  ///   - byteCount: the size in bytes; zero and negative sizes are refused.
  ///   - options: alignment, place, guard, protection, zone, range, and who is charged.
  /// - Returns: the address of the first byte; page-aligned at least.
  /// - Throws: `sizeIsZero`, `sizeOverflow`, `sizeTooLarge`, `badAlignment`, `rangeExhausted`, `placeTaken`,
  ///   `framesExhausted`, `tablesExhausted`, `metadataExhausted`; `areasUnavailable` or `tagsExhausted` for
  ///   options that name a range or a tag that does not exist. After any of them nothing has changed.
  public func vmalloc(
    _ byteCount: Int, _ options: VmallocOptions = VmallocOptions()
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    let area = try make(byteCount, options)
    return unsafe pointer(to: area)
  }

  /// As `vmalloc`, for `count` elements of `stride` bytes; a product that overflows is refused.
  public func vmalloc(
    count: Int, stride: Int, _ options: VmallocOptions = VmallocOptions()
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    let (byteCount, overflow) = count.multipliedReportingOverflow(by: stride)
    guard !overflow, count >= 0 else { throw failed(.sizeOverflow) }
    return unsafe try vmalloc(byteCount, options)
  }

  /// As `vmalloc`, with every byte zero, up to the end of the last page.
  public func vzalloc(
    _ byteCount: Int, _ options: VmallocOptions = VmallocOptions()
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    let area = try make(byteCount, options)
    // Nobody else has the address yet, so this needs no protection, and runs with interrupts as they are.
    tables.visit(areas.pool[area].value.pages) { leaf in
      for offset in 0..<leaf.pages.count.rawValue {
        frames.table.zero(FrameNumber(leaf.frame.rawValue &+ offset))
      }
    }
    return unsafe pointer(to: area)
  }

  /// Frees what `vmalloc` returned; nil is ignored. Allocates nothing and never waits for another CPU.
  /// - Throws: `badFree`, with nothing changed: `alreadyFree`, `interior`, `guardPage`, `foreign`,
  ///   `unaligned`.
  public func vfree(_ pointer: UnsafeMutableRawPointer?) throws(MemoryError) {
    guard let pointer = unsafe pointer else { return }
    let address = unsafe VirtualAddress(pointer)
    try freeing { (cpu) throws(MemoryError) in try free(address, cpu) }
    if reclaim.mode == .strict { finishFlush() }
  }

  private func pointer(to area: UInt32) -> UnsafeMutableRawPointer {
    let address = PageNumber(areas.pool[area].value.first).address(pageSize)
    // Address zero is in no range: frame and page zero are never managed.
    return unsafe address.pointer.unsafelyUnwrapped
  }
}

// MARK: - Making

extension MemoryManager {
  private func make(_ byteCount: Int, _ options: VmallocOptions) throws(MemoryError) -> UInt32 {
    let request: Areas.Request
    do throws(MemoryError) { request = try check(byteCount, options) } catch { throw failed(error) }
    if let area = try reuse(request, byteCount, options) { return area }
    let area = try retrying(mayWait: options.mayWait) { (cpu) throws(MemoryError) in
      let area = try reserve(request, cpu)
      publish(area, request, byteCount, cpu)
      return area
    }
    announce(areas.pool[area].value.pages)
    return area
  }

  /// Step 1.
  private func check(_ byteCount: Int, _ options: VmallocOptions) throws(MemoryError) -> Areas.Request {
    guard byteCount != 0 else { throw .sizeIsZero }
    guard byteCount > 0 else { throw .sizeOverflow }
    let alignment = options.alignment
    guard alignment > 0, alignment & (alignment - 1) == 0, alignment.trailingZeroBitCount < 57 else {
      throw .badAlignment(alignment)
    }
    let pages = PageCount(bytes: UInt64(byteCount), pageSize)
    guard pages <= frames.managed else { throw .sizeTooLarge(pages: pages, limit: frames.managed) }
    guard areas.contains(options.areas ?? vmallocAreas) else { throw .areasUnavailable }
    guard tags.contains(options.tag) else { throw .tagsExhausted(limit: tags.count) }
    if let address = options.address, !address.isAligned(to: pageSize) { throw .placeTaken(address) }
    let order = max(0, alignment.trailingZeroBitCount - Int(pageSize.shift))
    return Areas.Request(
      pages: pages,
      traits: AreaTraits(
        guardPages: options.guardPages, protection: options.protection,
        instance: options.areas ?? vmallocAreas, cache: options.cache, alignment: order,
        zone: options.zone, tag: options.tag),
      alignment: order, place: options.address?.number(pageSize))
  }

  /// A freed area of the same kind: as it is, if it is still mapped, or with frames of its own. Where
  /// earlier frees have left work, this CPU does its share, so that nothing depends on an idle loop: a little
  /// always, and past the bound, where waiting is legal, all of it.
  private func reuse(
    _ request: Areas.Request, _ byteCount: Int, _ options: VmallocOptions
  ) throws(MemoryError) -> UInt32? {
    guard reclaim.mode != .strict else { return nil }
    let pages = request.pages.rawValue
    var isOverBound = false
    var isNew = false
    let found = try entering { (cpu) throws(MemoryError) -> UInt32? in
      if request.place == nil, let area = reclaim.reuseMapped(pages, request.traits, cpu) {
        publish(area, request, byteCount, cpu)
        return area
      }
      isOverBound = reclaim.relieve(pages, cpu)
      guard request.place == nil, let area = reclaim.reuse(pages, request.traits, cpu) else { return nil }
      do throws(MemoryError) {
        try populate(area, request, cpu)
      } catch {
        reclaim.keep(area, cpu)
        return nil
      }
      publish(area, request, byteCount, cpu)
      isNew = true
      return area
    }
    if isOverBound && options.mayWait { relieve() }
    if isNew, let found { announce(areas.pool[found].value.pages) }
    return found
  }

  private func relieve() {
    guard cpus.count == 1 || cpus.mayWait else { return }
    repeat {
      reclaim.shootdown.wait(for: cpus.with { cpu in reclaim.awaited(cpu) })
    } while cpus.with { cpu in reclaim.relieveMore(cpu) }
  }

  /// Charges an area, notes what was asked, and makes it visible.
  @inline(__always)
  private func publish(_ area: UInt32, _ request: Areas.Request, _ byteCount: Int, _ cpu: borrowing CPU) {
    let descriptor = areas.pool[area]
    descriptor.value.byteCount = UInt64(byteCount)
    descriptor.value.traits = request.traits
    tags.charge(request.traits.tag, areas: 1, pages: request.pages.rawValue, cpu)
    cpu.count(.areasAllocated)
    cpu.count(.pagesAllocated, Int(truncatingIfNeeded: request.pages.rawValue))
    descriptor.value.renew(as: .live)
  }

  /// Steps 2 to 4.
  private func reserve(_ request: Areas.Request, _ cpu: borrowing CPU) throws(MemoryError) -> UInt32 {
    let instance = areas[request.traits.instance]
    let area = try areas.locked(cpu) { () throws(MemoryError) in try instance.reserve(request, cpu) }
    do throws(MemoryError) {
      try fill(area, request, cpu)
    } catch {
      areas.locked(cpu) { instance.release(area) }
      throw error
    }
    return area
  }

  /// Frames for a new area, and tables for it.
  private func fill(_ area: UInt32, _ request: Areas.Request, _ cpu: borrowing CPU) throws(MemoryError) {
    let list = try frames.allocate(
      count: Int(truncatingIfNeeded: request.pages.rawValue), zone: request.traits.zone, cpu)
    do throws(MemoryError) {
      try pin(areas.pool[area].value.pages, frame: nil, cpu)
    } catch {
      frames.free(list, cpu)
      throw error
    }
    map(list, area, request, cpu)
  }

  /// Frames for an area whose tables are pinned.
  private func populate(_ area: UInt32, _ request: Areas.Request, _ cpu: borrowing CPU) throws(MemoryError) {
    let list = try frames.allocate(
      count: Int(truncatingIfNeeded: request.pages.rawValue), zone: request.traits.zone, cpu)
    map(list, area, request, cpu)
  }

  /// Step 4's end, which cannot fail.
  @inline(__always)
  private func map(
    _ list: consuming FrameList, _ area: UInt32, _ request: Areas.Request, _ cpu: borrowing CPU
  ) {
    var leaves = LeafList(list, area: area, frames.table)
    let attributes = MappingAttributes(request.traits.protection, cache: request.traits.cache)
    let pages = PageRange(unchecked: PageNumber(areas.pool[area].value.first), count: request.pages)
    write(pages, frame: nil, attributes, from: &leaves, cpu)
    leaves.end()
  }
}

// MARK: - Unmaking

extension MemoryManager {
  /// The one place that decides whether a free is right. Of several callers with the same address, one
  /// succeeds.
  private func free(_ address: VirtualAddress, _ cpu: borrowing CPU) throws(MemoryError) {
    let page = address.number(pageSize)
    guard let instance = areas.instance(containing: page) else { throw .badFree(.foreign) }
    guard let area = instance.find(page) else { throw .badFree(.alreadyFree) }
    let life = areas.pool[area].value.generation
    guard areas.pool[area].value.state == .live else { throw .badFree(.alreadyFree) }
    let pages = areas.pool[area].value.pages
    guard pages.contains(page) else { throw .badFree(.guardPage) }
    guard address.isAligned(to: pageSize) else {
      throw .badFree(page == pages.first ? .unaligned : .interior)
    }
    guard page == pages.first else { throw .badFree(.interior) }
    let tag = areas.pool[area].value.traits.tag
    guard reclaim.retire(area, in: life, cpu) else { throw .badFree(.alreadyFree) }
    tags.uncharge(tag, areas: 1, pages: pages.count.rawValue, cpu)
    cpu.count(.areasFreed)
    cpu.count(.pagesFreed, Int(truncatingIfNeeded: pages.count.rawValue))
  }
}
