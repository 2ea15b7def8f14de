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
  public func vmalloc(
    _ byteCount: Int, _ options: VmallocOptions = VmallocOptions()
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    guard options.alignment == 1, options.address == nil else {
      return unsafe try vmallocOtherwise(byteCount, options)
    }
    let address = takeAtOnce(byteCount, options.traits)
    if address != 0 { return unsafe UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped }
    return unsafe try vmallocAnywhere(byteCount, options.traits, mayWait: options.mayWait)
  }

  /// As `vmalloc`, for `count` elements of `stride` bytes; a negative count, and a product that overflows, is
  /// refused (`sizeOverflow`).
  public func vmalloc(
    count: Int, stride: Int, _ options: VmallocOptions = VmallocOptions()
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    let (byteCount, overflow) = count.multipliedReportingOverflow(by: stride)
    guard !overflow, count >= 0 else { throw failed(.sizeOverflow) }
    return unsafe try vmalloc(byteCount, options)
  }

  /// Frees the memory of a `VirtualBuffer`, in the life of its area that the buffer has.
  func vfree(_ address: VirtualAddress, in life: UInt64) throws(MemoryError) { try free(address, in: life) }

  /// The generation of the live area that begins at an address; zero, which none has, where there is none.
  func life(of address: VirtualAddress) -> UInt64 { liveArea(startingAt: address)?.life ?? 0 }

  /// The descriptor of the live area of `vmalloc` that begins at an address, and its generation.
  func liveArea(startingAt address: VirtualAddress) -> (area: Stable<AreaDescriptor>, life: UInt64)? {
    cpus.undisturbed { candidate(startingAt: address).map { ($0.descriptor, $0.life) } }
  }

  /// Frees what `vmalloc` returned; nil is ignored. Allocates nothing. Legal in any context but an NMI. In
  /// lazy and warm mode it never waits for another CPU, and is O(1): more than 64 pages are left to purge
  /// steps. In strict mode it is O(pages), and with interrupts on it returns when every CPU has flushed,
  /// which it waits for; with interrupts off the flush comes later.
  /// - Throws: `badFree`, with nothing changed: `alreadyFree`, `interior`, `guardPage`, `foreign`,
  ///   `unaligned`; `wrongContext` in an NMI that has interrupted this package.
  public func vfree(_ pointer: UnsafeMutableRawPointer?) throws(MemoryError) {
    guard let pointer = unsafe pointer else { return }
    let address = unsafe VirtualAddress(pointer)
    let tried = freeAtOnce(address)
    if tried != Self.freed { try free(address, tried) }
  }

  /// - Parameter tried: what `freeAtOnce` has said.
  @inline(never)
  private func free(_ address: VirtualAddress, _ tried: UInt64) throws(MemoryError) {
    try free(address, in: tried == Self.unknown ? nil : tried)
  }

  @inline(__always)
  private func free(_ address: VirtualAddress, in life: UInt64?) throws(MemoryError) {
    let request = try freeing { (cpu) throws(MemoryError) in
      try free(address, in: life, cpu)
      return reclaim.mode == .strict ? reclaim.flushOpen(cpu) : 0
    }
    if request != 0 { finishFlush(request) }
  }
}

// MARK: - Making

extension MemoryManager {
  /// The shortest way: the area that was freed here last among those of its page count, still mapped, if it
  /// is of the kind that is asked for and nothing unusual is due for its tag.
  /// - Returns: its first address; zero, which is in no range, where that was not done.
  @inline(__always)
  private func takeAtOnce(_ byteCount: Int, _ traits: AreaTraits) -> UInt {
    let shift = UInt64(pageSize.shift)
    let count = ((UInt64(bitPattern: Int64(byteCount)) &- 1) &>> shift) &+ 1
    // Sizes that are not positive are huge here.
    guard count &- 1 < AreaCache.largest else { return 0 }
    return cpus.attempt(otherwise: 0) { cpu in
      let slot = reclaim.slot(cpu)
      guard let area = slot.value.warm.first(count, traits) else {
        return takeKept(count, traits, byteCount, cpu)
      }
      guard tags.charge(.areas, traits.tag, count &<< shift, cpu) else { return 0 }
      slot.value.warm.takeFirst(area, count)
      cpu.count(.warmHits)
      let first = note(area, traits, byteCount, cpu)
      area.value.resumeParked()
      return UInt(first &<< shift)
    }
  }

