internal import CMachine
internal import Synchronization

// Quarantine: what is cleared and waits
//
// What page tables no longer say is not free yet: CPUs may still translate through it, or be in the middle of
// a walk through it. It passes these stages, on the CPU that has freed it:
//
//     open      it comes in: what an unmap has detached, ranges of addresses, emptied tables and nodes of the
//               index, slabs; and suspended areas, which have all but the present bits of their entries
//     sealed    the flush of all that has been requested. In strict mode the open batch may join it, and both
//               wait for the later request
//     flushed   the request is complete. What is in it is freed bit by bit: frames, tables, addresses. The
//               suspended areas are taken out by whoever put them in, to be used again
//
// The order is a matter of types. What the page tables give up goes into a `RetiredBatch`. A `FlushedBatch`
// takes one in for a `FlushToken`, and only the shootdown makes that, for a request that is complete. The
// token carries the number of its request: it serves for a batch only if the request was made after the batch
// was last added to.
//
// Nothing here waits for another CPU: the façade does (`MemoryManager+CPUs`).

@safe
struct Quarantine {
  struct State: ~Copyable {
    let frames: Frames
    let tables: PageTables
    let arenas: ArenaTable
    let pool: DescriptorPool
    let shootdown: Shootdown
    /// Pages, guards included, that all CPUs together may have freed and not flushed.
    let bound: UInt64
    /// What of it each CPU has for good.
    let share: UInt64
    /// What of it no CPU has.
    let spare: Atomic<UInt64>
    /// The newest drain: every CPU is asked to give back what it keeps.
    let drainEpoch = Atomic<UInt64>(0)
  }

  /// What one CPU has, besides its batches.
  struct PerCPU: ~Copyable {
    /// Pages of freed areas, guards included, whose entries are to be cleared yet: they count against the
    /// bound as what is open does.
    var queuedPages: UInt64
    /// Pages, guards included, that this CPU may have freed and not flushed.
    var limit: UInt64
    /// The request that the sealed batch waits for; zero where there is no sealed batch.
    var awaited: UInt64
    /// The sealed batch's pages.
    var awaitedPages: UInt64
    /// Tables that have lost their last pin, and are not quarantined yet.
    var emptied: FrameList
  }

  let state: Stable<State>

  /// The bound is Linux's for freed pages of 4 KiB that are not flushed, 8,192 times the bit length of the
  /// number of CPUs (Quarantine+Bound.swift); of larger pages as many bytes.
  init(
    _ machine: Stable<Machine>, _ frames: Frames, _ tables: PageTables, _ arenas: ArenaTable,
    carving memory: inout some Carver & ~Copyable
  ) throws(MemoryError) {
    state = try memory.carve(1)
    let cpus = frames.cpus
    let perBit = PageCount(bytes: 32 << 20, frames.table.pageSize).rawValue
    let bound = perBit &* UInt64(Int.bitWidth - cpus.count.leadingZeroBitCount)
    let share = cpus.count == 1 ? bound : bound / UInt64(2 &* cpus.count)
    unsafe state.pointer.initialize(
      to: State(
        frames: frames, tables: tables, arenas: arenas, pool: arenas.pool,
        shootdown: try Shootdown(machine, cpus, carving: &memory), bound: bound, share: share,
        spare: Atomic(bound &- share &* UInt64(cpus.count))))
    for cpu in 0..<cpus.count {
      cpus.perCPU(cpu).quarantine.value.limit = share
      unsafe cpus.perCPU(cpu).records(Self.open).pointer.initialize(to: RetiredBatch())
      unsafe cpus.perCPU(cpu).records(Self.sealed).pointer.initialize(to: RetiredBatch())
      unsafe cpus.perCPU(cpu).records(Self.flushed).pointer.initialize(to: FlushedBatch())
    }
  }

  var frames: Frames { state.value.frames }
  var tables: PageTables { state.value.tables }
  var arenas: ArenaTable { state.value.arenas }
  var pool: DescriptorPool { state.value.pool }
  @inline(__always)
  var shootdown: Shootdown { state.value.shootdown }
}

// MARK: - Per CPU

extension Quarantine {
  @inline(__always)
  static var place: PerCPUPlace<PerCPU> { PerCPUPlace(behind: AreaHints.place.end) }
  @inline(__always)
  static var open: PerCPUPlace<RetiredBatch> { PerCPUPlace(behind: place.end) }
  @inline(__always)
  static var sealed: PerCPUPlace<RetiredBatch> { PerCPUPlace(behind: open.end) }
  @inline(__always)
  static var flushed: PerCPUPlace<FlushedBatch> { PerCPUPlace(behind: sealed.end) }
  /// One of each kind.
  @inline(__always)
  static var suspended: PerCPUPlace<SuspendedAreas> {
    PerCPUPlace(behind: flushed.end, count: AreaKind.count)
  }

  @inline(__always)
  func openBatch(_ cpu: borrowing CPU) -> Stable<RetiredBatch> { cpu.perCPU.records(Self.open) }
  func sealedBatch(_ cpu: borrowing CPU) -> Stable<RetiredBatch> { cpu.perCPU.records(Self.sealed) }
  func flushedBatch(_ cpu: borrowing CPU) -> Stable<FlushedBatch> { cpu.perCPU.records(Self.flushed) }
}

extension Stable<PerCPU> {
  @inline(__always)
  var quarantine: Stable<Quarantine.PerCPU> { records(Quarantine.place) }

  @inline(__always)
  func suspended(_ kind: AreaKind) -> Stable<SuspendedAreas> {
    records(Quarantine.suspended)[kind.rawValue]
  }
}

// MARK: - Usage

extension Quarantine {
  /// Whether there is more to do on this CPU.
  func hasWork(_ cpu: borrowing CPU) -> Bool {
    let own = cpu.perCPU.quarantine
    return own.value.awaited != 0 || own.value.emptied.count > 0
      || !openBatch(cpu).value.isEmpty || !flushedBatch(cpu).value.held.isEmpty
  }

  /// What waits on this CPU, but for the frames of areas that keep theirs. O(CPUs).
  func retained(_ cpu: borrowing CPU) -> RetainedMemory {
    let (own, open) = (cpu.perCPU.quarantine, openBatch(cpu))
    let isFlushed = own.value.awaited == 0 || shootdown.isComplete(own.value.awaited)
    let closedPages = isFlushed ? 0 : own.value.awaitedPages
    let frames =
      open.value.held.frameCount &+ sealedBatch(cpu).value.held.frameCount
      &+ flushedBatch(cpu).value.held.frameCount
    return RetainedMemory(
      unflushed: PageCount(open.value.pages &+ own.value.queuedPages &+ closedPages),
      frames: PageCount(UInt64(frames)), cached: .zero)
  }

  /// The frames in all batches, for a check while nothing runs.
  var retiredFrames: Int {
    var count = 0
    for cpu in 0..<frames.cpus.count {
      let perCPU = frames.cpus.perCPU(cpu)
      count &+= perCPU.records(Self.open).value.held.frames.count
      count &+= perCPU.records(Self.sealed).value.held.frames.count
      count &+= perCPU.records(Self.flushed).value.held.frames.count
    }
    return count
  }
}
