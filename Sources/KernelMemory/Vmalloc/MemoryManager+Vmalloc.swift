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
    try cpus.with { (cpu) throws(MemoryError) in
      do throws(MemoryError) {
        try free(address, cpu)
      } catch {
        cpu.count(.freesRefused)
        throw error
      }
    }
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
    if request.place == nil, let area = reuse(request, byteCount) { return area }
    relieve(options)
    let area = try retrying(mayWait: options.mayWait) { (cpu) throws(MemoryError) in
      let area = try reserve(request, cpu)
      publish(area, request, byteCount, cpu)
      areas[request.traits.instance].publish(area)
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

  /// A freed area of the same kind that is still mapped.
  private func reuse(_ request: Areas.Request, _ byteCount: Int) -> UInt32? {
    cpus.with { cpu in
      guard let area = reclaim.reuse(request.pages.rawValue, request.traits, cpu) else { return nil }
      publish(area, request, byteCount, cpu)
      areas[request.traits.instance].publish(area)
      return area
    }
  }

  /// Charges an area, and notes what was asked.
  private func publish(_ area: UInt32, _ request: Areas.Request, _ byteCount: Int, _ cpu: borrowing CPU) {
    areas.pool[area].value.byteCount = UInt64(byteCount)
    areas.pool[area].value.traits = request.traits
    tags.charge(request.traits.tag, areas: 1, pages: request.pages.rawValue, cpu)
    cpu.count(.areasAllocated)
    cpu.count(.pagesAllocated, Int(truncatingIfNeeded: request.pages.rawValue))
  }

  /// Takes this CPU's share of what earlier frees have left, so that nothing depends on an idle loop: a
  /// little always, and past the bound, where waiting is legal, all of it.
  private func relieve(_ options: VmallocOptions) {
    guard reclaim.mode != .strict else { return }
    let isOverBound = cpus.with { cpu in
      reclaim.relieve(cpu)
      return reclaim.isOverBound(cpu)
    }
    guard isOverBound, options.mayWait, cpus.count == 1 || cpus.mayWait else { return }
    reclaim.shootdown.wait(for: cpus.with { cpu in reclaim.awaited(cpu) })
    while cpus.with({ cpu in reclaim.isOverBound(cpu) && reclaim.relieve(cpu) }) {}
  }

  /// Steps 2 to 4.
  private func reserve(_ request: Areas.Request, _ cpu: borrowing CPU) throws(MemoryError) -> UInt32 {
    let instance = areas[request.traits.instance]
    let area = try areas.locked(cpu) { () throws(MemoryError) in try instance.reserve(request, cpu) }
    do throws(MemoryError) {
      try populate(area, request, cpu)
    } catch {
      areas.locked(cpu) { instance.release(area) }
      throw error
    }
    return area
  }

  private func populate(
    _ area: UInt32, _ request: Areas.Request, _ cpu: borrowing CPU
  ) throws(MemoryError) {
    let pages = areas.pool[area].value.pages
    let list = try frames.allocate(
      count: Int(truncatingIfNeeded: pages.count.rawValue), zone: request.traits.zone, cpu)
    var leaves = LeafList(list, area: area, frames.table)
    let attributes = MappingAttributes(request.traits.protection, cache: request.traits.cache)
    do throws(MemoryError) {
      try write(pages, frame: nil, attributes, from: &leaves, cpu)
    } catch {
      frames.free(leaves.unused(), cpu)
      throw error
    }
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
