internal import CMachine

// vfree: the hot path, and the slow one behind it.

extension MemoryManager {
  /// A live area that is to be freed.
  struct Candidate {
    let area: UInt32
    let descriptor: Stable<AreaDescriptor>
    /// The generation of the descriptor.
    let generation: UInt64
  }

  /// What `push` returns for an area that it has freed, and where `attempt` could not enter.
  static var freed: UInt64 { .max }
  static var unknown: UInt64 { .max &- 1 }

  /// The hot path: an area that this CPU remembers, or that the index leads to, goes into the warm cache, or
  /// behind the next flush.
  /// - Returns: `freed`; `unknown`; or the generation in which the slow path is to free the area, so that no
  ///   other area is freed that is behind the address by then: zero, which none has, where there is none.
  @inline(never)
  func push(_ address: VirtualAddress) -> UInt64 {
    let pageSize = pageSize
    return cpus.attempt(orElse: Self.unknown) { cpu in
      guard let area = cpu.perCPU.hints.value.area(at: address.number(pageSize).rawValue),
        let generation = area.value.liveGeneration,
        PageNumber(area.value.first).address(pageSize) == address
      else { return findAndPush(address, cpu) }
      cmachine_step(cmachine_step_area_found)
      return push(area, in: generation, cpu)
    }
  }

  @inline(never)
  private func findAndPush(_ address: VirtualAddress, _ cpu: borrowing CPU) -> UInt64 {
    guard let found = candidate(startingAt: address) else { return 0 }
    return push(found.descriptor, in: found.generation, cpu)
  }

  @inline(__always)
  private func push(_ area: Stable<AreaDescriptor>, in generation: UInt64, _ cpu: borrowing CPU) -> UInt64 {
    let traits = area.value.traits
    let pages = area.value.span &- UInt64(traits.guardPages)
    guard tags.isUnlimited(traits.tag, cpu),
      reclaim.park(area, pages, in: generation, cpu) || reclaim.suspend(area, pages, in: generation, cpu)
    else { return generation }
    tags.local(traits.tag, cpu).discharge(.areas, pages &<< UInt64(pageSize.shift))
    return Self.freed
  }

  func free(
    _ address: VirtualAddress, in generation: UInt64? = nil, _ cpu: borrowing CPU
  ) throws(MemoryError) {
    guard let found = candidate(startingAt: address) else { throw .badFree(problem(freeing: address)) }
    guard found.generation == generation ?? found.generation else { throw .badFree(.alreadyFree) }
    let (pages, tag) = (found.descriptor.value.pageCount, found.descriptor.value.traits.tag)
    guard
      reclaim.park(found.descriptor, pages, in: found.generation, cpu)
        || reclaim.retire(found.area, in: found.generation, cpu)
    else { throw .badFree(.alreadyFree) }
    tags.discharge(.areas, tag, bytes(pages), cpu)
  }

  /// The one place that decides whether a free is right: the area that was live a moment ago with `address`
  /// as its first byte. Of several callers with the same address, one succeeds in retiring it. On a CPU
  /// that serves no flush meanwhile.
  @inline(__always)
  func candidate(startingAt address: VirtualAddress) -> Candidate? {
    let pageSize = pageSize
    let page = address.number(pageSize)
    guard let area = arenas.arena(containing: page)?.index.area(at: page.rawValue), area != 0 else {
      return nil
    }
    let descriptor = arenas.pool[area]
    guard let generation = descriptor.value.liveGeneration,
      address == PageNumber(descriptor.value.first).address(pageSize)
    else { return nil }
    cmachine_step(cmachine_step_area_found)
    return Candidate(area: area, descriptor: descriptor, generation: generation)
  }
}
