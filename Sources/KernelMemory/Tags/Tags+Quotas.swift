internal import Synchronization

// Quotas
//
// A quota bounds the bytes that a tag has live, over all CPUs. Each CPU has credit: bytes that it may allocate
// without asking, to which it adds what it frees, so that the usual pair stays on words of its own CPU. At any
// moment
//
//     allocated - freed + the credit of all CPUs <= limit
//
// and nobody keeps what is left: a CPU whose credit does not suffice adds up all the others' words under the
// tag lock, and gives itself credit out of the difference. Where that does not suffice it takes the credit of
// all CPUs first, which takes one atomic operation on each word and no waiting. So usage never passes the
// limit; and without others that allocate or free at the same moment, what is refused does not fit.
//
// The sum is taken while others go on, so it may be too large, but must not be too small. It reads what is
// freed, then credit, then what is allocated. An allocation counts itself before it spends its credit, and a
// free adds to the credit before it counts itself: each is seen twice or once, never not at all.
//
// The credit word is zero where there is no quota: the one load and branch that everybody pays. A tag that does
// not exist has it closed, so that nobody who finds it zero need look at the tag. While more is
// live than the limit, which was lowered, frees give no credit ("closed"), until the sum is below it again.
// What was under way without a quota when one is set is not checked: at most one allocation a CPU.

/// The bits of a credit word above the bytes.
private let limited: UInt64 = 1 << 63
private let closed: UInt64 = 1 << 62
private let bytesMask = closed - 1

extension Tags {
  /// Bytes of credit that a CPU takes at once. What it frees may add up to twice as much: the largest area that
  /// is kept warm, freed and allocated in turn, needs no more.
  static let creditBatch: UInt64 = 256 << 10

  /// Pays for bytes that are counted as allocated.
  /// - Returns: false where the quota refuses them; they are not counted then.
  @inline(never)
  func spend(_ kind: Kind, _ tag: Tag, _ bytes: UInt64, _ cpu: borrowing CPU) -> Bool {
    let credit = mine(tag, cpu)
    var old = credit.value.credit.load(ordering: .relaxed)
    while old & bytesMask >= bytes {
      let change = updating(.shared) {
        credit.value.credit.compareExchange(
          expected: old, desired: old &- bytes, ordering: .acquiringAndReleasing)
      }
      if change.exchanged { return true }
      old = change.original
    }
    if old == 0 { return true }
    return state.value.lock.value.with(.tags, cpu) {
      if payFromQuota(tag, cpu) { return true }
      // Still under the lock, so that who waits for it does not find this counted.
      undo(kind, tag, bytes, cpu)
      return false
    }
  }

  /// Counts bytes as freed, and makes credit of them.
  @inline(never)
  func earn(_ kind: Kind, _ tag: Tag, _ bytes: UInt64, _ cpu: borrowing CPU) {
    let mine = mine(tag, cpu)
    var old = mine.value.credit.load(ordering: .relaxed)
    while old != 0 && old & closed == 0 {
      let kept = min(old & bytesMask &+ bytes, 2 * Self.creditBatch)
      let change = updating(.shared) {
        mine.value.credit.compareExchange(
          expected: old, desired: limited | kept, ordering: .acquiringAndReleasing)
      }
      if change.exchanged { break }
      old = change.original
    }
    mine[kind].freed.bump(1)
    mine.value.showMore(bytes)
    let freed = mine[kind].bytesFreed.load(ordering: .relaxed)
    mine[kind].bytesFreed.store(freed &+ bytes, ordering: .releasing)
  }

  /// Looks, under the lock, whether what is counted as allocated is within the limit, and gives this CPU credit
  /// out of what is left. O(CPUs).
  private func payFromQuota(_ tag: Tag, _ cpu: borrowing CPU) -> Bool {
    let mine = mine(tag, cpu)
    if mine.value.credit.load(ordering: .relaxed) == 0 { return true }
    let limit = shared(of: tag).value.limit.load(ordering: .relaxed)
    var used = committed(tag)
    if used > limit {
      setCredit(tag, limited | closed)
      used = committed(tag)
    }
    // Refused, it stays closed: frees become credit again when an allocation fits.
    guard used <= limit else { return false }
    let share = min(Self.creditBatch, (limit &- used) / UInt64(2 &* state.value.cpus.count))
    if mine.value.credit.load(ordering: .relaxed) & closed != 0 { setCredit(tag, limited) }
    updating(.shared) {
      _ = mine.value.credit.add(share, ordering: .acquiringAndReleasing)
    }
    return true
  }

