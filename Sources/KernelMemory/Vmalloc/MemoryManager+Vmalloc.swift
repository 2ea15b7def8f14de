internal import CMachine

// The family that users call
//
//     vmalloc                                          vfree
//       1 check size, alignment, tag, quota              1 address → descriptor; one compare-and-swap live →
//       2 a warm area? hand it out, done                   parked or retired decides wrong and second frees
//       3 a cool area's range, or a new one with         2 fits the warm cache? park it, done
//         its guard; frames; pinned tables               3 clear the entries: `Detached`
//       4 write entries: cannot fail                     4 retire what was detached, and the range
//       5 publish the descriptor                         5 a completed flush frees all of it
//
// Step 3 of vmalloc can fail, and undoes what it did; nothing after it can.

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
  ///   `framesExhausted`, `tablesExhausted`, `metadataExhausted`, `overQuota`; `areasUnavailable` or `tagsExhausted` for
  ///   options that name a range or a tag that does not exist. After any of them nothing has changed.
  public func vmalloc(
    _ byteCount: Int, _ options: VmallocOptions = VmallocOptions()
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    unsafe pointer(to: try make(byteCount, options))
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
    let pages = try make(byteCount, options)
    #if Ablations
    if Ablation.forgetToClear.isOn { return unsafe pointer(to: pages) }
    #endif
    // Nobody else has the address yet, so this needs no protection, and runs with interrupts as they are.
    tables.visit(pages) { leaf in
      for offset in 0..<leaf.pages.count.rawValue {
        frames.table.zero(FrameNumber(leaf.frame.rawValue &+ offset))
      }
    }
    return unsafe pointer(to: pages)
  }

  /// Frees the memory of a `VirtualBuffer`, in the life of its area that the buffer has.
  func vfree(_ address: VirtualAddress, in life: UInt64) throws(MemoryError) { try free(address, in: life) }

  /// The generation of the live area that begins at an address; zero, which none has, where there is none.
  func life(of address: VirtualAddress) -> UInt64 {
    let page = address.number(pageSize)
    guard let area = areas.instance(containing: page)?.find(page) else { return 0 }
    return areas.pool[area].value.liveGeneration ?? 0
  }

  /// Frees what `vmalloc` returned; nil is ignored. Allocates nothing and never waits for another CPU.
  /// - Throws: `badFree`, with nothing changed: `alreadyFree`, `interior`, `guardPage`, `foreign`,
  ///   `unaligned`.
  public func vfree(_ pointer: UnsafeMutableRawPointer?) throws(MemoryError) {
    guard let pointer = unsafe pointer else { return }
    let address = unsafe VirtualAddress(pointer)
    guard reclaim.mode == .warm else { return try free(address, in: nil) }
    if let life = cpus.with({ cpu in cpu.isNested ? 0 : park(address, cpu) }) {
      try free(address, in: life)
    }
  }

  @inline(never)
  private func free(_ address: VirtualAddress, in life: UInt64?) throws(MemoryError) {
    try freeing { (cpu) throws(MemoryError) in try free(address, in: life, cpu) }
    if reclaim.mode == .strict { finishFlush() }
  }

  private func pointer(to pages: PageRange) -> UnsafeMutableRawPointer {
    // Address zero is in no range: frame and page zero are never managed.
    unsafe pages.first.address(pageSize).pointer.unsafelyUnwrapped
  }
}

// MARK: - Making

extension MemoryManager {
  /// - Returns: the area's pages.
  @inline(__always)
  private func make(_ byteCount: Int, _ options: VmallocOptions) throws(MemoryError) -> PageRange {
    guard byteCount > 0 else { throw failed(byteCount == 0 ? .sizeIsZero : .sizeOverflow) }
    let request = Areas.Request(
      pages: PageCount(bytes: UInt64(byteCount), pageSize), traits: options.traits, place: nil)
    if options.alignment == 1 && options.address == nil, let first = reuseMapped(request, byteCount) {
      return PageRange(unchecked: first, count: request.pages)
    }
    return PageRange(unchecked: try makeOtherwise(request, byteCount, options), count: request.pages)
  }

  /// An area that the warm cache has not, as far as alignment and place are left to it.
  /// - Returns: its first page.
  @inline(never)
  private func makeOtherwise(
    _ request: Areas.Request, _ byteCount: Int, _ options: VmallocOptions
  ) throws(MemoryError) -> PageNumber {
    var request = request
    guard tags.contains(request.traits.tag) else { throw failed(.tagsExhausted(limit: tags.count)) }
    if options.alignment != 1 || options.address != nil {
      try place(&request, options)
      if request.place == nil, let first = reuseMapped(request, byteCount) { return first }
    }
    if reclaim.mode != .strict, let first = try reuse(request, byteCount, mayWait: options.mayWait) {
      return first
    }
    return try makeNew(request, byteCount, options)
  }

