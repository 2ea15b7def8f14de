internal import CMachine

// vmap: areas whose frames are borrowed
//
// The area is like one of vmalloc's, with a guard, a tag and a line in the report. After `vunmap` and a flush
// it sleeps with its addresses and pinned tables for the next `vmap` of its kind; its frames stay the
// caller's throughout. The state `borrowing` keeps them apart: `vfree` refuses it, `vunmap` refuses `live`.

extension MemoryManager {
  /// Maps frames that the caller has at contiguous addresses, with a guard page behind them, in the vmalloc
  /// range.
  ///
  /// The frames are borrowed: they stay the caller's, who may have them mapped several times, even in one
  /// area, and does not free them while they are mapped, which nothing checks. What is charged is an area of
  /// no bytes, which a quota of areas may refuse. O(pages), whatever the number of areas. Legal in any
  /// context but an NMI; it waits as `vmalloc` does.
  ///
  /// With another type than write-back the frames are reached through this mapping alone until `vunmap`: what
  /// was written before is in memory when this returns, and what is written here is, when `vunmap` does.
  /// - Parameters:
  ///   - borrowed: a frame for each page, each one of a block of frames, of an area, or of a block of kmalloc
  ///     that somebody holds. Nobody changes the list meanwhile.
  ///   - protection: what the pages allow.
  ///   - cache: how CPUs cache them.
  ///   - tag: who is charged with the area.
  ///   - mayWait: whether the call may wait for other CPUs; with interrupts off it never does.
  /// - Returns: the address of the first byte, for `vunmap`.
  /// - Throws: `sizeIsZero`, `frameOutOfReach` for a frame that is not the manager's, `frameUnavailable` for
  ///   one that is free or the package's own, `cacheTypeUnavailable`, `tagUnavailable` for a tag that does
  ///   not exist, `overAreaQuota`, `rangeExhausted`, `tablesExhausted`, `metadataExhausted`, `wouldWait`,
  ///   `wrongContext`; with nothing mapped.
  public func vmap(
    _ borrowed: UnsafeBufferPointer<FrameNumber>, _ protection: Protection = .readWrite,
    cache: CacheType = .writeBack, tag: Tag = .untagged, mayWait: Bool = true
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    guard borrowed.count > 0 else { throw failed(.sizeIsZero) }
    unsafe try checkOwned(borrowed)
    var traits = control.value.defaultTraits
    traits.protection = protection
    traits.cache = cache
    traits.tag = tag
    if cache != .writeBack {
      do throws(MemoryError) { try tables.checkType(cache) } catch { throw failed(error) }
      unsafe clean(borrowed)
    }
    let popped = unsafe popBorrowing(borrowed, traits)
    let first = popped != 0 ? popped : unsafe try mapSlow(borrowed, traits, mayWait: mayWait)
    // Page zero is in no range.
    return unsafe PageNumber(first).address(pageSize).pointer.unsafelyUnwrapped
  }

  /// Unmaps what `vmap` returned; nil is ignored. The frames may still be reached through the addresses until
  /// a flush: in strict mode that is done when this returns, else `flushRetired` has it done, before which
  /// the frames must not be given to anybody who is not to be reached. The addresses wait for a flush in any
  /// case. Allocates nothing. O(pages): a store each. Legal in any context but an NMI; it waits in strict
  /// mode alone, as `vfree` does.
  /// - Throws: `badFree`, with nothing changed: `foreign` for an area of `vmalloc`, as `vfree` says of one of
  ///   these; `alreadyFree`, `interior`, `guardPage`, `unaligned`; `wrongContext` in an NMI that has
  ///   interrupted this package.
  public func vunmap(_ pointer: UnsafeMutableRawPointer?) throws(MemoryError) {
    guard let pointer = unsafe pointer else { return }
    let address = unsafe VirtualAddress(pointer)
    let page = address.number(pageSize)
    var request: UInt64 = 0
    let isDone = cpus.attempt(orElse: false) { cpu in
      guard let area = cpu.perCPU.hints.value.area(at: page.rawValue),
        let generation = area.value.borrowingGeneration,
        PageNumber(area.value.first).address(pageSize) == address
      else { return false }
      guard area.value.traits.cache == .writeBack else { return false }
      return retireBorrowing(area, in: generation, &request, cpu)
    }
    if !isDone { request = try vunmapSlow(address) }
    if request != 0 { finishFlush(request) }
  }
}