  /// The next shortest: an area whose addresses and tables were kept, with frames of this CPU's list.
  @inline(never)
  private func takeKept(
    _ count: UInt64, _ traits: AreaTraits, _ byteCount: Int, _ cpu: borrowing CPU
  ) -> UInt {
    let order = count.trailingZeroBitCount
    guard count == 1 &<< UInt64(truncatingIfNeeded: order), traits.zone == .normal,
      let area = reclaim.keptAtOnce(count, traits, cpu),
      tags.charge(.areas, traits.tag, bytes(count), cpu)
    else { return 0 }
    cmachine_step(cmachine_step_charged)
    guard
      let block = reclaim.takeFlushed(order: order, cpu) ?? frames.takeListed(order: order, .normal, cpu)
    else {
      tags.uncharge(.areas, traits.tag, bytes(count), cpu)
      return 0
    }
    let attributes = MappingAttributes(traits.protection, cache: traits.cache)
    tables.fill(at: area.value.firstEntry, block, order: order, area: area.value.number, attributes)
    reclaim.take(area, count, cpu)
    cpu.count(.entriesWritten, Int(truncatingIfNeeded: count))
    cmachine_step(cmachine_step_entries_written)
    synchronizeMapping(area.value.pages)
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
    cpu.rooms.value.hints.value.remember(area, at: first)
    return first
  }

  /// The longer ways, where alignment and place do not matter.
  @inline(never)
  private func vmallocAnywhere(
    _ byteCount: Int, _ traits: AreaTraits, mayWait: Bool
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    var options = VmallocOptions()
    options.traits = traits
    options.mayWait = mayWait
    return unsafe try vmallocOtherwise(byteCount, options)
  }

  /// The longer ways.
  @inline(never)
  private func vmallocOtherwise(
    _ byteCount: Int, _ options: VmallocOptions
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    guard byteCount > 0 else { throw failed(byteCount == 0 ? .sizeIsZero : .sizeOverflow) }
    let request = Areas.Request(
      pages: PageCount(bytes: UInt64(byteCount), pageSize), traits: options.traits, place: nil)
    let first = try makeOtherwise(request, byteCount, options)
    // Address zero is in no range: frame and page zero are never managed.
    return unsafe first.address(pageSize).pointer.unsafelyUnwrapped
  }

  /// - Returns: the first page.
  private func makeOtherwise(
    _ request: Areas.Request, _ byteCount: Int, _ options: VmallocOptions
  ) throws(MemoryError) -> PageNumber {
    var request = request
    request.traits.isCleared = control.value.usualTraits.isCleared
    guard tags.contains(request.traits.tag) else { throw failed(.tagUnavailable) }
    if options.alignment != 1 || options.address != nil { try place(&request, options) }
    let limit = frames.managed(in: request.traits.zone)
    guard request.pages <= limit else { throw failed(.sizeTooLarge(pages: request.pages, limit: limit)) }
    if request.place == nil, let first = reuseMapped(request, byteCount) { return first }
    try checkRoom(for: request)
    return try makeUnmapped(request, byteCount, mayWait: options.mayWait)
  }

  /// Refuses what the range could not hold if it were empty, before anybody is asked to give anything back.
  func checkRoom(for request: Areas.Request) throws(MemoryError) {
    let id = request.traits.instance
    guard let range = areas.range(of: id) else { throw failed(.areasUnavailable) }
    let (span, overflow) = request.pages.rawValue.addingReportingOverflow(UInt64(request.traits.guardPages))
    guard overflow || !range.canEverHold(span, alignment: request.traits.alignment) else { return }
    try entering { (cpu) throws(MemoryError) in
      throw .rangeExhausted(
        largestHole: areas.locked(cpu) { PageCount(areas.find(id)?.largestHole ?? 0) })
    }
  }