  /// A freed area of the same kind that is still mapped.
  /// - Returns: its first page; nil where there is none.
  @inline(__always)
  private func reuseMapped(_ request: Areas.Request, _ byteCount: Int) -> PageNumber? {
    guard reclaim.mode == .warm, request.pages.rawValue <= AreaCache.largest,
      tags.contains(request.traits.tag)
    else { return nil }
    return cpus.with { cpu in
      // Where the quota refuses it, what is parked stays so, and the next way reports it.
      guard !cpu.isNested, tags.charge(request.traits.tag, pages: request.pages.rawValue, cpu)
      else { return nil }
      guard let area = reclaim.reuseMapped(request.pages.rawValue, request.traits, cpu) else {
        tags.undo(request.traits.tag, pages: request.pages.rawValue, cpu)
        return nil
      }
      let descriptor = areas.pool[area]
      publish(descriptor, request, byteCount, cpu)
      return PageNumber(descriptor.value.first)
    }
  }

  /// Step 1, as far as alignment and place go.
  @inline(never)
  private func place(_ request: inout Areas.Request, _ options: VmallocOptions) throws(MemoryError) {
    let alignment = options.alignment
    guard alignment > 0, alignment & (alignment - 1) == 0, alignment.trailingZeroBitCount < 57 else {
      throw failed(.badAlignment(alignment))
    }
    request.traits.alignment = max(0, alignment.trailingZeroBitCount - Int(pageSize.shift))
    guard let address = options.address else { return }
    guard address.isAligned(to: pageSize) else { throw failed(.placeTaken(address)) }
    request.place = address.number(pageSize)
  }

  /// An area with addresses, frames and tables of its own.
  @inline(never)
  private func makeNew(
    _ request: Areas.Request, _ byteCount: Int, _ options: VmallocOptions
  ) throws(MemoryError) -> PageNumber {
    guard request.pages <= frames.managed else {
      throw failed(.sizeTooLarge(pages: request.pages, limit: frames.managed))
    }
    guard areas.contains(request.traits.instance) else { throw failed(.areasUnavailable) }
    let area = try retrying(mayWait: options.mayWait) { (cpu) throws(MemoryError) in
      try charge(request, cpu)
      let area: UInt32
      do throws(MemoryError) {
        area = try reserve(request, cpu)
      } catch {
        tags.undo(request.traits.tag, pages: request.pages.rawValue, cpu)
        throw error
      }
      publish(areas.pool[area], request, byteCount, cpu)
      return area
    }
    announce(areas.pool[area].value.pages)
    return PageNumber(areas.pool[area].value.first)
  }

  /// The addresses and tables of a freed area of the same kind, with frames of its own. Where earlier frees
  /// have left work, this CPU does its share, so that nothing depends on an idle loop: a little always, and
  /// past the bound, where waiting is legal, all of it.
  /// - Returns: its first page; nil where there is none.
  private func reuse(
    _ request: Areas.Request, _ byteCount: Int, mayWait: Bool
  ) throws(MemoryError) -> PageNumber? {
    var isOverBound = false
    guard request.pages <= frames.managed else { return nil }
    let span = request.pages.rawValue &+ UInt64(request.traits.guardPages)
    let found = try entering { (cpu) throws(MemoryError) -> PageNumber? in
      try charge(request, cpu)
      isOverBound = reclaim.relieve(request.pages.rawValue, span: span, cpu)
      guard request.place == nil, let area = reclaim.reuse(request.pages.rawValue, request.traits, cpu)
      else {
        tags.undo(request.traits.tag, pages: request.pages.rawValue, cpu)
        return nil
      }
      do throws(MemoryError) {
        try populate(area, request, cpu)
      } catch {
        reclaim.keep(area, cpu)
        tags.undo(request.traits.tag, pages: request.pages.rawValue, cpu)
        return nil
      }
      let descriptor = areas.pool[area]
      publish(descriptor, request, byteCount, cpu)
      return PageNumber(descriptor.value.first)
    }
    if isOverBound && mayWait { relieve(span) }
    if let found { announce(PageRange(unchecked: found, count: request.pages)) }
    return found
  }

