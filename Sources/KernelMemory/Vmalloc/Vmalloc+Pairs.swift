internal import CMachine

// A pair that stays on this CPU
//
// Straight lines over this CPU's own records, which call nothing. `pop` takes the area that was freed here
// last among those of its page count, still mapped or asleep, if it is of the kind that is asked for and
// nothing unusual is due for its tag. `push` wants room in a cache, or others of its page count before it in
// quarantine. Where something is missing nothing is changed, and `allocate` or `free` takes over.

extension Vmalloc {
  /// The pages of so many bytes; huge where that is not positive.
  @inline(__always)
  func pageCount(_ byteCount: Int) -> UInt64 {
    ((UInt64(bitPattern: Int64(byteCount)) &- 1) &>> UInt64(pageSize.shift)) &+ 1
  }

  /// - Returns: the first address; zero, which is in no range, where nothing is popped.
  @inline(__always)
  func pop(_ count: UInt64, _ traits: AreaTraits, _ byteCount: Int, _ cpu: borrowing CPU) -> UInt {
    let warm = cpu.perCPU.warm
    guard let area = warm.value.first(count, traits) else { return popAsleep(count, traits, byteCount, cpu) }
    guard tags.charge(.areas, traits.tag, bytes(count), cpu) else { return 0 }
    warm.value.popFirst(area, count)
    cpu.count(.warmHits)
    return UInt(bytes(publish(area, from: .cached, traits, byteCount, cpu)))
  }

  /// Pops an area that is asleep.
  @inline(__always)
  private func popAsleep(
    _ count: UInt64, _ traits: AreaTraits, _ byteCount: Int, _ cpu: borrowing CPU
  ) -> UInt {
    guard let area = firstAsleep(count, traits, .owning, cpu),
      tags.charge(.areas, traits.tag, bytes(count), cpu)
    else { return 0 }
    return wake(area, count, .owning, traits, byteCount, cpu)
  }

  /// Pops an area of large leaves alone that is asleep. Its charge may be a peak, which takes a sum.
  @inline(never)
  func popLarge(_ pages: UInt64, _ traits: AreaTraits, _ byteCount: Int, _ cpu: borrowing CPU) -> UInt {
    guard let leaves = largeLeaves(pages), let area = firstAsleep(leaves, traits, .large, cpu) else {
      return 0
    }
    let outcome = tags.charge(asking: .areas, traits.tag, bytes(pages), cpu)
    guard !outcome.isRefused else { return 0 }
    let address = wake(area, leaves, .large, traits, byteCount, cpu)
    tags.finish(outcome, traits.tag, cpu)
    return address
  }

  /// Makes the entries of a charged area that is asleep present again, and hands it out.
  @inline(__always)
  private func wake(
    _ area: Stable<AreaDescriptor>, _ entries: UInt64, _ kind: AreaKind, _ traits: AreaTraits,
    _ byteCount: Int, _ cpu: borrowing CPU
  ) -> UInt {
    cmachine_step(cmachine_step_charged)
    cpu.perCPU.asleep(kind).value.popFirst(area, entries)
    tables.revive(entries, at: area.value.entryPointer)
    cpu.count(.entriesWritten, Int(truncatingIfNeeded: entries))
    cmachine_step(cmachine_step_entries_written)
    if machine.synchronizesMappings { return publishSynchronized(area, traits, byteCount, cpu) }
    return UInt(bytes(publish(area, from: .retired, traits, byteCount, cpu)))
  }

  @inline(never)
  private func publishSynchronized(
    _ area: Stable<AreaDescriptor>, _ traits: AreaTraits, _ byteCount: Int, _ cpu: borrowing CPU
  ) -> UInt {
    machine.synchronizeMapping(area.value.pages, pageSize)
    return UInt(bytes(publish(area, from: .retired, traits, byteCount, cpu)))
  }

  /// Pops an area that is asleep for frames of the caller's, and maps them.
  /// - Returns: its first page; zero, which is in no range, where nothing is popped.
  @inline(__always)
  func pop(
    mapping borrowed: UnsafeBufferPointer<FrameNumber>, _ traits: AreaTraits, _ cpu: borrowing CPU
  ) -> UInt64 {
    let count = UInt64(borrowed.count)
    guard count <= AreaCache.largest, let area = firstAsleep(count, traits, .borrowing, cpu),
      tags.charge(.areas, traits.tag, 0, cpu)
    else { return 0 }
    cpu.perCPU.asleep(.borrowing).value.popFirst(area, count)
    unsafe map(borrowed, to: area, traits, cpu)
    return publish(area, from: .retired, as: .borrowing, traits, Int(bytes(count)), cpu)
  }

  /// An area of so many entries that sleeps, and whose entries are where it remembers them; nil where work
  /// that frees have left is due before.
  @inline(__always)
  private func firstAsleep(
    _ count: UInt64, _ traits: AreaTraits, _ kind: AreaKind, _ cpu: borrowing CPU
  ) -> Stable<AreaDescriptor>? {
    let pages = kind == .large ? count &<< UInt64(truncatingIfNeeded: tables.areaLeafOrder) : count
    guard quarantine.hasSlack(for: pages &+ UInt64(traits.guardPages), cpu),
      let area = cpu.perCPU.asleep(kind).value.first(count, traits), area.value.entryPointer != 0
    else { return nil }
    return area
  }

