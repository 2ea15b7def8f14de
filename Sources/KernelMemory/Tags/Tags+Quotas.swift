internal import Synchronization

// Quotas
//
// A quota bounds what a tag has live, over all CPUs: bytes, or areas, each of which takes a descriptor and a
// place in the index, however few its bytes. Each CPU has credit: bytes and areas that it may allocate
// without asking, to which it adds what it frees, so that a pair stays on words of its own CPU. At
// any moment
//
//     allocated - freed + the credit of all CPUs <= limit
//
// what is left of the limit belongs to no CPU: a CPU whose credit does not suffice adds up all the others'
// words under the tag lock, and gives itself credit out of the difference. Where that does not suffice it
// takes the credit of all CPUs first, which takes one atomic operation on each word and no waiting. So usage
// never passes the limit; and without others that allocate or free at the same moment, what is refused does
// not fit.
//
// The sum is taken while others go on, so it may be too large, but must not be too small. It reads what is
// freed, then credit, then what is allocated. An allocation counts itself before it spends its credit, and a
// free adds to the credit before it counts itself: each is seen twice or once, never not at all.
//
// A credit word is zero where there is no such quota, and the pass, the one word that everybody looks at, is
// the tag's handle where there is neither. A tag that does not exist has its credit closed, and nobody has
// its pass. While more is live than a limit, which was lowered, frees give no credit ("closed"), until the
// sum is below it again. An allocation counts itself before it looks at the pass, too: so a quota that is set
// meanwhile finds it in the sum, but for what a CPU holds in its store buffer at that moment.

/// The bits of a credit word above the amount.
private let limited: UInt64 = 1 << 63
private let closed: UInt64 = 1 << 62
private let amountMask = closed - 1

extension Tags {
  /// What a quota bounds.
  enum Resource: Int {
    case bytes, areas

    /// What a CPU takes as credit at a time; frees may raise its credit to twice that. 256 KiB: the largest
    /// area of the warm cache, so that a pair of it stays on its CPU; 64 areas: as many of a 4 KiB page.
    var batch: UInt64 { self == .bytes ? 256 << 10 : 64 }
  }

  /// Pays out of the quotas for what is counted as allocated.
  /// - Returns: which quota refuses it; it is not counted then.
  @inline(never)
  func spend(_ kind: Kind, _ tag: Tag, _ bytes: UInt64, _ cpu: borrowing CPU) -> ChargeOutcome? {
    guard mayBeCharged(tag, cpu) else {
      uncharge(kind, tag, bytes, cpu)
      return .overBytes
    }
    guard pay(.bytes, bytes, kind, tag, bytes, cpu) else { return .overBytes }
    return kind != .areas || pay(.areas, 1, kind, tag, bytes, cpu) ? nil : .overAreas
  }

  private func pay(
    _ resource: Resource, _ amount: UInt64, _ kind: Kind, _ tag: Tag, _ bytes: UInt64, _ cpu: borrowing CPU
  ) -> Bool {
    if spendCredit(resource, tag, amount, cpu) { return true }
    return locked(cpu) {
      if payFromQuota(resource, tag, cpu) { return true }
      // Still under the lock, so that who waits for it does not find this counted.
      uncharge(kind, tag, bytes, cpu)
      return false
    }
  }

  /// - Returns: false where this CPU's credit does not suffice.
  private func spendCredit(
    _ resource: Resource, _ tag: Tag, _ amount: UInt64, _ cpu: borrowing CPU
  ) -> Bool {
    let credit = local(tag, cpu).credit(resource)
    var old = credit.value.load(ordering: .relaxed)
    while old & amountMask >= amount && amount > 0 {
      let change = updating(.shared) {
        credit.value.compareExchange(
          expected: old, desired: old &- amount, ordering: .acquiringAndReleasing)
      }
      if change.exchanged { return true }
      old = change.original
    }
    return old == 0 || amount == 0
  }

  /// Makes credit of what is about to be counted as freed.
  @inline(never)
  func earn(_ kind: Kind, _ local: Stable<Charges>, _ bytes: UInt64) {
    earnCredit(.bytes, local, bytes)
    if kind == .areas { earnCredit(.areas, local, 1) }
  }

  private func earnCredit(_ resource: Resource, _ local: Stable<Charges>, _ amount: UInt64) {
    let credit = local.credit(resource)
    var old = credit.value.load(ordering: .relaxed)
    while old != 0 && old & closed == 0 {
      let raised = min(old & amountMask &+ amount, 2 * resource.batch)
      let change = updating(.shared) {
        credit.value.compareExchange(
          expected: old, desired: limited | raised, ordering: .acquiringAndReleasing)
      }
      if change.exchanged { return }
      old = change.original
    }
  }

