/// What a simulated machine has counted.
public struct MachineCounters: Equatable, Sendable {
  /// Accesses, or parts of one that crosses a page boundary, that found their translation cached.
  public internal(set) var tlbHits: UInt64 = 0
  /// Those that did not.
  public internal(set) var tlbMisses: UInt64 = 0
  /// Page-table walks, whether from the root or from a cached table, finished or not.
  public internal(set) var walks: UInt64 = 0
  /// Pages invalidated one by one, those in flushed ranges included.
  public internal(set) var pageInvalidations: UInt64 = 0
  /// Flushes of a list of ranges that a CPU has served.
  public internal(set) var rangeFlushes: UInt64 = 0
  /// Flushes of everything, global entries included, that a CPU has served.
  public internal(set) var fullFlushes: UInt64 = 0
  /// Calls of `Machine.notify`.
  public internal(set) var notifications: UInt64 = 0
  /// Interrupts taken: fewer, where one was already pending.
  public internal(set) var interrupts: UInt64 = 0
  /// Pages that `Machine.cleanMemory` was asked to clean.
  public internal(set) var cleanedPages: UInt64 = 0

  private var faultCounts = [UInt64](repeating: 0, count: Fault.Cause.allCases.count)

  init() {}

  /// How many accesses failed with this cause.
  public func faults(_ cause: Fault.Cause) -> UInt64 { faultCounts[Int(cause.rawValue)] }

  mutating func count(_ cause: Fault.Cause) { faultCounts[Int(cause.rawValue)] += 1 }

  mutating func add(_ other: MachineCounters) {
    tlbHits += other.tlbHits
    tlbMisses += other.tlbMisses
    walks += other.walks
    pageInvalidations += other.pageInvalidations
    rangeFlushes += other.rangeFlushes
    fullFlushes += other.fullFlushes
    notifications += other.notifications
    interrupts += other.interrupts
    for cause in faultCounts.indices { faultCounts[cause] += other.faultCounts[cause] }
  }
}
