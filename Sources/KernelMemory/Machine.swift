public import CMachine

// What this package asks of the hardware, and nothing else. What is frequent (the number of this
// CPU, its interrupt state) is inline C, chosen by target (CMachine.h). What is rare is here: values
// known at start, and actions as C function pointers with a context, so that one build of the core
// serves a booted kernel and any number of simulated machines in one process.

/// A machine, as the memory manager sees it.
@safe
public struct Machine {
  /// Invalidates, on this CPU, all that its TLB holds for `ranges`: leaf entries, global ones included, and
  /// walk-cache entries; returns when that is done. `count` zero means everything.
  public typealias Flush =
    @convention(c) (
      _ context: UnsafeMutableRawPointer?, _ ranges: UnsafePointer<cmachine_range>?, _ count: Int
    ) -> Void

  /// Makes `cpu` call `MemoryManager.serveFlushes()` soon: an interrupt. Called with interrupts off. An
  /// interrupt that is already on its way need not be sent again.
  public typealias Notify =
    @convention(c) (
      _ context: UnsafeMutableRawPointer?, _ cpu: UInt32
    ) -> Void

  /// Makes new entries for `range` visible to the table walkers of all CPUs.
  public typealias AfterMap =
    @convention(c) (
      _ context: UnsafeMutableRawPointer?, _ range: cmachine_range
    ) -> Void

  /// Reports a broken invariant and does not return.
  public typealias Fatal =
    @convention(c) (
      _ context: UnsafeMutableRawPointer?, _ message: UnsafePointer<CChar>
    ) -> Void

  /// Passed to every action.
  public var context: UnsafeMutableRawPointer?
  /// CPUs are numbered from zero to this, exclusive.
  public var cpuCount: Int
  /// A flush of more pages than this asks for everything instead.
  public var fullFlushThreshold: PageCount
  public var flush: Flush
  /// Nil on a machine with one CPU.
  public var notify: Notify?
  /// Nil where the architecture needs nothing: x86-64 never caches an entry that is not present
  /// (Intel SDM vol. 3A, 4.10.2.3).
  public var afterMap: AfterMap?
  public var fatal: Fatal

  public init(
    context: UnsafeMutableRawPointer?, cpuCount: Int, fullFlushThreshold: PageCount,
    flush: @escaping Flush, notify: Notify? = nil, afterMap: AfterMap?, fatal: @escaping Fatal
  ) {
    unsafe self.context = context
    self.cpuCount = cpuCount
    self.fullFlushThreshold = fullFlushThreshold
    unsafe self.flush = flush
    unsafe self.notify = notify
    unsafe self.afterMap = afterMap
    unsafe self.fatal = fatal
  }
}

extension Machine {
  /// Stops the machine: an invariant of this package does not hold, and going on would lose memory.
  @inline(never)
  func fail(_ message: StaticString) -> Never {
    message.withUTF8Buffer { utf8 in
      unsafe utf8.withMemoryRebound(to: CChar.self) { characters in
        if let start = characters.baseAddress { unsafe fatal(context, start) }
      }
    }
    fatalError()
  }
}
