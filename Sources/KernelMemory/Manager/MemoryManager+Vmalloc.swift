internal import CMachine

// The family that users call
//
//     vmalloc                                          vfree
//       1 check size, alignment, tag, quota              1 address → descriptor; one compare-and-swap live →
//       2 a warm area? hand it out, done                   parked or retired decides wrong and second frees
//       3 one that sleeps? make its entries present,     2 fits the warm cache? park it, done
//         go on at 5; else a new range with its          3 small? make its entries absent: it keeps all
//         guard; frames; pinned tables                     else, and sleeps after a flush; done
//       4 write entries: cannot fail                     4 clear the entries; retire them and the range
//       5 publish the descriptor                         5 a completed flush frees all of it
//
// Step 3 of vmalloc can fail, and undoes what it did; nothing after it can.

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
  ///   `framesExhausted`, `tablesExhausted`, `metadataExhausted`, `wouldWait`, `overQuota`, `overAreaQuota`;
  ///   `areasUnavailable` or `tagUnavailable` for options that name a range or a tag that does not exist;
  ///   `wrongContext` in an NMI that has interrupted this package. After any of them nothing has changed.
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

  /// The generation of the live area that begins at an address; zero, which none has, where there is none.
  func generation(of address: VirtualAddress) -> UInt64 { liveArea(startingAt: address)?.generation ?? 0 }

  /// The descriptor of the live area of `vmalloc` that begins at an address, and its generation.
  func liveArea(startingAt address: VirtualAddress) -> (area: Stable<AreaDescriptor>, generation: UInt64)? {
    cpus.asReader(orElse: nil) { candidate(startingAt: address).map { ($0.descriptor, $0.generation) } }
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
    if generation != Self.freed { try free(address, generation) }
  }

  /// - Parameter generation: what `push` has said.
  @inline(never)
  func free(_ address: VirtualAddress, _ generation: UInt64) throws(MemoryError) {
    try free(address, in: generation == Self.unknown ? nil : generation)
  }

  /// Frees the area at an address; with a generation, none but the one that has it.
  @inline(__always)
  func free(_ address: VirtualAddress, in generation: UInt64?) throws(MemoryError) {
    let request = try freeing { (cpu) throws(MemoryError) in
      try free(address, in: generation, cpu)
      return reclaim.mode == .strict ? reclaim.flushOpen(cpu) : 0
    }
    if request != 0 { finishFlush(request) }
  }
}

// MARK: - Making

extension MemoryManager {
  /// The hot path: the area that was freed here last among those of its page count, still mapped or asleep,
  /// if it is of the kind that is asked for and nothing unusual is due for its tag. Calls nothing.
  /// - Returns: its first address; zero, which is in no range, where that was not done.
  @inline(never)
  func pop(_ byteCount: Int, _ traits: AreaTraits) -> UInt {
    let shift = UInt64(pageSize.shift)
    let count = ((UInt64(bitPattern: Int64(byteCount)) &- 1) &>> shift) &+ 1
    // Sizes that are not positive are huge here.
    guard count &- 1 < AreaCache.largest else { return 0 }
    return cpus.attempt(orElse: 0) { cpu in
      let slot = reclaim.slot(cpu)
      guard let area = slot.value.warm.first(count, traits) else {
        return popAsleep(count, traits, byteCount, cpu)
      }
      guard tags.charge(.areas, traits.tag, count &<< shift, cpu) else { return 0 }
      slot.value.warm.takeFirst(area, count)
      cpu.count(.warmHits)
      let first = note(area, traits, byteCount, cpu)
      area.value.resumeCached()
      return UInt(first &<< shift)
    }
  }

  /// Pops a sleeping area and makes its entries present again.
  @inline(__always)
  private func popAsleep(
    _ count: UInt64, _ traits: AreaTraits, _ byteCount: Int, _ cpu: borrowing CPU
  ) -> UInt {
    let slot = reclaim.slot(cpu)
    guard let area = reclaim.first(count, traits, among: &slot.value.owning, cpu),
      tags.charge(.areas, traits.tag, bytes(count), cpu)
    else { return 0 }
    cmachine_step(cmachine_step_charged)
    slot.value.owning.asleep.takeFirst(area, count)
    tables.revive(count, at: area.value.entryPointer)
    cpu.count(.entriesWritten, Int(truncatingIfNeeded: count))
    cmachine_step(cmachine_step_entries_written)
    if synchronizesMappings {
      return publishSynchronized(area, traits, byteCount, cpu)
    }
    return publish(area, traits, byteCount, cpu)
  }

