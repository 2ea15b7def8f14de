internal import CMachine

/// A moment in the life of a CPU at which others may run in between: those that the core names
/// (`cmachine_step`), and a few of the simulated machine.
public struct Step: Hashable, Sendable {
  /// Below 32 the value of `cmachine_step`.
  public let number: UInt8

  init(number: UInt8) { self.number = number }
  init(_ step: cmachine_step) { number = UInt8(truncatingIfNeeded: step.rawValue) }

  public static let interruptsEnabled = Step(cmachine_step_interrupts_enabled)
  public static let lockWanted = Step(cmachine_step_lock_wanted)
  public static let lockWaiting = Step(cmachine_step_lock_waiting)
  public static let lockReleased = Step(cmachine_step_lock_released)
  public static let entriesWritten = Step(cmachine_step_entries_written)
  public static let entriesCleared = Step(cmachine_step_entries_cleared)
  public static let flushRequested = Step(cmachine_step_flush_requested)
  public static let flushBegun = Step(cmachine_step_flush_begun)
  public static let flushConfirmed = Step(cmachine_step_flush_confirmed)
  public static let flushWaiting = Step(cmachine_step_flush_waiting)
  public static let framesFreed = Step(cmachine_step_frames_freed)
  public static let rangeFreed = Step(cmachine_step_range_freed)
  public static let areaFound = Step(cmachine_step_area_found)
  public static let entryFound = Step(cmachine_step_entry_found)
  public static let charged = Step(cmachine_step_charged)
  public static let sumBegun = Step(cmachine_step_sum_begun)
  public static let objectFound = Step(cmachine_step_object_found)
  public static let nodeFound = Step(cmachine_step_node_found)
  public static let slabMarked = Step(cmachine_step_slab_marked)

  public static let relaxed = Step(cmachine_step_relaxed)
  public static let interruptsDisabling = Step(cmachine_step_interrupts_disabling)
  public static let requestRead = Step(cmachine_step_request_read)
  public static let areaPublished = Step(cmachine_step_area_published)
  /// Before a simulated load, store or fetch.
  public static let access = Step(number: 32)
  /// Before the first instruction.
  public static let start = Step(number: 33)
  /// After the last one: the CPU does nothing but take interrupts.
  public static let idle = Step(number: 34)
  /// An interrupt is taken. Only traces have it, and the following.
  public static let interrupt = Step(number: 35)
  public static let nmi = Step(number: 36)
  /// The thread has another CPU from here on.
  public static let migration = Step(number: 37)
  /// After a store to a page-table entry, where MMUs do anything unasked (`SimulatedMachine.speculation`).
  public static let entryStored = Step(number: 38)

  /// Whether the CPU has found that it cannot go on before another CPU has done something.
  var isWaiting: Bool { self == .lockWaiting || self == .flushWaiting || self == .relaxed }

  /// Reaches this step on the calling thread.
  @inline(__always)
  public func take() { cmachine_step(cmachine_step(rawValue: UInt32(number))) }
}

extension Step: CustomStringConvertible {
  private static let names = [
    "interrupts enabled", "lock wanted", "lock waiting", "lock released", "entries written",
    "entries cleared", "flush requested", "flush begun", "flush confirmed", "flush waiting",
    "frames freed", "range freed", "area found", "entry found", "charged", "sum begun", "object found",
    "node found", "slab marked",
    "relaxed", "interrupts disabling", "request read", "area published",
  ]
  private static let ownNames = ["access", "start", "idle", "interrupt", "NMI", "migration", "entry stored"]

  public var description: String {
    if number < Self.names.count { return Self.names[Int(number)] }
    let own = Int(number) - 32
    return Self.ownNames.indices.contains(own) ? Self.ownNames[own] : "step \(number)"
  }
}

/// Steps, as a set.
public struct StepSet: OptionSet, Sendable {
  public let rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }
  public init(_ steps: Step...) {
    rawValue = steps.reduce(0) { $0 | 1 << UInt64($1.number) }
  }

  public func contains(_ step: Step) -> Bool { rawValue >> UInt64(step.number) & 1 != 0 }

  /// Every step but `interruptsDisabling`, at which nothing of the core has begun that another CPU could see.
  public static let all = StepSet(rawValue: ~StepSet(.interruptsDisabling).rawValue)
  /// What the order of a free is made of, and the accesses that would show it broken.
  public static let freeing = StepSet(
    .entriesWritten, .entriesCleared, .flushRequested, .flushBegun, .flushConfirmed, .framesFreed,
    .rangeFreed, .access)
}
