internal import CMachine

// The façade: ties the rooms together
//
// A manager is one pointer to a control block in memory that it took from the map itself; copies are the same
// manager, and many can exist in one process. Its methods are legal in any context, unless they say
// otherwise; those that may wait for other CPUs do it with interrupts on alone, and then no lock may be held
// that a CPU with interrupts off spins for. They switch interrupts off where they touch what a CPU shares
// with itself. An NMI cannot be masked: one that comes in the middle of the package is refused
// (`wrongContext`), with nothing changed, by what changes something and by what takes a lock to answer. It
// may ask what is answered without one: `area(containing:)`, `frame(at:)`, `counters`, `usage(of:)` of a zone
// or a tag, `usedFrames`.
//
// The rooms know those above them and no other. Where one is short of what a lower one holds (frames that
// wait for a flush), it does not reach down: it fails, and `retrying` here is the one place that drains what
// is on its way back and tries again.

/// A machine's kernel memory: page frames, page tables, and the areas of its virtual ranges.
@safe
public struct MemoryManager {
  let control: Stable<Control>

  init(_ control: Stable<Control>) { self.control = control }

  /// The rooms' states, and what the façade has itself.
  struct Control: ~Copyable {
    /// First, so that its address is the manager's.
    var vmalloc: Vmalloc.State
    var slab: Slab
    var windows: MemoryWindows
  }

  /// Starts what the rooms before have been started for.
  init(
    _ mode: FreeMode, _ machine: Stable<Machine>, _ quarantine: Quarantine, _ slab: Slab,
    _ windows: MemoryWindows, _ defaultTraits: AreaTraits, carving memory: inout some Carver & ~Copyable
  ) throws(MemoryError) {
    control = try memory.carve(1)
    control.value.slab = slab
    control.value.windows = windows
    vmalloc.start(mode, machine, slab.tags, quarantine, defaultTraits)
  }

  @inline(__always)
  var vmalloc: Vmalloc { Vmalloc(Stable(bitPattern: control.address)) }
  var cpus: CPUs { vmalloc.cpus }
  var machine: Stable<Machine> { vmalloc.machine }
  var frames: Frames { vmalloc.frames }
  var tables: PageTables { vmalloc.tables }
  var arenas: ArenaTable { vmalloc.arenas }
  var quarantine: Quarantine { vmalloc.quarantine }
  var slab: Slab { control.value.slab }
  var tags: Tags { vmalloc.tags }
  var windows: MemoryWindows { control.value.windows }
  /// The size of its pages and frames: that of the page-table format. O(1), in any context.
  @inline(__always)
  public var pageSize: PageSize { vmalloc.pageSize }
}

// MARK: - The machine

extension MemoryManager {
  /// Whether the memory of kmalloc is watched byte by byte (`SlabHardening.checked`).
  public var isChecked: Bool { slab.isChecked }

  /// Ends the machine through `Machine.fatal`: for a caller that can neither go on nor refuse.
  public func stop(_ message: StaticString) -> Never { machine.value.fail(message) }

  /// Ends the machine with a message that `write` formats on the stack.
  /// - Parameter write: writes the message; what does not fit into 239 bytes is cut.
  public func stop(_ write: (inout StopMessage) -> Void) -> Never {
    machine.value.fail(StopMessage(write))
  }
}

// MARK: - The one retry

extension MemoryError {
  /// Whether memory that is on its way back may help.
  fileprivate var isShortage: Bool {
    switch self {
    case .framesExhausted, .tablesExhausted, .metadataExhausted, .rangeExhausted, .placeBusy: true
    default: false
    }
  }
}

extension MemoryManager {
  /// Tries `body`. If memory or addresses are short, has everything that is on its way back completed
  /// and every CPU's caches emptied, as far as waiting is legal, and tries once more.
  func retrying<Result: ~Copyable>(
    mayWait: Bool = true, _ body: (borrowing CPU) throws(MemoryError) -> Result
  ) throws(MemoryError) -> Result {
    do {
      return try cpus.enter(body)
    } catch {
      guard error.isShortage else { throw failed(error) }
    }
    let waited = drainAllCPUs(mayWait: mayWait)
    do {
      return try cpus.enter(body)
    } catch {
      throw failed(error.isShortage && !waited ? .wouldWait : error)
    }
  }

  /// Runs `body`, which tries to allocate, and counts it where that fails.
  @inline(__always)
  func entering<Result: ~Copyable>(
    _ body: (borrowing CPU) throws(MemoryError) -> Result
  ) throws(MemoryError) -> Result {
    try counting { () throws(MemoryError) in try cpus.enter(body) }
  }

