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
    if cache != .writeBack { unsafe try clean(borrowed, for: cache) }
    return unsafe try popOrMap(borrowed, traits(protection, cache, tag), mayWait: mayWait)
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
    let generation = pushBorrowing(address)
    if generation != Vmalloc.freed { try unmapSlow(address, in: generation) }
  }
}

// MARK: - One critical section each

extension MemoryManager {
  @inline(__always)
  private func traits(_ protection: Protection, _ cache: CacheType, _ tag: Tag) -> AreaTraits {
    var traits = vmalloc.state.value.defaultTraits
    traits.protection = protection
    traits.cache = cache
    traits.tag = tag
    // Its frames lie anywhere, so its place needs no alignment.
    traits.leaves = .base
    return traits
  }

  @inline(__always)
  private func popOrMap(
    _ borrowed: UnsafeBufferPointer<FrameNumber>, _ traits: AreaTraits, mayWait: Bool
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    let popped = unsafe pop(mapping: borrowed, traits)
    let first = popped != 0 ? PageNumber(popped) : unsafe try map(borrowed, traits, mayWait: mayWait)
    // Page zero is in no range.
    return unsafe first.address(pageSize).pointer.unsafelyUnwrapped
  }

  /// - Returns: what `Vmalloc.push` says.
  @inline(never)
  private func pushBorrowing(_ address: VirtualAddress) -> UInt64 {
    let vmalloc = vmalloc
    return vmalloc.cpus.attempt(orElse: Vmalloc.anyGeneration) { cpu in
      vmalloc.push(address, .borrowing, cpu)
    }
  }

  @inline(never)
  private func unmapSlow(_ address: VirtualAddress, in generation: UInt64) throws(MemoryError) {
    if let area = area(containing: address), area.isBorrowed, area.cache != .writeBack {
      // What was stored goes to memory before, and no line of it stays, whoever of several ends it then.
      cleanMemory(of: area.pages)
    }
    try free(address, .borrowing, in: generation)
  }

  @inline(__always)
  private func pop(mapping borrowed: UnsafeBufferPointer<FrameNumber>, _ traits: AreaTraits) -> UInt64 {
    let vmalloc = vmalloc
    return cpus.attempt(orElse: 0) { cpu in unsafe vmalloc.pop(mapping: borrowed, traits, cpu) }
  }

  @inline(never)
  private func map(
    _ borrowed: UnsafeBufferPointer<FrameNumber>, _ traits: AreaTraits, mayWait: Bool
  ) throws(MemoryError) -> PageNumber {
    let request = try counting { () throws(MemoryError) in
      unsafe try vmalloc.request(mapping: borrowed, traits)
    }
    return try allocate(request, mayWait: mayWait).first
  }

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
  private func clean(
    _ borrowed: UnsafeBufferPointer<FrameNumber>, for cache: CacheType
  ) throws(MemoryError) {
    try counting { () throws(MemoryError) in try tables.checkType(cache) }
    for index in 0..<borrowed.count {
      cleanMemory(FrameRange(unchecked: unsafe borrowed[index], count: PageCount(1)))
    }
  }
}