  @inline(never)
  private func publishSynchronized(
    _ area: Stable<AreaDescriptor>, _ traits: AreaTraits, _ byteCount: Int, _ cpu: borrowing CPU
  ) -> UInt {
    synchronizeMapping(area.value.pages)
    return publish(area, traits, byteCount, cpu)
  }

  /// - Returns: its first address.
  @inline(__always)
  private func publish(
    _ area: Stable<AreaDescriptor>, _ traits: AreaTraits, _ byteCount: Int, _ cpu: borrowing CPU
  ) -> UInt {
    let first = note(area, traits, byteCount, cpu)
    area.value.resume()
    return UInt(bytes(first))
  }

  /// Notes what was asked for in an area that is to go live.
  /// - Returns: its first page.
  @inline(__always)
  func note(
    _ area: Stable<AreaDescriptor>, _ traits: AreaTraits, _ byteCount: Int, _ cpu: borrowing CPU
  ) -> UInt64 {
    let first = area.value.first
    area.value.byteCount = UInt64(bitPattern: Int64(byteCount))
    area.value.traits = traits
    cpu.perCPU.hints.value.remember(area, at: first)
    return first
  }

  /// The slow path: checks, then reuses, wakes or makes an area.
  @inline(never)
  func allocate(
    _ byteCount: Int, _ options: VmallocOptions
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    guard byteCount > 0 else { throw failed(byteCount == 0 ? .sizeIsZero : .sizeOverflow) }
    let request = Arena.Request(
      pages: PageCount(bytes: UInt64(byteCount), pageSize), traits: options.traits, place: nil)
    let first = try makeSlow(request, byteCount, options)
    // Address zero is in no range: frame and page zero are never managed.
    return unsafe first.address(pageSize).pointer.unsafelyUnwrapped
  }

  /// - Returns: the first page.
  private func makeSlow(
    _ request: Arena.Request, _ byteCount: Int, _ options: VmallocOptions
  ) throws(MemoryError) -> PageNumber {
    var request = request
    request.traits.isCleared = control.value.defaultTraits.isCleared
    guard tags.contains(request.traits.tag) else { throw failed(.tagUnavailable) }
    do throws(MemoryError) { try tables.checkType(request.traits.cache) } catch { throw failed(error) }
    if options.alignment != 1 || options.address != nil { try place(&request, options) }
    let limit = frames.managed(in: request.traits.zone)
    guard request.pages <= limit else { throw failed(.sizeTooLarge(pages: request.pages, limit: limit)) }
    if request.place == nil, let first = reuseMapped(request, byteCount) { return first }
    try checkRoom(for: request)
    return try makeUnmapped(request, byteCount, mayWait: options.mayWait)
  }

  /// Refuses what the range could not hold if it were empty, before anybody is asked to give anything back.
  func checkRoom(for request: Arena.Request) throws(MemoryError) {
    let id = request.traits.arena
    guard let range = arenas.range(of: id) else { throw failed(.areasUnavailable) }
    let (span, overflow) = request.pages.rawValue.addingReportingOverflow(UInt64(request.traits.guardPages))
    guard overflow || !range.canEverHold(span, alignment: request.traits.alignment) else { return }
    try entering { (cpu) throws(MemoryError) in
      throw .rangeExhausted(
        largestHole: arenas.locked(cpu) { PageCount(arenas.find(id)?.largestHole ?? 0) })
    }
  }

  /// A freed area of the same kind that is still mapped.
  /// - Returns: its first page; nil where there is none.
  private func reuseMapped(_ request: Arena.Request, _ byteCount: Int) -> PageNumber? {
    guard reclaim.mode == .warm else { return nil }
    var crossesTags = false
    let first: PageNumber? = cpus.attempt(orElse: nil) { cpu in
      guard reclaim.hasMapped(request.pages.rawValue, cpu) else { return nil }
      // Where the quota refuses it, what is parked stays so, and the next way reports it.
      let outcome = charge(request, cpu)
      guard !outcome.isRefused else { return nil }
      guard let area = reclaim.reuseMapped(request.pages.rawValue, request.traits, cpu) else {
        uncharge(request, cpu)
        return nil
      }
      crossesTags = area.value.traits.tag != request.traits.tag
      return publish(area, request, byteCount, outcome, cpu)
    }
    if let first, crossesTags { prepare(first, request, crossesTags: true, isNew: false) }
    return first
  }

