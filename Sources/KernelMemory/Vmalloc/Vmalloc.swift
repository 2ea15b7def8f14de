internal import CMachine
internal import Synchronization

// Vmalloc: areas for callers
//
//     vmalloc
//       1 check size, alignment, tag; charge
//       2 pop an area of this kind that is still mapped (warm), or that is asleep: make its entries present
//         again; go on at 5
//       3 make one: a range with its guard; frames; pinned tables; of small ones, four neighbours, of which
//         three fall asleep
//       4 write entries: cannot fail
//       5 publish the descriptor
//
//     vfree
//       1 address to descriptor; one compare-and-swap ends the allocation, and decides wrong and second frees
//       2 fits the warm cache? push it there, done
//       3 small, or of large leaves alone? make its entries absent: it keeps the rest, and is asleep when a
//         flush is complete; done
//       4 clear the entries: `Detached`, which Quarantine takes, and the range
//       5 a completed flush frees all of it
//
// Step 3 of vmalloc can fail, and undoes what it did; nothing after it can. `pop` and `push` (Vmalloc+Pairs)
// are steps 1, 2 and 5 of vmalloc and steps 1 to 3 of vfree, in straight lines, for a pair that stays on this
// CPU; `allocate` and `free` take over where something else is due. `vmap` goes the same ways: its areas have
// the state `borrowing`, and the frames are their callers'.
//
// A freed area is, until it is handed out again or taken apart:
//
//     warm       still mapped, in this CPU's warm cache; a request of the same kind takes it out again
//     suspended  small, or of large leaves alone: its entries are absent, and it waits for a flush in
//                quarantine, with all that it has
//     asleep     the same after the flush, in this CPU's cache: a request of the same kind has its entries
//                present again
//     queued     what may not sleep and is too much for a free to clear: purge steps clear it by budget
//     cleared    its frames, tables and addresses are in quarantine, each for itself
//
// The state of a warm area is `cached`, that of the others `retired`, and `unpinned` once their tables are
// let go of.
//
// What has been in a cache too long, or what somebody needs the memory of, is cleared (Vmalloc+Reap).

@safe
struct Vmalloc {
  struct State: ~Copyable {
    let mode: FreeMode
    let pageSize: PageSize
    let cpus: CPUs
    let machine: Stable<Machine>
    let tags: Tags
    let frames: Frames
    let tables: PageTables
    let arenas: ArenaTable
    let pool: DescriptorPool
    let quarantine: Quarantine
    /// What areas are like when nothing else is said.
    let defaultTraits: AreaTraits
    /// The number of the area that an NMI has dropped last; zero for none.
    let dropped = Atomic<UInt32>(0)
  }

  /// What one CPU has, besides its caches.
  struct PerCPU: ~Copyable {
    /// Freed areas whose entries purge steps clear.
    var queued: AreaList
  }

  let state: Stable<State>

  /// Pages that one CPU's warm cache holds: 1 MiB.
  var warmCapacity: UInt64 { PageCount(bytes: 1 << 20, pageSize).rawValue }

  init(_ state: Stable<State>) { self.state = state }

  /// Starts, in cleared memory.
  func start(
    _ mode: FreeMode, _ machine: Stable<Machine>, _ tags: Tags,
    _ quarantine: Quarantine, _ defaultTraits: AreaTraits
  ) {
    let frames = quarantine.frames
    unsafe state.pointer.initialize(
      to: State(
        mode: mode, pageSize: frames.table.pageSize, cpus: frames.cpus, machine: machine, tags: tags,
        frames: frames, tables: quarantine.tables, arenas: quarantine.arenas, pool: quarantine.pool,
        quarantine: quarantine, defaultTraits: defaultTraits))
    for cpu in 0..<cpus.count { beginCaches(cpus.perCPU(cpu)) }
  }