  /// A freed area of the same kind that is still mapped.
  /// - Returns: its first page; nil where there is none.
  private func reuseMapped(_ request: Areas.Request, _ byteCount: Int) -> PageNumber? {
    guard reclaim.mode == .warm else { return nil }
    var isStrange = false
    let first: PageNumber? = cpus.attempt(otherwise: nil) { cpu in
      guard reclaim.hasMapped(request.pages.rawValue, cpu) else { return nil }
      // Where the quota refuses it, what is parked stays so, and the next way reports it.
      let settlement = charge(request, cpu)
      guard !settlement.isRefused else { return nil }
      guard let area = reclaim.reuseMapped(request.pages.rawValue, request.traits, cpu) else {
        uncharge(request, cpu)
        return nil
      }
      isStrange = area.value.traits.tag != request.traits.tag
      return publish(area, request, byteCount, settlement, cpu)
    }
    if let first, isStrange { prepare(first, request, isStrange: true, isNew: false) }
    return first
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

  /// An area with frames of its own. Where earlier frees have left work, this CPU does its share, so that nothing
  /// depends on an idle loop: as much as it takes, and past the bound, where waiting is legal, a step more.
  /// - Returns: its first page.
  @inline(never)
  private func makeUnmapped(
    _ request: Areas.Request, _ byteCount: Int, mayWait: Bool
  ) throws(MemoryError) -> PageNumber {
    let span = request.pages.rawValue &+ UInt64(request.traits.guardPages)
    var isOverBound = false
    let first = try retrying(mayWait: mayWait) { (cpu) throws(MemoryError) in
      let settlement = charge(request, cpu)
      guard !settlement.isRefused else { throw tags.error(settlement, request.traits.tag) }
      if reclaim.mode != .strict { isOverBound = reclaim.relieve(request.pages.rawValue, span: span, cpu) }
      do throws(MemoryError) {
        return publish(try obtain(request, cpu), request, byteCount, settlement, cpu)
      } catch {
        uncharge(request, cpu)
        throw error
      }
    }
    if isOverBound && mayWait { relieve() }
    prepare(first, request, isStrange: true, isNew: true)
    return first
  }

  /// A freed area of the same kind that has its addresses and tables, or a new one; with frames.
  @inline(__always)
  private func obtain(
    _ request: Areas.Request, _ cpu: borrowing CPU
  ) throws(MemoryError) -> Stable<AreaDescriptor> {
    guard request.place == nil, let area = reclaim.reuse(request.pages.rawValue, request.traits, cpu) else {
      return areas.pool[try reserve(request, cpu)]
    }
    do throws(MemoryError) {
      try populate(area.value.number, request, cpu)
    } catch {
      reclaim.keep(area, cpu)
      throw error
    }
    return area
  }

  /// What an allocation adds to its share where this CPU is over its bound: waits for the flush of what is closed,
  /// and makes one step.
  @inline(never)
  func relieve() {
    guard cpus.count == 1 || cpus.mayWait else { return }
    wait(for: cpus.attempt(otherwise: 0) { cpu in reclaim.awaited(cpu) })
    cpus.attempt(otherwise: ()) { cpu in reclaim.relieveMore(cpu) }
  }

  /// Charges what is about to be allocated, of a size that the machine may have.
  private func charge(_ request: Areas.Request, _ cpu: borrowing CPU) -> Tags.Settlement {
    tags.charge(settling: .areas, request.traits.tag, bytes(request.pages.rawValue), cpu)
  }

  private func uncharge(_ request: Areas.Request, _ cpu: borrowing CPU) {
    tags.uncharge(.areas, request.traits.tag, bytes(request.pages.rawValue), cpu)
  }

  /// Of so many pages.
  @inline(__always)
  private func bytes(_ pages: UInt64) -> UInt64 { pages &<< UInt64(pageSize.shift) }

  /// Notes what was asked for in an area that is charged, and makes it visible.
  /// - Returns: its first page.
  @inline(__always)
  private func publish(
    _ area: Stable<AreaDescriptor>, _ request: Areas.Request, _ byteCount: Int,
    _ settlement: Tags.Settlement, _ cpu: borrowing CPU
  ) -> PageNumber {
    tags.finish(settlement, request.traits.tag, cpu)
    let first = note(area, request.traits, byteCount, cpu)
    area.value.resume()
    cmachine_step(cmachine_step_area_published)
    return PageNumber(first)
  }
}

// MARK: - Unmaking

extension MemoryManager {
  /// A live area that is to be freed.
  struct Candidate {
    let area: UInt32
    let descriptor: Stable<AreaDescriptor>
    /// The generation of the descriptor.
    let life: UInt64
  }