  /// Step 1, as far as alignment and place go.
  @inline(never)
  private func place(_ request: inout Arena.Request, _ options: VmallocOptions) throws(MemoryError) {
    let alignment = options.alignment
    guard alignment > 0, alignment & (alignment - 1) == 0, alignment.trailingZeroBitCount < 57 else {
      throw failed(.badAlignment(alignment))
    }
    request.traits.alignment = max(0, alignment.trailingZeroBitCount - Int(pageSize.shift))
    guard let address = options.address else { return }
    guard address.isAligned(to: pageSize) else { throw failed(.placeTaken(address)) }
    request.place = address.number(pageSize)
  }

  /// An area with frames of its own. Where earlier frees have left work, this CPU does its share, so that
  /// nothing depends on an idle loop: as much as it takes, and past the bound, where waiting is legal, a step
  /// more.
  /// - Returns: its first page.
  @inline(never)
  private func makeUnmapped(
    _ request: Arena.Request, _ byteCount: Int, mayWait: Bool
  ) throws(MemoryError) -> PageNumber {
    let span = request.pages.rawValue &+ UInt64(request.traits.guardPages)
    var isOverBound = false
    var isNew = true
    var crossesTags = true
    let first = try retrying(mayWait: mayWait) { (cpu) throws(MemoryError) in
      let outcome = charge(request, cpu)
      guard !outcome.isRefused else { throw tags.error(outcome, request.traits.tag) }
      if reclaim.mode != .strict { isOverBound = reclaim.reapShare(request.pages.rawValue, span: span, cpu) }
      if request.place == nil, let area = reviveArea(request, cpu) {
        isNew = false
        crossesTags = area.value.traits.tag != request.traits.tag
        return publish(area, request, byteCount, outcome, cpu)
      }
      reclaim.makeRoom(for: request.pages.rawValue, cpu)
      do throws(MemoryError) {
        return publish(arenas.pool[try reserve(request, cpu)], request, byteCount, outcome, cpu)
      } catch {
        uncharge(request, cpu)
        throw error
      }
    }
    if isOverBound && mayWait { reap() }
    prepare(first, request, crossesTags: crossesTags, isNew: isNew)
    return first
  }

  /// A freed area of the same kind that slept, mapped again.
  private func reviveArea(_ request: Arena.Request, _ cpu: borrowing CPU) -> Stable<AreaDescriptor>? {
    let slot = reclaim.slot(cpu)
    var entries = request.pages.rawValue
    let revived: Stable<AreaDescriptor>
    if let area = slot.value.owning.asleep.take(entries, request.traits) {
      revived = area
      tables.revive(area.value.pages)
    } else if let leaves = reclaim.largeLeaves(entries),
      let area = slot.value.large.asleep.take(leaves, request.traits)
    {
      (revived, entries) = (area, leaves)
      tables.revive(leaves, at: area.value.entryPointer)
    } else {
      return nil
    }
    noteFilled(revived.value.number, request, entries: Int(truncatingIfNeeded: entries), cpu)
    return revived
  }

  /// What an allocation adds to its share where this CPU is over its bound: waits for the flush of what is
  /// closed, makes one step, and waits for the next flush, too, where frees have gone on so long that what
  /// was open is over the bound by itself.
  @inline(never)
  func reap() {
    guard cpus.count == 1 || cpus.mayWait else { return }
    wait(for: cpus.attempt(orElse: 0) { cpu in reclaim.awaited(cpu) })
    wait(for: cpus.attempt(orElse: 0) { cpu in reclaim.reapStep(cpu) })
  }

  /// Charges what is about to be allocated, of a size that the machine may have.
  private func charge(_ request: Arena.Request, _ cpu: borrowing CPU) -> Tags.ChargeOutcome {
    tags.charge(asking: .areas, request.traits.tag, bytes(request.pages.rawValue), cpu)
  }

  private func uncharge(_ request: Arena.Request, _ cpu: borrowing CPU) {
    tags.uncharge(.areas, request.traits.tag, bytes(request.pages.rawValue), cpu)
  }

  /// The bytes of `pages` pages.
  @inline(__always)
  func bytes(_ pages: UInt64) -> UInt64 { pages &<< UInt64(pageSize.shift) }

  /// Notes what was asked for in an area that is charged, and makes it visible.
  /// - Returns: its first page.
  @inline(__always)
  private func publish(
    _ area: Stable<AreaDescriptor>, _ request: Arena.Request, _ byteCount: Int,
    _ outcome: Tags.ChargeOutcome, _ cpu: borrowing CPU
  ) -> PageNumber {
    tags.finish(outcome, request.traits.tag, cpu)
    let first = note(area, request.traits, byteCount, cpu)
    area.value.resume()
    cmachine_step(cmachine_step_area_published)
    return PageNumber(first)
  }
}