  /// Lets nothing be allocated for a tag without asking: one that does not exist.
  func close(_ tag: Tag, _ cpu: Int) {
    charges(of: tag, cpu).value.credit.store(limited | closed, ordering: .relaxed)
  }

  func setCredit(_ tag: Tag, _ word: UInt64) {
    for cpu in 0..<state.value.cpus.count {
      updating(.shared) {
        _ = charges(of: tag, cpu).value.credit.exchange(word, ordering: .acquiringAndReleasing)
      }
    }
  }

  /// No less than what is live and what may be allocated for credit. O(CPUs).
  private func committed(_ tag: Tag) -> UInt64 {
    var sum: UInt64 = 0
    for cpu in 0..<state.value.cpus.count {
      sum &-= charges(of: tag, cpu).value.objects.bytesFreed.load(ordering: .acquiring)
      sum &-= charges(of: tag, cpu).value.areas.bytesFreed.load(ordering: .acquiring)
    }
    for cpu in 0..<state.value.cpus.count {
      sum &+= charges(of: tag, cpu).value.credit.load(ordering: .acquiring) & bytesMask
    }
    for cpu in 0..<state.value.cpus.count {
      sum &+= charges(of: tag, cpu).value.objects.bytesAllocated.load(ordering: .relaxed)
      sum &+= charges(of: tag, cpu).value.areas.bytesAllocated.load(ordering: .relaxed)
    }
    return sum
  }

  /// Sets or removes the quota of a tag.
  func setQuota(_ bytes: UInt64?, for tag: Tag, _ cpu: borrowing CPU) {
    state.value.lock.value.with(.tags, cpu) {
      guard let bytes else { return setCredit(tag, 0) }
      shared(of: tag).value.limit.store(bytes, ordering: .relaxed)
      // Closed until an allocation finds that there is room.
      setCredit(tag, limited | closed)
    }
  }

  func quota(of tag: Tag) -> UInt64? {
    guard charges(of: tag, 0).value.credit.load(ordering: .relaxed) != 0 else { return nil }
    return shared(of: tag).value.limit.load(ordering: .relaxed)
  }

  func overQuota(_ tag: Tag) -> MemoryError {
    .overQuota(tag: tag, limit: quota(of: tag) ?? .max, used: usage(of: tag).liveBytes)
  }
}

extension MemoryManager {
  /// Bounds the bytes that a tag has live: kmalloc's in sizes of classes and blocks, vmalloc's in whole pages.
  /// What does not fit is refused with `overQuota`; memory that is freed, parked for the next request included,
  /// is charged to nobody.
  ///
  /// Exact in one direction: usage never passes the quota, but for one allocation a CPU that is under way without
  /// a quota when the first is set. It may refuse what would fit while other CPUs allocate or free for the same
  /// tag at the same moment: each of theirs may count twice then. Credit that CPUs keep, up to 512 KiB each, is
  /// taken back before anything is refused, without waiting. A reallocation that copies is charged for both while
  /// both are there. O(CPUs).
  /// - Parameters:
  ///   - bytes: the quota; nil for none. One below what is live is legal: all is refused until use falls.
  ///   - tag: whose.
  /// - Throws: `tagsExhausted` for a tag that does not exist; `wrongContext`.
  public func setQuota(_ bytes: UInt64?, for tag: Tag) throws(MemoryError) {
    try cpus.enter { (cpu) throws(MemoryError) in
      guard tags.contains(tag) else { throw .tagsExhausted(limit: tags.count) }
      tags.setQuota(bytes, for: tag, cpu)
    }
  }

  /// The quota of a tag in bytes; nil where it has none.
  public func quota(of tag: Tag) -> UInt64? { tags.contains(tag) ? tags.quota(of: tag) : nil }
}