  /// What `freeAtOnce` says: that it has freed the area, and that it could not look.
  private static var freed: UInt64 { .max }
  private static var unknown: UInt64 { .max &- 1 }

  /// The shortest way: an area that this CPU remembers, or that the index leads to, goes into the warm cache
  /// or into the open batch.
  /// - Returns: `freed`; `unknown`; or the life in which the area is to be freed otherwise, so that no other
  ///   area is freed that is behind the address by then: zero, which none has, where there is none.
  @inline(__always)
  private func freeAtOnce(_ address: VirtualAddress) -> UInt64 {
    let pageSize = pageSize
    return cpus.attempt(otherwise: Self.unknown) { cpu in
      guard let area = cpu.rooms.value.hints.value.area(at: address.number(pageSize).rawValue),
        let life = area.value.liveGeneration,
        PageNumber(area.value.first).address(pageSize) == address
      else { return findAndFree(address, cpu) }
      cmachine_step(cmachine_step_area_found)
      return freeAtOnce(area, in: life, cpu)
    }
  }

  @inline(never)
  private func findAndFree(_ address: VirtualAddress, _ cpu: borrowing CPU) -> UInt64 {
    guard let found = candidate(startingAt: address) else { return 0 }
    return freeAtOnce(found.descriptor, in: found.life, cpu)
  }

  @inline(__always)
  private func freeAtOnce(_ area: Stable<AreaDescriptor>, in life: UInt64, _ cpu: borrowing CPU) -> UInt64 {
    let traits = area.value.traits
    let pages = area.value.span &- UInt64(traits.guardPages)
    guard tags.isUnlimited(traits.tag, cpu),
      reclaim.park(area, pages, in: life, cpu) || reclaim.retireAtOnce(area, pages, in: life, cpu)
    else { return life }
    tags.mine(traits.tag, cpu).discharge(.areas, pages &<< UInt64(pageSize.shift))
    return Self.freed
  }

  private func free(
    _ address: VirtualAddress, in life: UInt64? = nil, _ cpu: borrowing CPU
  ) throws(MemoryError) {
    guard let found = candidate(startingAt: address) else { throw .badFree(problem(freeing: address)) }
    guard found.life == life ?? found.life else { throw .badFree(.alreadyFree) }
    let (pages, tag) = (found.descriptor.value.pageCount, found.descriptor.value.traits.tag)
    guard
      reclaim.park(found.descriptor, pages, in: found.life, cpu)
        || reclaim.retire(found.area, in: found.life, cpu)
    else { throw .badFree(.alreadyFree) }
    tags.discharge(.areas, tag, bytes(pages), cpu)
  }

  /// The one place that decides whether a free is right: the area that was live a moment ago with `address`
  /// as its first byte. Of several callers with the same address, one succeeds in ending its life. On a CPU that
  /// serves no flush meanwhile.
  @inline(__always)
  func candidate(startingAt address: VirtualAddress) -> Candidate? {
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
}
