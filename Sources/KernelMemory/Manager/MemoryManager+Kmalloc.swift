// kmalloc: memory in the linear map, contiguous in physical addresses too, at a constant distance from
// them. A pair that finds its magazine or list neither empty nor full stays on this CPU and takes no lock;
// the slow path makes all checks, refills or drains, and retries where memory is short.

extension MemoryManager {
  /// The bytes of the largest object or block of kmalloc: 4 MiB.
  public static var largestBlock: Int { Int(Slab.largest) }

  /// Allocates `byteCount` bytes, contiguous in physical memory. The contents are unspecified.
  ///
  /// Up to 8 KiB from a size class, above from a block of 2^n frames; a size that is a power of two is
  /// aligned to itself. O(1) usually, O(orders + batch) at the most, but for drains when memory is short.
  /// Legal in any context but an NMI. It waits for other CPUs only where memory is short, interrupts are on,
  /// and the options allow it.
  /// - Parameters:
  ///   - byteCount: the size in bytes, 1 to 4 MiB.
  ///   - options: alignment, zone, who is charged, and whether the call may wait.
  /// - Throws: `sizeIsZero`, `sizeOverflow`, `blockTooLarge`, `badAlignment`, `tagUnavailable` for a tag that
  ///   does not exist, `overQuota`, `framesExhausted`, `wouldWait`, `wrongContext`. After any of them nothing
  ///   has changed.
  // Inlined, so that what is known of the size and the options when the caller is compiled is not computed
  // again.
  @inline(__always)
  public func kmalloc(
    _ byteCount: Int, _ options: KmallocOptions = KmallocOptions()
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    if options.alignment == 8, options.zone == .normal {
      let address = pop(UInt(bitPattern: byteCount), options.tag)
      if address != 0 { return unsafe UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped }
    }
    return unsafe try allocateSlow(byteCount, options)
  }

  /// The hot path: an object of the size's class, or a block where the size is one of frames; zero for
  /// `allocateSlow`. What is known of the size when the caller is compiled is not computed again.
  @inline(__always)
  func pop(_ size: UInt, _ tag: Tag) -> UInt {
    guard size &- 1 >= SizeClass.largestSmall else { return popObject(SizeClass.index(of: size), tag) }
    guard size &- 1 < Slab.largestFast else { return 0 }
    guard size <= SizeClass.largest else { return popBlock(Slab.blockSize(size), tag) }
    let number = SizeClass.index(of: size)
    return SizeClass.isPowerOfTwo(number)
      ? popBlock(Slab.blockSize(size), or: number, tag) : popObject(number, tag)
  }

  @inline(never)
  func popObject(_ cache: Int, _ tag: Tag) -> UInt {
    cpus.attempt(orElse: 0) { cpu in slab.pop(cache, tag, cpu) }
  }

  /// A block, or an object of a class that may be one of slabs.
  @inline(never)
  private func popBlock(_ size: Int, or cache: Int, _ tag: Tag) -> UInt {
    cpus.attempt(orElse: 0) { cpu in
      let block = slab.popBlock(size, tag, cpu)
      return block != 0 ? block : slab.pop(cache, tag, cpu)
    }
  }

  @inline(never)
  private func popBlock(_ size: Int, _ tag: Tag) -> UInt {
    cpus.attempt(orElse: 0) { cpu in slab.popBlock(size, tag, cpu) }
  }

  /// Allocates `byteCount` bytes, all zero; in all else `kmalloc`.
  public func kzalloc(
    _ byteCount: Int, _ options: KmallocOptions = KmallocOptions()
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    let pointer = unsafe try kmalloc(byteCount, options)
    // Nobody else has the address yet, so this runs with interrupts as they are.
    unsafe pointer.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    return unsafe pointer
  }

  /// Allocates `count` elements of `stride` bytes, all zero; refuses a product that overflows.
  public func kcalloc(
    count: Int, stride: Int, _ options: KmallocOptions = KmallocOptions()
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    let (byteCount, overflow) = count.multipliedReportingOverflow(by: stride)
    guard !overflow, count >= 0 else { throw failed(.sizeOverflow) }
    return unsafe try kzalloc(byteCount, options)
  }

