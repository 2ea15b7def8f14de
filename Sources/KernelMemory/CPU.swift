internal import CMachine
internal import Synchronization

/// This CPU, while interrupts are off: the only way to per-CPU state. It cannot be stored, copied,
/// or taken out of `CPUs.with`, so no code can act on one CPU's state while it runs on another.
@safe
struct CPU: ~Copyable {
  let number: Int
  /// Whether this code has interrupted the package itself, as only an NMI, or an action of `Machine`, can:
  /// what it would change may be half changed.
  let isNested: Bool
  private let block: Stable<CPUBlock>

  fileprivate init(number: Int, isNested: Bool, block: Stable<CPUBlock>) {
    self.number = number
    self.isNested = isNested
    self.block = block
  }

  /// Adds to one of this CPU's counters.
  @inline(__always)
  borrowing func count(_ counter: Counter, _ amount: Int = 1) {
    block.value.counters.add(UInt64(truncatingIfNeeded: amount), to: counter)
  }

  /// What the rooms have for this CPU.
  @inline(__always)
  var rooms: Stable<CPURooms> { Stable(bitPattern: block.address) }

  @inline(__always)
  borrowing func countLock() { block.value.locks.taken.bump(1) }
  borrowing func countLockWait() { block.value.locks.waits.bump(1) }

  /// Notes that a lock was taken, in debug builds, where the order is asserted.
  @inline(__always)
  borrowing func hold(_ rank: LockRank) {
    #if DEBUG
    let bit = 1 << rank.rawValue
    precondition(block.value.heldLocks < bit, "a lock was taken out of order")
    block.value.heldLocks |= bit
    #endif
  }

  @inline(__always)
  borrowing func release(_ rank: LockRank) {
    #if DEBUG
    block.value.heldLocks &= ~(1 << rank.rawValue)
    #endif
  }
}

/// Where the rooms' records of one CPU are: for each room the first of an array, so that it is one load away.
struct CPURooms {
  /// Of each zone.
  var frames: Stable<FrameCache>
  /// Of each zone and order.
  var blocks: Stable<FrameCache>
  /// Those of the highest zone that there is, by order.
  var usual: InlineArray<5, Stable<FrameCache>>
  /// What a single frame of that zone is that nobody has.
  var usualIdle: FrameState
  /// A copy, so that it is near.
  var table: FrameTable
  var reclaim: Stable<Reclaim.Slot>
  var open: Stable<RetiredBatch>
  var flushed: Stable<FlushedBatch>
  var hints: Stable<AreaHints>
}

/// What the core keeps for each CPU.
struct CPUBlock: ~Copyable {
  /// First, so that a block's address is theirs.
  var rooms: CPURooms
  struct Locks: ~Copyable {
    let taken: Atomic<UInt64>
    let waits: Atomic<UInt64>
  }

  var counters: CounterBlock
  var locks: Locks
  /// Whether this CPU is in `with`.
  var isInside: Bool
  /// A bit for the rank of each lock that is held; in debug builds alone.
  var heldLocks: Int
}

// What each pair of kmalloc touches lies behind the block itself, at distances that are known when this is
// compiled, so that it is no load away.
extension CPUBlock {
  /// Behind the block, on a cache line of its own: the magazine of each cache.
  fileprivate static var magazines: UInt { (UInt(MemoryLayout<CPUBlock>.stride) &+ 63) & ~63 }
  /// Behind those: the charges to each tag, and one more record, so that every byte is an index.
  fileprivate static var charges: UInt {
    magazines &+ UInt(Slab.capacity &* MemoryLayout<Magazine>.stride)
  }
  /// Of a block and all that is behind it, in whole cache lines.
  static var byteCount: Int {
    let end = Int(charges) &+ (Tags.capacity &+ 1) &* MemoryLayout<Tags.Charges>.stride
    return (end &+ 63) & ~63
  }
}

extension Stable<CPURooms> {
  /// Of each cache.
  @inline(__always)
  var magazines: Stable<Magazine> { Stable<Magazine>(bitPattern: address &+ CPUBlock.magazines) }

  /// Of each tag.
  @inline(__always)
  var charges: Stable<Tags.Charges> { Stable<Tags.Charges>(bitPattern: address &+ CPUBlock.charges) }
}

/// All CPUs, with their counters.
@safe
struct CPUs {
  let count: Int
  /// Where the block of each CPU is.
  private let blocks: Stable<Stable<CPUBlock>>

  /// `memory` is cleared memory, `CPUBlock.byteCount` a CPU.
  init(count: Int, memory: Stable<UInt8>, directory: Stable<Stable<CPUBlock>>) {
    self.count = count
    self.blocks = directory
    for number in 0..<count {
      directory[number].value = Stable(bitPattern: memory[number &* CPUBlock.byteCount].address)
    }
  }

  /// Runs `body` on this CPU with interrupts off.
  @inline(__always)
  func with<Result: ~Copyable, Failure: Error>(
    _ body: (borrowing CPU) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let interrupts = cmachine_interrupts_disable()
    defer { cmachine_interrupts_restore(interrupts) }
    let number = Int(truncatingIfNeeded: cmachine_cpu_number())
    precondition(number < count, "the CPU number is not below Machine.cpuCount")
    let block = blocks[number].value
    let wasInside = block.value.isInside
    block.value.isInside = true
    defer { block.value.isInside = wasInside }
    return try body(CPU(number: number, isNested: wasInside, block: block))
  }

  /// As `with`, for what changes more than counters.
  /// - Throws: `wrongContext` in an NMI that has interrupted this package.
  @inline(__always)
  func enter<Result: ~Copyable>(
    _ body: (borrowing CPU) throws(MemoryError) -> Result
  ) throws(MemoryError) -> Result {
    try with { (cpu) throws(MemoryError) in
      guard !cpu.isNested else { throw .wrongContext }
      return try body(cpu)
    }
  }

  /// Runs `body`, the shortest way to what is usual, on this CPU. In an NMI that has interrupted this package
  /// the result is `otherwise`, as where `body` finds that another way must be taken.
  @inline(__always)
  func attempt<Result>(otherwise: Result, _ body: (borrowing CPU) -> Result) -> Result {
    let interrupts = cmachine_interrupts_disable()
    defer { cmachine_interrupts_restore(interrupts) }
    let number = Int(truncatingIfNeeded: cmachine_cpu_number())
    guard number < count else { return otherwise }
    let block = blocks[number].value
    guard !block.value.isInside else { return otherwise }
    block.value.isInside = true
    defer { block.value.isInside = false }
    return body(CPU(number: number, isNested: false, block: block))
  }

  /// Where the rooms' records of a CPU are.
  func rooms(_ number: Int) -> Stable<CPURooms> { Stable(bitPattern: blocks[number].value.address) }

  /// The sum of all CPUs' counters. O(CPUs).
  var snapshot: Counters {
    var sum = Counters()
    for number in 0..<count { blocks[number].value.value.counters.add(to: &sum) }
    return sum
  }

  /// What all CPUs have done with locks. O(CPUs).
  var locks: LockUsage {
    var sum = LockUsage()
    for number in 0..<count {
      sum.taken &+= blocks[number].value.value.locks.taken.load(ordering: .relaxed)
      sum.waits &+= blocks[number].value.value.locks.waits.load(ordering: .relaxed)
    }
    return sum
  }

  /// Whether this CPU may wait for others: not with interrupts off, when it could not serve them.
  var mayWait: Bool { cmachine_interrupts_are_enabled() }
}