  /// Room to sleep for what may be behind flushes: in each kind's cache, all that a CPU may borrow, up to
  /// twice its even part, so that all CPUs together have at most twice the bound asleep of each kind. With
  /// less, areas that the bound lets be freed are taken apart and made anew at each turn.
  private func beginCaches(_ perCPU: Stable<KernelMemory.PerCPU>) {
    if mode == .warm { perCPU.warm.value.begin(capacity: warmCapacity) }
    guard mode != .strict else { return }
    let (bound, share) = (quarantine.state.value.bound, quarantine.state.value.share)
    let part = min(bound &- share &* UInt64(cpus.count &- 1), 2 &* bound / UInt64(cpus.count))
    perCPU.asleep(.owning).value.begin(capacity: part)
    perCPU.asleep(.large).value.begin(capacity: part &>> UInt64(truncatingIfNeeded: tables.areaLeafOrder))
    perCPU.asleep(.borrowing).value.begin(capacity: part)
  }

  var mode: FreeMode { state.value.mode }
  var cpus: CPUs { state.value.cpus }
  @inline(__always)
  var pageSize: PageSize { state.value.pageSize }
  var machine: Stable<Machine> { state.value.machine }
  @inline(__always)
  var tags: Tags { state.value.tags }
  var frames: Frames { state.value.frames }
  @inline(__always)
  var tables: PageTables { state.value.tables }
  var arenas: ArenaTable { state.value.arenas }
  var pool: DescriptorPool { state.value.pool }
  @inline(__always)
  var quarantine: Quarantine { state.value.quarantine }

  /// The bytes of `pages` pages.
  @inline(__always)
  func bytes(_ pages: UInt64) -> UInt64 { pages &<< UInt64(pageSize.shift) }
}

// MARK: - Per CPU

extension Vmalloc {
  @inline(__always)
  static var place: PerCPUPlace<PerCPU> { PerCPUPlace(behind: Slab.slots.end) }
  /// The warm cache, and one of areas of each kind that are asleep.
  @inline(__always)
  static var caches: PerCPUPlace<AreaCache> { PerCPUPlace(behind: place.end, count: 1 &+ AreaKind.count) }
}

extension Stable<PerCPU> {
  @inline(__always)
  var vmalloc: Stable<Vmalloc.PerCPU> { records(Vmalloc.place) }
  @inline(__always)
  var warm: Stable<AreaCache> { records(Vmalloc.caches) }
  @inline(__always)
  func asleep(_ kind: AreaKind) -> Stable<AreaCache> { records(Vmalloc.caches)[1 &+ kind.rawValue] }
}

// MARK: - Usage

extension Vmalloc {
  /// Whether there is more to do on this CPU, the caches aside.
  func hasWork(_ cpu: borrowing CPU) -> Bool {
    cpu.perCPU.vmalloc.value.queued.count > 0 || quarantine.hasWork(cpu)
  }

  /// Whether nothing waits on this CPU, and its caches are empty.
  func isEmpty(_ cpu: borrowing CPU) -> Bool {
    for cache in 0...AreaKind.count where cpu.perCPU.records(Self.caches)[cache].value.pages > 0 {
      return false
    }
    return !hasWork(cpu)
  }

  /// What this CPU keeps. O(CPUs + areas that are queued).
  func retained(_ cpu: borrowing CPU) -> RetainedMemory {
    var retained = quarantine.retained(cpu)
    var frames = cpu.perCPU.asleep(.owning).value.pages
    frames &+= cpu.perCPU.asleep(.large).value.pages &<< UInt64(truncatingIfNeeded: tables.areaLeafOrder)
    cpu.perCPU.vmalloc.value.queued.forEach(pool) { area in
      frames &+= pool[area].value.pageCount &- min(pool[area].value.progress, pool[area].value.pageCount)
    }
    retained.frames = PageCount(retained.frames.rawValue &+ frames)
    retained.cached = PageCount(cpu.perCPU.warm.value.pages)
    return retained
  }
}
