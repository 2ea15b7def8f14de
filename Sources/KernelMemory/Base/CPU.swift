internal import CMachine
internal import Synchronization

// This CPU, and all of them
//
// What one CPU has for itself needs no lock, as long as nothing else runs there meanwhile: interrupts are
// off, and an NMI that finds the CPU inside is refused. `CPU` is the proof of both; every lock asks for one.
//
// Invariants:
//   - only its CPU writes a block, after `enter`; fields that others write say so;
//   - the number is read with interrupts off, so that a block is that of the CPU which runs;
//   - a CPU that has not joined finds its block closed, and comes no further.

/// This CPU, entered: interrupts are off, and this code has not interrupted the package itself, as an NMI or
/// an action of `Machine` can. It is the only way to per-CPU state and to any lock, so that neither is found
/// half changed, and no lock is waited for that the interrupted code holds. It cannot be stored, copied, or
/// taken out of `CPUs`, so no code can act on one CPU's state while it runs on another.
@safe
struct CPU: ~Copyable {
  let block: Stable<CPUBlock>

  fileprivate init(_ block: Stable<CPUBlock>) { self.block = block }

  /// Loaded from the block, so that a `CPU` takes one register. No hot path needs it.
  var number: Int { block.value.number }

  /// Adds to one of this CPU's counters.
  @inline(__always)
  borrowing func count(_ counter: Counter, _ amount: Int = 1) {
    block.value.counters.add(UInt64(truncatingIfNeeded: amount), to: counter)
  }

  /// What the rooms have for this CPU.
  @inline(__always)
  var perCPU: Stable<PerCPU> { Stable(bitPattern: block.address) }

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

/// What each CPU's records begin with. What the rooms have lies behind it (PerCPU.swift).
struct CPUBlock: ~Copyable {
  struct Locks: ~Copyable {
    let taken: Atomic<UInt64>
    let waits: Atomic<UInt64>
  }

  // Without setters: that of a stored array of atomics stops the compiler in debug builds for bare metal.
  let progress: CPUProgress
  let counters: CounterBlock
  let locks: Locks
  /// A bit for the rank of each lock that is held; in debug builds alone.
  var heldLocks: Int
  /// The number of this block's CPU.
  fileprivate(set) var number: Int
}

extension CPUBlock {
  /// Where the records of the first room may begin.
  @inline(__always)
  static var end: UInt { UInt(MemoryLayout<CPUBlock>.stride) }
}

/// All CPUs, with their counters.
@safe
struct CPUs {
  /// What all CPUs read.
  struct Shared: ~Copyable {
    /// The newest flush that was asked for, with bit 0 set: the epoch of whoever comes in now. On cache lines
    /// that are written by requests alone.
    let requested: Atomic<UInt64>
    private let padding: InlineArray<15, UInt64>
    /// The block of each CPU number. Numbers from `count` on lead to a block that is always closed.
    var directory: InlineArray<256, Stable<CPUBlock>>
  }

  let count: Int
  /// Bytes of a block and all that is behind it, in whole pairs of cache lines: CPUs fetch neighbouring lines
  /// in pairs, and some have lines of 128 bytes.
  private let stride: Int
  private let blocks: Stable<UInt8>
  private let shared: Stable<Shared>

  /// The number is masked to 8 bits, so that the directory needs no bounds check (`claim`).
  static var limit: Int { min(256, Int(cmachine_most_cpus())) }

  /// - Parameter end: where the records of the last room end.
  init(
    count: Int, recordsEnd end: UInt, carving memory: inout some Carver & ~Copyable
  ) throws(MemoryError) {
    self.count = count
    stride = Int((end &+ 127) & ~127)
    // Behind the last one, the beginning of a block that nobody enters.
    blocks = try memory.carve(count &* stride &+ MemoryLayout<CPUBlock>.stride)
    shared = try memory.carve(1)
    assert(blocks.address & 127 == 0, "the blocks of CPUs do not begin at a multiple of 128")
    requested.value.store(1, ordering: .relaxed)
    for number in 0..<Self.limit { shared.value.directory[number] = block(min(number, count)) }
    for number in 0...count {
      block(number).value.number = number
      block(number).value.progress.close()
    }
  }

  /// The newest flush that was asked for, with bit 0 set.
  var requested: Stable<Atomic<UInt64>> { Stable<Atomic<UInt64>>(bitPattern: shared.address) }

  func block(_ number: Int) -> Stable<CPUBlock> {
    Stable(bitPattern: blocks[number &* stride].address)
  }