  /// Runs `body`, and counts it as a failure where it throws.
  @inline(__always)
  func counting<Result: ~Copyable>(_ body: () throws(MemoryError) -> Result) throws(MemoryError) -> Result {
    do throws(MemoryError) { return try body() } catch { throw failed(error) }
  }

  /// Runs `body`, which frees something, and counts it where that is refused.
  @inline(__always)
  func freeing<Result>(
    _ body: (borrowing CPU) throws(MemoryError) -> Result
  ) throws(MemoryError) -> Result {
    do throws(MemoryError) {
      return try cpus.enter(body)
    } catch {
      cpus.count(.freesRefused)
      throw error
    }
  }

  /// Counts a failure.
  func failed(_ error: MemoryError) -> MemoryError {
    cpus.count(.allocationsFailed)
    return error
  }
}

// MARK: - Page frames

extension MemoryManager {
  /// Allocates 2^`order` contiguous page frames, aligned to that number, from `zone` or a lower one.
  /// O(orders).
  /// - Throws: `framesExhausted`; `sizeOverflow` for a negative order, `sizeTooLarge` for more than the
  ///   largest block, or all of these zones, has, with nobody asked to give anything back.
  // Inlined, as kmalloc is.
  @inline(__always)
  public func allocateFrames(order: Int = 0, zone: ZoneKind = .normal) throws(MemoryError) -> FrameNumber {
    if order == 0, zone == .normal {
      let frame = popFrame()
      if frame != 0 { return FrameNumber(UInt64(frame)) }
    }
    return try allocateFramesSlow(order: order, zone: zone)
  }

  /// A single frame; zero where `allocateFramesSlow` must see to it.
  @inline(never)
  func popFrame() -> UInt32 {
    cpus.attempt(orElse: 0) { cpu in frames.popFrame(cpu) ?? 0 }
  }

  @inline(never)
  func allocateFramesSlow(order: Int, zone: ZoneKind) throws(MemoryError) -> FrameNumber {
    guard order >= 0 else { throw failed(.sizeOverflow) }
    let pages = PageCount(1 &<< UInt64(truncatingIfNeeded: min(order, 51)))
    let limit = min(frames.managed(in: zone), PageCount(1 &<< UInt64(truncatingIfNeeded: Zone.maxOrder)))
    try check(pages, limit)
    return try retrying { (cpu) throws(MemoryError) in try frames.allocate(order: order, zone, cpu) }
  }

  /// Allocates `count` single frames, wherever they lie, in one call, and passes each to `body`. Each is
  /// freed by its number, with order 0. O(count).
  /// - Throws: `framesExhausted` with how many there were, and none taken; `sizeOverflow` for a negative
  ///   count, `sizeTooLarge` for more than the machine has in these zones.
  public func allocateFrames(
    count: Int, zone: ZoneKind = .normal, _ body: (FrameNumber) -> Void
  ) throws(MemoryError) {
    guard count >= 0 else { throw failed(.sizeOverflow) }
    try check(PageCount(UInt64(count)), frames.managed(in: zone))
    var list = try retrying { (cpu) throws(MemoryError) in try frames.allocate(count: count, zone, cpu) }
    while let frame = frames.handOut(from: &list) { body(frame) }
    list.end()
  }

  private func check(_ pages: PageCount, _ limit: PageCount) throws(MemoryError) {
    guard pages <= limit else { throw failed(.sizeTooLarge(pages: pages, limit: limit)) }
  }

  /// Frees what one of the functions above returned. O(orders).
  /// - Throws: `badFree`, with nothing changed, where `frame` does not head an allocated block of `order`;
  ///   `wrongContext` in an NMI that has interrupted this package.
  @inline(__always)
  public func freeFrames(_ frame: FrameNumber, order: Int = 0) throws(MemoryError) {
    if order != 0 || !pushFrame(frame) { try freeFramesSlow(frame, order: order) }
  }

  /// Frees a single frame.
  /// - Returns: false, with nothing changed, where `freeFramesSlow` must see to it.
  @inline(never)
  func pushFrame(_ frame: FrameNumber) -> Bool {
    cpus.attempt(orElse: false) { cpu in frames.pushFrame(frame, cpu) }
  }

  @inline(never)
  func freeFramesSlow(_ frame: FrameNumber, order: Int) throws(MemoryError) {
    try freeing { (cpu) throws(MemoryError) in try frames.free(frame, order: order, cpu) }
  }

  /// The address of an allocated frame in the linear map. Of any other number it is a meaningless address.
  public func linearAddress(of frame: FrameNumber) -> VirtualAddress {
    frames.table.address(of: frame)
  }
}
