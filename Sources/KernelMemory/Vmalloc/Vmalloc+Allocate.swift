internal import CMachine

// What `pop` leaves to do: checks, other areas of the cache, and a share of the work that frees have left, so
// that nothing depends on an idle loop; else a new area.

extension Vmalloc {
  /// What a caller asks for.
  @safe
  struct Request {
    var area: Arena.Request
    let byteCount: Int
    /// Its own frames, to be mapped; nil where the area is to have frames.
    let borrowed: UnsafeBufferPointer<FrameNumber>?

    var pages: UInt64 { area.pages.rawValue }
    var tag: Tag { area.traits.tag }
    var kind: AreaKind { unsafe borrowed == nil ? .owning : .borrowing }
    /// The pages of the area, and those that its free holds back.
    var span: UInt64 { pages &+ UInt64(area.traits.guardPages) }
  }

  /// What a caller has got.
  struct Allocation {
    var first = PageNumber(0)
    /// Whether the frames were not the area's before.
    var isNew = false
    /// Whether another tag may have written what is there.
    var crossesTags = true
    /// Whether this CPU holds back more than it may, and the caller is to wait.
    var isOverBound = false
  }

  /// Checks what is asked for, before anything is charged, or anybody is asked to give something back.
  /// - Throws: `sizeIsZero`, `sizeOverflow`, `sizeTooLarge`, `badAlignment`, `placeTaken`, `tagUnavailable`,
  ///   `cacheTypeUnavailable`, `areasUnavailable`, `rangeExhausted`.
  func request(_ byteCount: Int, _ options: VmallocOptions) throws(MemoryError) -> Request {
    guard byteCount > 0 else { throw byteCount == 0 ? .sizeIsZero : .sizeOverflow }
    var area = Arena.Request(
      pages: PageCount(bytes: UInt64(byteCount), pageSize), traits: options.traits, place: nil)
    area.traits.isCleared = state.value.defaultTraits.isCleared
    guard tags.contains(area.traits.tag) else { throw .tagUnavailable }
    try tables.checkType(area.traits.cache)
    if options.alignment != 1 || options.address != nil { try place(&area, options) }
    if options.leaves == .largeWherePossible {
      area.bestAlignment = tables.bestAlignment(of: area.pages.rawValue)
    }
    let limit = frames.managed(in: area.traits.zone)
    guard area.pages <= limit else { throw .sizeTooLarge(pages: area.pages, limit: limit) }
    try checkRoom(for: area)
    return unsafe Request(area: area, byteCount: byteCount, borrowed: nil)
  }

  /// The same for frames that the caller has.
  func request(
    mapping borrowed: UnsafeBufferPointer<FrameNumber>, _ traits: AreaTraits
  ) throws(MemoryError) -> Request {
    let area = Arena.Request(pages: PageCount(UInt64(borrowed.count)), traits: traits, place: nil)
    guard tags.contains(traits.tag) else { throw .tagUnavailable }
    try checkRoom(for: area)
    return unsafe Request(
      area: area, byteCount: Int(bytes(area.pages.rawValue)), borrowed: borrowed)
  }

  @inline(never)
  private func place(_ area: inout Arena.Request, _ options: VmallocOptions) throws(MemoryError) {
    let alignment = options.alignment
    guard alignment > 0, alignment & (alignment - 1) == 0, alignment.trailingZeroBitCount < 57 else {
      throw .badAlignment(alignment)
    }
    area.traits.alignment = max(0, alignment.trailingZeroBitCount - Int(pageSize.shift))
    guard let address = options.address else { return }
    guard address.isAligned(to: pageSize) else { throw .placeTaken(address) }
    area.place = address.number(pageSize)
  }

