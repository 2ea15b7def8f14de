internal import Synchronization

// Reclaim: what is on its way back
//
// A freed area passes three stages: its entries are cleared; a flush makes every CPU forget them; its
// frames, tables and addresses are free. The order is a matter of types. What the page tables give up,
// and the address range, go into this CPU's open `RetiredBatch`. A batch gives up its contents only to
// `complete`, which consumes a `FlushToken`, and only `flush` makes one, after the machine has said
// that all CPUs are done. The token carries the number of its flush: it completes a batch only if that
// flush began after the batch was last added to.
//
// In strict mode the batch is taken, flushed and completed at each free.

/// Says that a flush has finished. Made nowhere but in this file.
struct FlushToken: ~Copyable {
  fileprivate let generation: UInt64
}

@safe
struct Reclaim {
  struct State: ~Copyable {
    let machine: Stable<Machine>
    let frames: Frames
    let areas: AreasTable
    /// One open batch a CPU.
    let open: Stable<RetiredBatch>
    /// Flushes that have begun.
    let generation = Atomic<UInt64>(0)
  }

  private let state: Stable<State>
  private var machine: Stable<Machine> { state.value.machine }
  private var frames: Frames { state.value.frames }
  private var areas: AreasTable { state.value.areas }

  init(
    machine: Stable<Machine>, frames: Frames, areas: AreasTable, cpuCount: Int, state: Stable<State>,
    open: Stable<RetiredBatch>
  ) {
    self.state = state
    unsafe state.pointer.initialize(
      to: State(machine: machine, frames: frames, areas: areas, open: open))
    for cpu in 0..<cpuCount { unsafe open[cpu].pointer.initialize(to: RetiredBatch()) }
  }

  /// Adds what an unmap of `pages` has detached, and the area that had them, if one did, to this CPU's
  /// open batch. Never waits, allocates nothing. O(1).
  func retire(_ detached: consuming Detached, _ pages: PageRange, area: UInt32?, _ cpu: borrowing CPU) {
    let batch = state.value.open[cpu.number]
    batch.value.frames.prepend(detached.frames, frames.table)
    batch.value.tables.prepend(detached.tables, frames.table)
    if let area { batch.value.areas.push(area, areas.pool) }
    batch.value.ranges.add(
      pages, frames.table.pageSize, threshold: machine.value.fullFlushThreshold)
    batch.value.generation = state.value.generation.load(ordering: .acquiring)
  }

  /// Flushes and completes this CPU's open batch.
  func drain(_ cpu: borrowing CPU) {
    let open = state.value.open[cpu.number]
    guard !open.value.isEmpty else { return }
    var batch = RetiredBatch()
    swap(&batch, &open.value)
    let token = flush(batch.ranges, cpu)
    complete(batch, token, cpu)
  }

  /// Makes every CPU forget what it knows of `ranges`.
  private func flush(_ ranges: FlushRanges, _ cpu: borrowing CPU) -> FlushToken {
    let generation = state.value.generation.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue
    cpu.count(ranges.flush(machine.value))
    return FlushToken(generation: generation)
  }

  /// Frees what a batch holds, by the token of a flush that began after the batch was closed.
  private func complete(
    _ batch: consuming RetiredBatch, _ token: consuming FlushToken, _ cpu: borrowing CPU
  ) {
    if token.generation <= batch.generation {
      machine.value.fail("a batch was completed by a flush that began before it was closed")
    }
    frames.free(batch.frames, cpu)
    cpu.count(.tablesReturned, batch.tables.count)
    frames.free(batch.tables, cpu)
    var retired = batch.areas
    while let area = retired.pop(areas.pool) {
      areas[AreasID(index: areas.pool[area].value.instance)].release(area)
    }
    retired.end()
  }
}