// MARK: - Making

extension MemoryManager {
  @inline(__always)
  private func checkOwned(_ borrowed: UnsafeBufferPointer<FrameNumber>) throws(MemoryError) {
    let table = frames.table
    for index in 0..<borrowed.count {
      let frame = unsafe borrowed[index]
      // Most were allocated one by one, or head a block that was.
      if let metadata = table.metadata(of: frame), metadata.value.state.isOf(.allocated) { continue }
      try checkOwned(frame)
    }
  }

  @inline(never)
  private func checkOwned(_ frame: FrameNumber) throws(MemoryError) {
    guard let metadata = frames.table.metadata(of: frame), !metadata.value.state.isOf(.unmanaged) else {
      throw failed(.frameOutOfReach(frame))
    }
    guard mappableFrames(from: frame) > 0 else { throw failed(.frameUnavailable(frame)) }
  }

  /// What they have been written with by way of the linear map goes to memory.
  @inline(never)
  private func clean(_ borrowed: UnsafeBufferPointer<FrameNumber>) {
    for index in 0..<borrowed.count {
      cleanMemory(FrameRange(unchecked: unsafe borrowed[index], count: PageCount(1)))
    }
  }

  /// Hands out an area that sleeps with its addresses and tables.
  /// - Returns: its first page; zero, which is in no range, where that was not done.
  @inline(__always)
  private func popBorrowing(_ borrowed: UnsafeBufferPointer<FrameNumber>, _ traits: AreaTraits) -> UInt64 {
    let count = UInt64(borrowed.count)
    guard count <= AreaCache.largest, reclaim.mode != .strict else { return 0 }
    return cpus.attempt(orElse: 0) { cpu in
      let slot = reclaim.slot(cpu)
      guard let area = reclaim.first(count, traits, among: &slot.value.borrowing, cpu),
        tags.charge(.areas, traits.tag, 0, cpu)
      else { return 0 }
      slot.value.borrowing.asleep.takeFirst(area, count)
      unsafe write(borrowed, area, traits, cpu)
      return publish(area, traits, cpu)
    }
  }

  @inline(never)
  private func mapSlow(
    _ borrowed: UnsafeBufferPointer<FrameNumber>, _ traits: AreaTraits, mayWait: Bool
  ) throws(MemoryError) -> UInt64 {
    let request = Arena.Request(pages: PageCount(UInt64(borrowed.count)), traits: traits, place: nil)
    guard tags.contains(traits.tag) else { throw failed(.tagUnavailable) }
    try checkRoom(for: request)
    let (pages, span) = (request.pages.rawValue, request.pages.rawValue &+ UInt64(traits.guardPages))
    var isOverBound = false
    let first = try retrying(mayWait: mayWait) { (cpu) throws(MemoryError) in
      let outcome = tags.charge(asking: .areas, traits.tag, 0, cpu)
      guard !outcome.isRefused else { throw tags.error(outcome, traits.tag) }
      // Reap in proportion to what is allocated.
      if reclaim.mode != .strict { isOverBound = reclaim.reapShare(pages, span: span, cpu) }
      let area: Stable<AreaDescriptor>
      if let asleep = reclaim.slot(cpu).value.borrowing.asleep.take(pages, traits) {
        area = asleep
      } else {
        do throws(MemoryError) {
          area = arenas.pool[try reserveBorrowing(request, cpu)]
        } catch {
          tags.uncharge(.areas, traits.tag, 0, cpu)
          throw error
        }
      }
      tags.finish(outcome, traits.tag, cpu)
      unsafe write(borrowed, area, traits, cpu)
      return publish(area, traits, cpu)
    }
    if isOverBound && mayWait { reap() }
    return first
  }