  /// Hands out an area that is charged: notes what was asked for, and makes it visible.
  /// - Parameters:
  ///   - old: the state that it is in, in which nobody else changes it.
  ///   - new: `live` or `borrowing`, in another generation than the one that it was retired in.
  /// - Returns: its first page.
  @inline(__always)
  func publish(
    _ area: Stable<AreaDescriptor>, from old: AreaState, as new: AreaState = .live, _ traits: AreaTraits,
    _ byteCount: Int, _ cpu: borrowing CPU
  ) -> UInt64 {
    let first = area.value.first
    area.value.byteCount = UInt64(bitPattern: Int64(byteCount))
    area.value.traits = traits
    cpu.perCPU.hints.value.remember(area, at: first)
    area.value.resume(from: old, as: new)
    return first
  }
}

// MARK: - Pushing

extension Vmalloc {
  /// What `push` returns for an area that it has freed. No area has this generation.
  static var freed: UInt64 { .max }
  /// What the caller of `push` goes on with where it could not enter this CPU: `free` then takes the area at
  /// the address in whatever generation. No area has this one.
  static var anyGeneration: UInt64 { .max &- 1 }

  /// Frees an area that this CPU remembers, or that the index leads to: into the warm cache, or behind the
  /// next flush.
  /// - Parameter state: `live`; or `borrowing`, whose entries alone go.
  /// - Returns: `freed`, or what `free` is to be called with: the generation that was found, so that it frees
  ///   no later area at the address; zero, which no area has, where there was no area.
  @inline(__always)
  func push(_ address: VirtualAddress, _ state: AreaState, _ cpu: borrowing CPU) -> UInt64 {
    guard let area = cpu.perCPU.hints.value.area(at: address.number(pageSize).rawValue),
      let found = check(area, address, state)
    else { return findAndPush(address, state, cpu) }
    return push(found, state, cpu)
  }

  @inline(never)
  private func findAndPush(
    _ address: VirtualAddress, _ state: AreaState, _ cpu: borrowing CPU
  ) -> UInt64 {
    guard let found = find(address, state) else { return 0 }
    return push(found, state, cpu)
  }

  @inline(__always)
  private func push(_ found: Found, _ state: AreaState, _ cpu: borrowing CPU) -> UInt64 {
    let (area, traits) = (found.area, found.area.value.traits)
    let pages = area.value.span &- UInt64(traits.guardPages)
    guard tags.isUnlimited(traits.tag, cpu) else { return found.generation }
    guard pages &- 1 < AreaCache.largest else {
      return state == .live ? pushLarge(found, pages, traits.tag, cpu) : found.generation
    }
    let kind: AreaKind = state == .live ? .owning : .borrowing
    let isPushed =
      state == .live && pages <= cpu.perCPU.warm.value.room
      ? retire(found, pages, to: .warm, cpu)
      : canSuspend(area, pages, kind, cpu) && retire(found, pages, from: state, to: .suspended(kind), cpu)
    guard isPushed else { return found.generation }
    tags.local(traits.tag, cpu).discharge(.areas, state == .live ? bytes(pages) : 0)
    return Self.freed
  }

  /// Frees an area of large leaves alone.
  @inline(never)
  private func pushLarge(_ found: Found, _ pages: UInt64, _ tag: Tag, _ cpu: borrowing CPU) -> UInt64 {
    guard let leaves = largeLeaves(pages), canSuspend(found.area, leaves, .large, cpu),
      retire(found, leaves, to: .suspended(.large), cpu)
    else { return found.generation }
    tags.local(tag, cpu).discharge(.areas, bytes(pages))
    return Self.freed
  }

  /// Whether an area's entries are where it remembers them, it may sleep, and quarantine takes it as it is.
  @inline(__always)
  private func canSuspend(
    _ area: Stable<AreaDescriptor>, _ entries: UInt64, _ kind: AreaKind, _ cpu: borrowing CPU
  ) -> Bool {
    // The entry may be that of another generation: then the compare-and-swap fails.
    area.value.entryPointer != 0 && entries <= cpu.perCPU.asleep(kind).value.room
      && quarantine.canPush(area.value.span, entries, kind, cpu)
  }

  /// Where an area goes when its allocation has ended.
  enum Destination {
    /// It stays mapped, in the warm cache, where there is room.
    case warm
    /// Its entries are made absent, and quarantine has it, which takes it as it is.
    case suspended(AreaKind)
    /// `suspendOrClear` says.
    case quarantined

    @inline(__always)
    var isWarm: Bool { if case .warm = self { true } else { false } }
  }

  /// Ends an allocation: of several that try, one succeeds. The one compare-and-swap of a free.
  /// - Parameter entries: how many entries the area has, where it goes to a cache or to quarantine as it is.
  /// - Returns: false, with nothing changed, where the area is not in that state and generation any more.
  @inline(__always)
  func retire(
    _ found: Found, _ entries: UInt64, from old: AreaState = .live, to destination: Destination,
    _ cpu: borrowing CPU
  ) -> Bool {
    let area = found.area
    guard area.value.move(from: old, to: destination.isWarm ? .cached : .retired, in: found.generation)
    else { return false }
    switch destination {
    case .warm:
      cpu.perCPU.warm.value.push(area, entries)
      cpu.count(.warmCached)
    case .suspended(let kind):
      let entry = area.value.entryPointer
      if kind == .borrowing {
        tables.unmapBorrowed(entries, at: entry)
      } else {
        tables.suspend(entries, at: entry)
      }
      cpu.perCPU.asleep(kind).value.reserve(entries)
      quarantine.push(area, entries, kind, cpu)
    case .quarantined: suspendOrClear(area, isBorrowing: old == .borrowing, cpu)
    }
    return true
  }
}