  /// Gives memory of `kmalloc` another size, keeping its contents as far as they fit: in place where it has
  /// room, so that shrinking takes no memory and never fails for want of it; else by a copy, whose original
  /// is freed. O(bytes).
  /// - Parameters:
  ///   - pointer: what `kmalloc` returned; nil allocates.
  ///   - byteCount: the new size in bytes.
  ///   - options: as for `kmalloc`; where the memory stays in place, so does who is charged. It does not stay
  ///     where it lacks the alignment, or lies in a higher zone.
  /// - Throws: as `kmalloc`, and `badFree`; then the memory at `pointer` is as it was.
  public func krealloc(
    _ pointer: UnsafeMutableRawPointer?, _ byteCount: Int, _ options: KmallocOptions = KmallocOptions()
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    guard let pointer = unsafe pointer else { return unsafe try kmalloc(byteCount, options) }
    _ = try counting { () throws(MemoryError) in try check(byteCount, options) }
    guard let old = unsafe try resize(pointer, byteCount, options) else { return unsafe pointer }
    return unsafe try move(pointer, min(old, byteCount), to: try kmalloc(byteCount, options))
  }

  /// Gives an object or a block another size where it is.
  /// - Returns: nil where that is done; its old size where it has no room, and has to be moved.
  func resize(
    _ pointer: UnsafeMutableRawPointer, _ byteCount: Int, _ options: KmallocOptions
  ) throws(MemoryError) -> Int? {
    let address = UInt(bitPattern: pointer)
    let resizing = try entering { (cpu) throws(MemoryError) in
      slab.resize(address, to: UInt(byteCount), alignment: options.alignment, options.zone, cpu)
    }
    switch resizing {
    case .inPlace: return nil
    case .elsewhere(let old): return Int(old)
    case .notLive: throw refused(address)
    }
  }

  /// Frees what `kmalloc` or a cache returned; nil is ignored. O(1) usually. Never waits for another CPU.
  /// Legal in any context but an NMI.
  ///
  /// Of several CPUs that free the same memory, one succeeds.
  /// - Throws: `badFree` (`alreadyFree`, `interior`, `foreign`) and `wrongContext`, with nothing changed.
  @inline(__always)
  public func kfree(_ pointer: UnsafeMutableRawPointer?) throws(MemoryError) {
    unsafe try free(pointer, only: nil)
  }

  /// Frees memory of `kmalloc` that must be charged to a tag.
  /// - Throws: `badFree`, with nothing changed; `foreign` for what is charged to another tag; `wrongContext`.
  @inline(__always)
  public func kfree(_ pointer: UnsafeMutableRawPointer?, chargedTo tag: Tag) throws(MemoryError) {
    unsafe try free(pointer, only: tag)
  }

  @inline(__always)
  private func free(_ pointer: UnsafeMutableRawPointer?, only tag: Tag?) throws(MemoryError) {
    guard let pointer = unsafe pointer else { return }
    let address = UInt(bitPattern: pointer)
    // A multiple of the smallest frames is more often a block than the first object of a slab.
    if address & UInt(PageSize.size4K.offsetMask) == 0 {
      let outcome = tag.map { pushBlock(address, $0) } ?? pushBlock(address)
      if outcome == .freed { return }
      if outcome == .alreadyFree { throw refused(address, .alreadyFree) }
    }
    let outcome = tag.map { pushObject(address, $0) } ?? pushObject(address)
    if outcome != .freed { try freeSlow(address, outcome, only: tag) }
  }

  @inline(never)
  func pushObject(_ address: UInt) -> FreeOutcome {
    cpus.attempt(orElse: .unknown) { cpu in slab.pushObject(address, only: nil, slow: false, cpu) }
  }

  @inline(never)
  func pushObject(_ address: UInt, _ tag: Tag) -> FreeOutcome {
    cpus.attempt(orElse: .unknown) { cpu in slab.pushObject(address, only: tag, slow: false, cpu) }
  }

  @inline(never)
  func pushBlock(_ address: UInt) -> FreeOutcome {
    cpus.attempt(orElse: .unknown) { cpu in slab.pushBlock(address, only: nil, slow: false, cpu) }
  }

  @inline(never)
  func pushBlock(_ address: UInt, _ tag: Tag) -> FreeOutcome {
    cpus.attempt(orElse: .unknown) { cpu in slab.pushBlock(address, only: tag, slow: false, cpu) }
  }