  /// A new area with its tables, all but published.
  private func reserveBorrowing(
    _ request: Arena.Request, _ cpu: borrowing CPU
  ) throws(MemoryError) -> UInt32 {
    // This range is never given back.
    let arena = arenas[request.traits.arena]
    let area = try arenas.locked(cpu) { () throws(MemoryError) in try arena.reserve(request, cpu) }
    do throws(MemoryError) {
      try pin(arenas.pool[area].value.pages, cpu)
    } catch {
      arenas.locked(cpu) { reclaim.giveBack(area, cpu) }
      throw error
    }
    reclaim.cacheEntryPointer(area)
    return area
  }

  @inline(__always)
  private func write(
    _ borrowed: UnsafeBufferPointer<FrameNumber>, _ area: Stable<AreaDescriptor>, _ traits: AreaTraits,
    _ cpu: borrowing CPU
  ) {
    let attributes = MappingAttributes(traits.protection, cache: traits.cache)
    let entry = area.value.entryPointer
    if entry != 0 {
      unsafe tables.mapBorrowed(borrowed, at: entry, attributes)
    } else {
      unsafe tables.mapBorrowed(borrowed, from: PageNumber(area.value.first), attributes)
    }
    cpu.count(.entriesWritten, borrowed.count)
    cmachine_step(cmachine_step_entries_written)
    synchronizeMapping(area.value.pages)
  }

  /// - Returns: the first page.
  @inline(__always)
  private func publish(
    _ area: Stable<AreaDescriptor>, _ traits: AreaTraits, _ cpu: borrowing CPU
  ) -> UInt64 {
    let first = note(area, traits, Int(area.value.pageCount &<< UInt64(pageSize.shift)), cpu)
    area.value.resume(as: .borrowing)
    return first
  }
}

// MARK: - Unmaking

extension MemoryManager {
  /// - Parameter request: in strict mode set to the flush to wait for.
  @inline(__always)
  private func retireBorrowing(
    _ area: Stable<AreaDescriptor>, in generation: UInt64, _ request: inout UInt64, _ cpu: borrowing CPU
  ) -> Bool {
    let tag = area.value.traits.tag
    guard reclaim.retireBorrowed(area, in: generation, cpu) else { return false }
    tags.discharge(.areas, tag, 0, cpu)
    if reclaim.mode == .strict { request = reclaim.flushOpen(cpu) }
    return true
  }

  @inline(never)
  private func vunmapSlow(_ address: VirtualAddress) throws(MemoryError) -> UInt64 {
    if let area = area(containing: address), area.isBorrowed, area.cache != .writeBack {
      // What was stored goes to memory before, and no line of it stays, whoever of several ends it then.
      cleanMemory(of: area.pages)
    }
    return try freeing { (cpu) throws(MemoryError) in
      let page = address.number(pageSize)
      guard let number = arenas.arena(containing: page)?.find(page) else {
        throw .badFree(problem(freeing: address))
      }
      let area = arenas.pool[number]
      guard let generation = area.value.borrowingGeneration else {
        throw .badFree(area.value.liveGeneration != nil ? .foreign : .alreadyFree)
      }
      if !area.value.pages.contains(page) { throw .badFree(.guardPage) }
      guard page.rawValue == area.value.first else { throw .badFree(.interior) }
      guard address.isAligned(to: pageSize) else { throw .badFree(.unaligned) }
      var request: UInt64 = 0
      guard retireBorrowing(area, in: generation, &request, cpu) else { throw .badFree(.alreadyFree) }
      return request
    }
  }
}