  /// Refuses what the range could not hold if it were empty.
  private func checkRoom(for area: Arena.Request) throws(MemoryError) {
    let id = area.traits.arena
    guard let range = arenas.range(of: id) else { throw .areasUnavailable }
    let (span, overflow) = area.pages.rawValue.addingReportingOverflow(UInt64(area.traits.guardPages))
    guard overflow || !range.canEverHold(span, alignment: area.traits.alignment) else { return }
    try cpus.enter { (cpu) throws(MemoryError) in
      throw .rangeExhausted(
        largestHole: arenas.locked(cpu) { PageCount(arenas.find(id)?.largestHole ?? 0) })
    }
  }
}

// MARK: - Allocating

extension Vmalloc {
  /// An area that is charged, mapped and published.
  /// - Throws: `overQuota`, `overAreaQuota`, and what is short, with nothing changed.
  func allocate(_ request: Request, _ cpu: borrowing CPU) throws(MemoryError) -> Allocation {
    let charged = request.kind == .owning ? bytes(request.pages) : 0
    let outcome = tags.charge(asking: .areas, request.tag, charged, cpu)
    guard !outcome.isRefused else { throw tags.error(outcome, request.tag) }
    do throws(MemoryError) {
      let made = try popOrMake(request, cpu)
      tags.finish(outcome, request.tag, cpu)
      return made
    } catch {
      tags.uncharge(.areas, request.tag, charged, cpu)
      throw error
    }
  }

  private func popOrMake(_ request: Request, _ cpu: borrowing CPU) throws(MemoryError) -> Allocation {
    var made = Allocation()
    if let area = popWarm(request, cpu) { return publish(area, from: .cached, request, made, cpu) }
    if mode != .strict { made.isOverBound = reapShare(request, cpu) }
    if let area = popAsleep(request, cpu) { return publish(area, from: .retired, request, made, cpu) }
    makeRoom(for: request, cpu)
    made.isNew = true
    return publish(try make(request, cpu), from: .preparing, request, made, cpu)
  }

  private func publish(
    _ area: Stable<AreaDescriptor>, from old: AreaState, _ request: Request, _ allocation: Allocation,
    _ cpu: borrowing CPU
  ) -> Allocation {
    var made = allocation
    made.crossesTags = made.isNew || area.value.traits.tag != request.tag
    if let borrowed = unsafe request.borrowed {
      unsafe map(borrowed, to: area, request.area.traits, cpu)
    }
    made.first = PageNumber(
      publish(
        area, from: old, as: request.kind == .borrowing ? .borrowing : .live, request.area.traits,
        request.byteCount, cpu))
    cmachine_step(cmachine_step_area_published)
    return made
  }

  /// In warm mode, a freed area of the same kind that is still mapped.
  private func popWarm(_ request: Request, _ cpu: borrowing CPU) -> Stable<AreaDescriptor>? {
    guard request.area.place == nil, request.kind == .owning,
      let area = cpu.perCPU.warm.value.take(request.pages, request.area.traits)
    else { return nil }
    cpu.count(.warmHits)
    return area
  }

  /// A freed area of the same kind that is asleep, mapped again, but for frames that are borrowed.
  private func popAsleep(_ request: Request, _ cpu: borrowing CPU) -> Stable<AreaDescriptor>? {
    guard request.area.place == nil else { return nil }
    if let area = popAsleep(request.pages, request.kind, request, cpu) { return area }
    guard request.kind == .owning, let leaves = largeLeaves(request.pages) else { return nil }
    return popAsleep(leaves, .large, request, cpu)
  }

  private func popAsleep(
    _ entries: UInt64, _ kind: AreaKind, _ request: Request, _ cpu: borrowing CPU
  ) -> Stable<AreaDescriptor>? {
    guard let area = cpu.perCPU.asleep(kind).value.take(entries, request.area.traits) else { return nil }
    switch kind {
    case .owning: tables.revive(area.value.pages)
    case .large: tables.revive(entries, at: area.value.entryPointer)
    case .borrowing: return area
    }
    noteWritten(area, entries: entries, cpu)
    return area
  }
}