  /// Looks, under the lock, whether what is counted as allocated is within the limit, and gives this CPU
  /// credit out of what is left. O(CPUs).
  private func payFromQuota(_ resource: Resource, _ tag: Tag, _ cpu: borrowing CPU) -> Bool {
    guard contains(tag) else { return false }
    let credit = local(tag, cpu).credit(resource)
    if credit.value.load(ordering: .relaxed) == 0 { return true }
    let limit = shared(of: tag).limit(resource).value.load(ordering: .relaxed)
    var used = committed(resource, tag)
    if used > limit {
      setCredit(resource, tag, limited | closed)
      used = committed(resource, tag)
    }
    // Refused, it stays closed: frees become credit again when an allocation fits.
    guard used <= limit else { return false }
    let share = min(resource.batch, (limit &- used) / UInt64(2 &* state.value.cpus.count))
    if credit.value.load(ordering: .relaxed) & closed != 0 { setCredit(resource, tag, limited) }
    updating(.shared) {
      _ = credit.value.add(share, ordering: .acquiringAndReleasing)
    }
    return true
  }

  private func setCredit(_ resource: Resource, _ tag: Tag, _ word: UInt64) {
    for cpu in 0..<state.value.cpus.count {
      updating(.shared) {
        _ = charges(of: tag, cpu).credit(resource).value.exchange(word, ordering: .acquiringAndReleasing)
      }
    }
  }

  /// No less than what is live and what may be allocated for credit. O(CPUs).
  private func committed(_ resource: Resource, _ tag: Tag) -> UInt64 {
    var sum: UInt64 = 0
    for cpu in 0..<state.value.cpus.count { sum &-= charges(of: tag, cpu).freed(resource) }
    for cpu in 0..<state.value.cpus.count {
      sum &+= charges(of: tag, cpu).credit(resource).value.load(ordering: .acquiring) & amountMask
    }
    for cpu in 0..<state.value.cpus.count { sum &+= charges(of: tag, cpu).allocated(resource) }
    return sum
  }
}

// MARK: - Setting

extension Tags {
  /// Lets nothing be allocated for a tag that does not exist.
  func close(_ tag: Tag) {
    setCredit(.bytes, tag, limited | closed)
    setCredit(.areas, tag, limited | closed)
    setPass(tag)
  }

  /// Lets everything be allocated for a tag that comes to exist.
  func open(_ tag: Tag) {
    setCredit(.bytes, tag, 0)
    setCredit(.areas, tag, 0)
    setPass(tag)
  }

  /// Lets a tag be charged without asking where it has no quota, or not.
  func setPass(_ tag: Tag, isOpen: Bool = true) {
    let isOpen = isOpen && quota(of: tag, .bytes) == nil && quota(of: tag, .areas) == nil
    for cpu in 0..<state.value.cpus.count {
      charges(of: tag, cpu).value.pass.store(isOpen ? tag.rawValue : Self.noTag, ordering: .releasing)
    }
  }

  /// Sets or removes a quota of a tag.
  /// - Throws: `tagUnavailable`.
  func setQuota(
    _ amount: UInt64?, _ resource: Resource, for tag: Tag, _ cpu: borrowing CPU
  ) throws(MemoryError) {
    try locked(cpu) { () throws(MemoryError) in
      guard contains(tag) else { throw .tagUnavailable }
      if let amount { shared(of: tag).limit(resource).value.store(amount, ordering: .relaxed) }
      // Closed until an allocation finds that there is room.
      setCredit(resource, tag, amount == nil ? 0 : limited | closed)
      setPass(tag, isOpen: !holder(of: Int(tag.index)).isLeaving)
    }
  }

  func quota(of tag: Tag, _ resource: Resource) -> UInt64? {
    guard charges(of: tag, 0).credit(resource).value.load(ordering: .relaxed) != 0 else { return nil }
    return shared(of: tag).limit(resource).value.load(ordering: .relaxed)
  }

  /// Why a charge was refused.
  func error(_ refusal: ChargeOutcome, _ tag: Tag) -> MemoryError {
    guard contains(tag) else { return .tagUnavailable }
    let usage = usage(of: tag)
    return refusal == .overAreas
      ? .overAreaQuota(tag: tag, limit: quota(of: tag, .areas) ?? .max, used: usage.liveAreas)
      : .overQuota(tag: tag, limit: quota(of: tag, .bytes) ?? .max, used: usage.liveBytes)
  }
}

extension Stable<Tags.Charges> {
  /// The credits come last in a record, in the order of the resources.
  func credit(_ resource: Tags.Resource) -> Stable<Atomic<UInt64>> {
    let first = MemoryLayout<Tags.Charges>.stride &- 2 &* MemoryLayout<UInt64>.stride
    return Stable<Atomic<UInt64>>(bitPattern: address &+ UInt(first))[resource.rawValue]
  }

  fileprivate func allocated(_ resource: Tags.Resource) -> UInt64 {
    let areas = value.areas.allocated.load(ordering: .relaxed)
    if resource == .areas { return areas }
    return value.areas.bytesAllocated.load(ordering: .relaxed)
      &+ value.objects.bytesAllocated.load(ordering: .relaxed)
  }

  fileprivate func freed(_ resource: Tags.Resource) -> UInt64 {
    if resource == .areas { return value.areas.freed.load(ordering: .acquiring) }
    return value.areas.bytesFreed.load(ordering: .acquiring)
      &+ value.objects.bytesFreed.load(ordering: .acquiring)
  }
}

extension Stable<Tags.Shared> {
  /// The limits come first in a record, in the order of the resources.
  func limit(_ resource: Tags.Resource) -> Stable<Atomic<UInt64>> {
    Stable<Atomic<UInt64>>(bitPattern: address)[resource.rawValue]
  }
}