  @inline(never)
  func freeSlow(_ address: UInt, _ outcome: FreeOutcome, only tag: Tag?) throws(MemoryError) {
    var outcome = outcome
    if outcome == .unknown {
      outcome = try freeing { (cpu) throws(MemoryError) in slab.freeSlow(address, only: tag, cpu) }
    }
    switch outcome {
    case .freed: return
    case .alreadyFree: throw refused(address, .alreadyFree)
    case .unknown: throw refused(address, only: tag)
    }
  }

  /// The bytes that may be used at an address that `kmalloc` or a cache has handed out: those of its class or
  /// block; in checked mode those that were asked for. Nil where nothing live begins there. O(1).
  public func ksize(of pointer: UnsafeMutableRawPointer) -> Int? {
    slab.size(of: UInt(bitPattern: pointer)).map { Int($0) }
  }

  /// The physical address of memory in the linear map: a subtraction. O(1).
  /// - Throws: `notLinear` for an address of a vmalloc range, whose pages `frame(at:)` finds; `notMemory` for
  ///   what is not RAM that this manager hands out.
  public func physicalAddress(of pointer: UnsafeRawPointer) throws(MemoryError) -> PhysicalAddress {
    let address = unsafe VirtualAddress(pointer)
    if contains(address) { throw .notLinear(address) }
    let physical = PhysicalAddress(address.rawValue &- UInt64(slab.base))
    guard managedFrames(at: physical.number(pageSize)) > 0 else { throw .notMemory(address) }
    return physical
  }
}

// MARK: - The slow path

extension MemoryManager {
  /// What is asked for, checked, with its size rounded so that its class has the alignment.
  struct ObjectRequest {
    let byteCount: UInt
    let asked: UInt
    let zone: ZoneKind
    let tag: Tag
  }

  @inline(never)
  func allocateSlow(
    _ byteCount: Int, _ options: KmallocOptions
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    let request: ObjectRequest
    do throws(MemoryError) { request = try check(byteCount, options) } catch { throw failed(error) }
    let address = try retrying(mayWait: options.mayWait) { (cpu) throws(MemoryError) in
      try allocate(request, cpu)
    }
    return unsafe UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped
  }

  func check(_ byteCount: Int, _ options: KmallocOptions) throws(MemoryError) -> ObjectRequest {
    guard byteCount != 0 else { throw .sizeIsZero }
    guard byteCount > 0 else { throw .sizeOverflow }
    guard byteCount <= Int(Slab.largest) else { throw .blockTooLarge(limit: Int(Slab.largest)) }
    let alignment = options.alignment
    guard alignment > 0, alignment & (alignment - 1) == 0, alignment <= pageSize.bytes else {
      throw .badAlignment(alignment)
    }
    guard tags.contains(options.tag) else { throw .tagUnavailable }
    let rounded = slab.rounded(UInt(byteCount), alignment: UInt(alignment))
    // What these zones never have is not drained from others.
    let pages = PageCount(1 &<< UInt64(truncatingIfNeeded: slab.order(rounded)))
    guard options.zone == .normal || pages <= frames.managed(in: options.zone) else {
      throw .framesExhausted(got: .zero, of: pages)
    }
    return ObjectRequest(byteCount: rounded, asked: UInt(byteCount), zone: options.zone, tag: options.tag)
  }

  /// Tries once, without a drain.
  func allocate(_ request: ObjectRequest, _ cpu: borrowing CPU) throws(MemoryError) -> UInt {
    let address =
      request.zone == .normal
      ? slab.allocateSlow(request.byteCount, asked: request.asked, tag: request.tag, cpu)
      : slab.allocateBlockSlow(request.byteCount, request.zone, tag: request.tag, cpu)
    guard address != Slab.overQuota else { throw tags.error(.overBytes, request.tag) }
    guard address != 0 else {
      throw .framesExhausted(got: .zero, of: PageCount(1 &<< UInt64(slab.order(request.byteCount))))
    }
    return address
  }

  /// Counts and reports a free that is refused.
  @inline(never)
  func refused(_ address: UInt, _ problem: BadFree? = nil, only tag: Tag? = nil) -> MemoryError {
    do throws(MemoryError) {
      return try freeing { (cpu) throws(MemoryError) in
        let problem = problem ?? slab.problem(freeing: address, only: tag)
        slab.reportRefusal(problem, address, cpu)
        throw .badFree(problem)
      }
    } catch {
      return error
    }
  }
}