  /// Switches interrupts off, and then reads this CPU's number: before, the caller may be moved to another
  /// CPU.
  @inline(__always)
  private func claim() -> (interrupts: UInt, block: Stable<CPUBlock>) {
    #if Ablations
    let early = cmachine_cpu_number()
    #endif
    let interrupts = cmachine_interrupts_disable()
    #if Ablations
    let read = Ablation.earlyCPUNumber.isOn ? early : cmachine_cpu_number()
    #else
    let read = cmachine_cpu_number()
    #endif
    // A CPU that has joined has a number below 256: `joinCPU` stops the machine at any other.
    assert(read < UInt(Self.limit), "a CPU has a number above every one that there is")
    return (interrupts, shared.value.directory[Int(truncatingIfNeeded: read & 0xff)])
  }

  /// Runs `body` on this CPU with interrupts off.
  /// - Throws: `wrongContext` in an NMI that has interrupted this package, and on a CPU that has not joined.
  @inline(__always)
  func enter<Result: ~Copyable>(
    _ body: (borrowing CPU) throws(MemoryError) -> Result
  ) throws(MemoryError) -> Result {
    let (interrupts, block) = claim()
    defer { cmachine_interrupts_restore(interrupts) }
    guard !block.value.progress.isClosed else { throw .wrongContext }
    block.value.progress.enter(shared.value.requested.load(ordering: .relaxed))
    defer { block.value.progress.exit() }
    return try body(CPU(block))
  }

  /// Runs `body`, a hot path, on this CPU with interrupts off; returns `fallback` where `enter` would throw.
  @inline(__always)
  func attempt<Result>(orElse fallback: Result, _ body: (borrowing CPU) -> Result) -> Result {
    let (interrupts, block) = claim()
    defer { cmachine_interrupts_restore(interrupts) }
    guard !block.value.progress.isClosed else { return fallback }
    assert(block.value.progress.isOnline, "a CPU came in that has not joined")
    #if DEBUG
    assert(block.value.heldLocks == 0, "a CPU came in that holds a lock")
    #endif
    block.value.progress.enter(shared.value.requested.load(ordering: .relaxed))
    defer { block.value.progress.exit() }
    return body(CPU(block))
  }

  /// Runs `body` with interrupts off, in any context, an NMI inside this package included: so it gets no CPU,
  /// and can take no lock. No flush of this CPU is confirmed meanwhile, not even by an NMI's `serveFlushes`,
  /// so that nothing that it walks through is freed. On a CPU that nobody waits for the result is
  /// `fallback`.
  @inline(__always)
  func asReader<Result>(orElse fallback: Result, _ body: () -> Result) -> Result {
    let (interrupts, block) = claim()
    defer { cmachine_interrupts_restore(interrupts) }
    #if Ablations
    if Ablation.unmarkedLookups.isOn { return body() }
    #endif
    guard let epoch = block.value.progress.beginLookup() else { return fallback }
    defer { block.value.progress.endLookup(epoch) }
    fenceLookup()
    return body()
  }

  /// Adds to one of this CPU's counters, in any context.
  func count(_ counter: Counter) {
    let (interrupts, block) = claim()
    defer { cmachine_interrupts_restore(interrupts) }
    block.value.counters.add(1, to: counter)
  }

  /// Runs `body`, which opens or closes this CPU's block, with interrupts off.
  /// - Returns: nil where the CPU has no block: its number is not below `count`.
  func withOwnBlock<Result>(_ body: (borrowing CPU) -> Result) -> Result? {
    let interrupts = cmachine_interrupts_disable()
    defer { cmachine_interrupts_restore(interrupts) }
    let number = cmachine_cpu_number()
    guard number < UInt(count) else { return nil }
    return body(CPU(block(Int(number))))
  }

  /// What the rooms have for a CPU.
  func perCPU(_ number: Int) -> Stable<PerCPU> { Stable(bitPattern: block(number).address) }

  /// The sum of all CPUs' counters. O(CPUs).
  var snapshot: Counters {
    var sum = Counters()
    for number in 0...count { block(number).value.counters.add(to: &sum) }
    return sum
  }

  /// What all CPUs have done with locks. O(CPUs).
  var locks: LockUsage {
    var sum = LockUsage()
    for number in 0..<count {
      sum.taken &+= block(number).value.locks.taken.load(ordering: .relaxed)
      sum.waits &+= block(number).value.locks.waits.load(ordering: .relaxed)
    }
    return sum
  }

  /// Whether this CPU may wait for others: not with interrupts off, when it could not serve them.
  var mayWait: Bool { cmachine_interrupts_are_enabled() }
}
