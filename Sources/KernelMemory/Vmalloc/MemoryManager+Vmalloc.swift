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
        unmake(try retire(address), cpu)
      } catch {
        cpu.count(.freesRefused)
        throw error
      }
    }
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
    let area = try retrying { (cpu) throws(MemoryError) in
      let number = try reserve(request, options, cpu)
      areas.pool[number].value.byteCount = UInt64(byteCount)
      areas[options.areas ?? vmallocAreas].publish(number)
      tags.charge(options.tag, areas: 1, pages: request.pages.rawValue, cpu)
      cpu.count(.areasAllocated)
      cpu.count(.pagesAllocated, Int(request.pages.rawValue))
      return number
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
    return Areas.Request(
      pages: pages, guardPages: options.guardPages,
      alignment: max(0, alignment.trailingZeroBitCount - Int(pageSize.shift)),
      place: options.address?.number(pageSize))
  }

  /// Steps 2 to 4.
  private func reserve(
    _ request: Areas.Request, _ options: VmallocOptions, _ cpu: borrowing CPU
  ) throws(MemoryError) -> UInt32 {
    let instance = areas[options.areas ?? vmallocAreas]
    let area = try instance.reserve(request, cpu)
    let descriptor = areas.pool[area]
    do {
      try populate(area, descriptor.value.pages, options, cpu)
    } catch {
      instance.release(area)
      throw error
    }
    descriptor.value.tag = options.tag
    descriptor.value.protection = options.protection
    descriptor.value.cache = options.cache
    return area
  }

  private func populate(
    _ area: UInt32, _ pages: PageRange, _ options: VmallocOptions, _ cpu: borrowing CPU
  ) throws(MemoryError) {
    let missing = try tables.tablesMissing(for: pages)
    let list = try frames.allocate(
      count: Int(truncatingIfNeeded: pages.count.rawValue), zone: options.zone, cpu)
    var source: ReservedTables
    do {
      source = try reserveTables(missing, cpu)
    } catch {
      frames.free(list, cpu)
      throw error
    }
    cpu.count(.tablesMade, tables.pin(pages, from: &source))
    source.end()
    var leaves = LeafList(list, area: area, frames.table)
    let attributes = MappingAttributes(options.protection, cache: options.cache)
    cpu.count(.entriesWritten, tables.write(pages, attributes, from: &leaves))
    leaves.end()
  }
}

// MARK: - Unmaking

extension MemoryManager {
  /// The one place that decides whether a free is right. Of several callers with the same address, one
  /// succeeds.
  private func retire(_ address: VirtualAddress) throws(MemoryError) -> UInt32 {
    let page = address.number(pageSize)
    guard let instance = areas.instance(containing: page) else { throw .badFree(.foreign) }
    guard let area = instance.find(page), areas.pool[area].value.state == .live else {
      throw .badFree(.alreadyFree)
    }
    let pages = areas.pool[area].value.pages
    guard pages.contains(page) else { throw .badFree(.guardPage) }
    guard address.isAligned(to: pageSize) else {
      throw .badFree(page == pages.first ? .unaligned : .interior)
    }
    guard page == pages.first else { throw .badFree(.interior) }
    guard instance.retire(area) else { throw .badFree(.alreadyFree) }
    return area
  }

  /// Steps 2 to 4 of a free.
  private func unmake(_ area: UInt32, _ cpu: borrowing CPU) {
    let pages = areas.pool[area].value.pages
    tags.uncharge(areas.pool[area].value.tag, areas: 1, pages: pages.count.rawValue, cpu)
    cpu.count(.areasFreed)
    cpu.count(.pagesFreed, Int(truncatingIfNeeded: pages.count.rawValue))
    let detached = tables.clear(pages, owned: true, prune: true)
    cpu.count(.entriesCleared, detached.entriesCleared)
    reclaim.retire(detached, pages, area: area, cpu)
    reclaim.drain(cpu)
  }
}
