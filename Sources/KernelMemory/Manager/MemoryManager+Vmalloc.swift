internal import CMachine

// The family that users call: what each step does is in Vmalloc.swift.

extension MemoryManager {
  /// Allocates `byteCount` bytes, rounded up to pages, contiguous in virtual addresses, from page frames
  /// wherever they lie. The contents are unspecified.
  ///
  /// O(pages), whatever the number of areas. Legal in any context but an NMI. With interrupts on it may wait
  /// for other CPUs, where memory is short or too much is freed and not flushed; where a lock is held that a
  /// CPU with interrupts off may spin for, `mayWait` must be false.
  /// - Parameters:
  ///   - byteCount: the size in bytes; zero and negative sizes are refused.
  ///   - options: alignment, place, guard, protection, zone, range, and who is charged.
  /// - Returns: the address of the first byte; page-aligned at least.
  /// - Throws: `sizeIsZero`, `sizeOverflow`, `sizeTooLarge`, `badAlignment`, `rangeExhausted`, `placeTaken`,
  ///   `placeBusy`, `cacheTypeUnavailable`, `framesExhausted`, `tablesExhausted`, `metadataExhausted`,
  ///   `wouldWait`, `overQuota`, `overAreaQuota`; `areasUnavailable` or `tagUnavailable` for options that
  ///   name a range or a tag that does not exist; `wrongContext` in an NMI that has interrupted this package.
  ///   After any of them nothing has changed.
  // Inlined, so that the hot path calls one function, which calls none.
  @inline(__always)
  public func vmalloc(
    _ byteCount: Int, _ options: VmallocOptions = VmallocOptions()
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    if options.alignment == 1, options.address == nil {
      let address = pop(byteCount, options.traits)
      if address != 0 { return unsafe UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped }
    }
    return unsafe try allocate(byteCount, options)
  }

  /// Allocates `count` elements of `stride` bytes; refuses a negative count and a product that overflows
  /// (`sizeOverflow`).
  public func vmalloc(
    count: Int, stride: Int, _ options: VmallocOptions = VmallocOptions()
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    let (byteCount, overflow) = count.multipliedReportingOverflow(by: stride)
    guard !overflow, count >= 0 else { throw failed(.sizeOverflow) }
    return unsafe try vmalloc(byteCount, options)
  }

  /// Frees what `vmalloc` returned; nil is ignored. Allocates nothing. Legal in any context but an NMI. In
  /// lazy and warm mode it never waits for another CPU, and is O(1): more than 64 pages are left to purge
  /// steps. In strict mode it is O(pages), and with interrupts on it returns when every CPU has flushed,
  /// which it waits for; with interrupts off the flush comes later.
  /// - Throws: `badFree`, with nothing changed: `alreadyFree`, `interior`, `guardPage`, `foreign`,
  ///   `unaligned`; `wrongContext` in an NMI that has interrupted this package.
  @inline(__always)
  public func vfree(_ pointer: UnsafeMutableRawPointer?) throws(MemoryError) {
    guard let pointer = unsafe pointer else { return }
    let address = unsafe VirtualAddress(pointer)
    let generation = push(address)
    if generation != Vmalloc.freed { try freeSlow(address, in: generation) }
  }
}

// MARK: - One critical section each

extension MemoryManager {
  /// - Returns: an address; zero where `allocate` must see to it.
  @inline(never)
  func pop(_ byteCount: Int, _ traits: AreaTraits) -> UInt {
    let vmalloc = vmalloc
    let count = vmalloc.pageCount(byteCount)
    guard count &- 1 < AreaCache.largest else { return popLarge(count, byteCount, traits) }
    return vmalloc.cpus.attempt(orElse: 0) { cpu in vmalloc.pop(count, traits, byteCount, cpu) }
  }

  @inline(never)
  private func popLarge(_ count: UInt64, _ byteCount: Int, _ traits: AreaTraits) -> UInt {
    guard traits.leaves == .largeWherePossible else { return 0 }
    return cpus.attempt(orElse: 0) { cpu in vmalloc.popLarge(count, traits, byteCount, cpu) }
  }

  @inline(never)
  func allocate(
    _ byteCount: Int, _ options: VmallocOptions
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    let request = try counting { () throws(MemoryError) in try vmalloc.request(byteCount, options) }
    let made = try allocate(request, mayWait: options.mayWait)
    prepare(made, request)
    // Address zero is in no range: frame and page zero are never managed.
    return unsafe made.first.address(pageSize).pointer.unsafelyUnwrapped
  }

  func allocate(_ request: Vmalloc.Request, mayWait: Bool) throws(MemoryError) -> Vmalloc.Allocation {
    let made = try retrying(mayWait: mayWait) { (cpu) throws(MemoryError) in
      try vmalloc.allocate(request, cpu)
    }
    if made.isOverBound && mayWait { reap() }
    return made
  }

  /// - Returns: what `Vmalloc.push` says.
  @inline(never)
  func push(_ address: VirtualAddress) -> UInt64 {
    let vmalloc = vmalloc
    return vmalloc.cpus.attempt(orElse: Vmalloc.anyGeneration) { cpu in vmalloc.push(address, .live, cpu) }
  }

  @inline(never)
  func freeSlow(_ address: VirtualAddress, in generation: UInt64) throws(MemoryError) {
    try free(address, .live, in: generation)
  }

  /// Frees the area at an address, or unmaps it: none but the one that has the generation.
  func free(
    _ address: VirtualAddress, _ state: AreaState, in generation: UInt64
  ) throws(MemoryError) {
    let request = try freeing { (cpu) throws(MemoryError) in
      try vmalloc.free(address, state, in: generation, cpu)
      return vmalloc.mode == .strict ? quarantine.flushOpen(cpu) : 0
    }
    if request != 0 { finishFlush(request) }
  }

  /// The live area of `vmalloc` that begins at an address.
  func liveArea(startingAt address: VirtualAddress) -> Vmalloc.Found? {
    cpus.asReader(orElse: nil) { vmalloc.find(address, .live) }
  }

  /// Its generation; zero, which none has, where there is none.
  func generation(of address: VirtualAddress) -> UInt64 { liveArea(startingAt: address)?.generation ?? 0 }

  /// Has the next purge free an area that cannot be freed here: for a buffer that an NMI drops in the middle
  /// of this package. Legal in any context. O(1).
  func freeLater(_ address: VirtualAddress, in generation: UInt64) {
    guard let found = liveArea(startingAt: address), found.generation == generation,
      vmalloc.drop(found.area, in: generation)
    else { return }
    cpus.count(.freesDeferred)
  }
}