  @inline(never)
  private func relieve(_ span: UInt64) {
    guard cpus.count == 1 || cpus.mayWait else { return }
    repeat {
      reclaim.shootdown.wait(for: cpus.with { cpu in reclaim.awaited(cpu) })
    } while cpus.with { cpu in reclaim.relieveMore(span: span, cpu) }
  }

  /// Charges what is about to be allocated.
  @inline(__always)
  private func charge(_ request: Areas.Request, _ cpu: borrowing CPU) throws(MemoryError) {
    guard tags.charge(request.traits.tag, pages: request.pages.rawValue, cpu) else {
      throw tags.overQuota(request.traits.tag)
    }
  }

  /// Counts an area that is charged, notes what was asked, and makes it visible.
  @inline(__always)
  private func publish(
    _ descriptor: Stable<AreaDescriptor>, _ request: Areas.Request, _ byteCount: Int, _ cpu: borrowing CPU
  ) {
    descriptor.value.byteCount = UInt64(byteCount)
    descriptor.value.traits = request.traits
    tags.addArea(request.traits.tag, pages: request.pages.rawValue, cpu)
    cpu.count(.areasAllocated)
    cpu.count(.pagesAllocated, Int(truncatingIfNeeded: request.pages.rawValue))
    descriptor.value.renew(as: .live)
  }
}

// MARK: - Unmaking

extension MemoryManager {
  /// A live area that is to be freed.
  private struct Candidate {
    let area: UInt32
    let descriptor: Stable<AreaDescriptor>
    /// The generation of the descriptor.
    let life: UInt64
  }

  /// Puts an area back into the warm cache.
  /// - Returns: nil where that was done; else the life in which the area is to be freed otherwise, so that no
  ///   other area is freed that is behind the address by then; zero, which none has, where none was found.
  @inline(__always)
  private func park(_ address: VirtualAddress, _ cpu: borrowing CPU) -> UInt64? {
    guard let found = candidate(startingAt: address) else { return 0 }
    let (pages, tag) = (found.descriptor.value.pageCount, found.descriptor.value.traits.tag)
    guard reclaim.park(found.area, found.descriptor, pages, in: found.life, cpu) else { return found.life }
    uncharge(tag, pages, cpu)
    return nil
  }

  @inline(__always)
  private func free(
    _ address: VirtualAddress, in life: UInt64? = nil, _ cpu: borrowing CPU
  ) throws(MemoryError) {
    guard let found = candidate(startingAt: address) else { throw .badFree(problem(freeing: address)) }
    guard found.life == life ?? found.life else { throw .badFree(.alreadyFree) }
    let (pages, tag) = (found.descriptor.value.pageCount, found.descriptor.value.traits.tag)
    guard reclaim.retire(found.area, in: found.life, cpu) else { throw .badFree(.alreadyFree) }
    uncharge(tag, pages, cpu)
  }

  /// The one place that decides whether a free is right: the area that was live a moment ago with `address` as
  /// its first byte. Of several callers with the same address, one succeeds in ending its life.
  @inline(__always)
  private func candidate(startingAt address: VirtualAddress) -> Candidate? {
    let pageSize = pageSize
    let page = address.number(pageSize)
    guard let area = areas.instance(containing: page)?.index.area(at: page.rawValue), area != 0 else {
      return nil
    }
    let descriptor = areas.pool[area]
    guard let life = descriptor.value.liveGeneration,
      address == PageNumber(descriptor.value.first).address(pageSize)
    else { return nil }
    cmachine_step(cmachine_step_area_found)
    return Candidate(area: area, descriptor: descriptor, life: life)
  }

  @inline(__always)
  private func uncharge(_ tag: Tag, _ pages: UInt64, _ cpu: borrowing CPU) {
    tags.removeArea(tag, pages: pages, cpu)
    cpu.count(.areasFreed)
    cpu.count(.pagesFreed, Int(truncatingIfNeeded: pages))
  }

  /// What is wrong with an address that is not the first byte of a live area.
  @inline(never)
  private func problem(freeing address: VirtualAddress) -> BadFree {
    let page = address.number(pageSize)
    guard let instance = areas.instance(containing: page) else { return .foreign }
    guard let area = instance.find(page), areas.pool[area].value.liveGeneration != nil else {
      return .alreadyFree
    }
    let descriptor = areas.pool[area]
    if !descriptor.value.pages.contains(page) { return .guardPage }
    guard page.rawValue == descriptor.value.first else { return .interior }
    // Without an offset it can have been wrong a moment ago alone: as a second free on its way.
    return address.isAligned(to: pageSize) ? .alreadyFree : .unaligned
  }
}
