public import CMachine

// What this package asks of the hardware, and nothing else. What is frequent (the number of this
// CPU, its interrupt state) is inline C, chosen by target (CMachine.h). What is rare is here: values
// known at start, and actions as C function pointers with a context, so that one build of the core
// serves a booted kernel and any number of simulated machines in one process.

/// A machine, as the memory manager sees it.
///
/// Whoever writes one imports `CMachine`, which comes with the product `KernelMemory` and has the C types
/// of the actions. The actions are C functions: closures that capture nothing, and find what they need
/// through `context`.
@safe
public struct Machine {
  /// Invalidates, on this CPU, all that its TLB holds for `ranges`: leaf entries, global ones included, and,
  /// unless `rangesSpareTables`, walk-cache entries; returns when that is done. `count` zero means
  /// everything. A range that ends at the top of the address space ends at zero.
  ///
  /// It owes two full barriers. Before it, this CPU's loads: the request was read before anything is
  /// invalidated. And other CPUs' stores that this CPU knows of: entries were cleared before. Behind it:
  /// nothing that this CPU does later is done through an old translation. x86-64: INVLPG and a load of CR3
  /// serialise. AArch64: DSB ISH (ISHST does not order loads) before the TLBI, DSB NSH and ISB behind it.
  /// RISC-V: fence rw,rw and sfence.vma.
  ///
  /// With `flushReachesAllCPUs` it does so on all CPUs: when it returns, none translates by what this one had
  /// cleared. AArch64: DSB ISH, TLBI ..IS, DSB ISH and ISB.
  public typealias Flush =
    @convention(c) (
      _ context: UnsafeMutableRawPointer?, _ ranges: UnsafePointer<cmachine_range>?, _ count: Int
    ) -> Void

  /// Makes `cpu`, which may be the calling one, call `MemoryManager.serveFlushes()` soon: an interrupt.
  /// Called with interrupts off, and again while others wait for the CPU; an interrupt that is on its way
  /// need not be sent again.
  ///
  /// It owes a barrier: what this CPU has stored is visible to the other before the interrupt is. x86-64:
  /// none with xAPIC, MFENCE and LFENCE before a write of x2APIC's ICR (SDM vol. 3A, 11.12.3). AArch64: DSB
  /// ISHST before the SGI. RISC-V: fence rw,rw before the SBI call.
  public typealias Notify =
    @convention(c) (
      _ context: UnsafeMutableRawPointer?, _ cpu: UInt32
    ) -> Void

  /// Makes new entries for `range` visible to the table walkers of all CPUs: called after they are written,
  /// before anybody is told an address of the range, with interrupts off and, at times, a lock held. It waits
  /// for nobody. `madeTables` says that entries which name
  /// tables were written, too. A range that ends at the top of the address
  /// space ends at zero.
  public typealias AfterMap =
    @convention(c) (
      _ context: UnsafeMutableRawPointer?, _ range: cmachine_range, _ madeTables: Bool
    ) -> Void

  /// Told of a CPU that another has waited for in vain for `silenceLimit` turns, then for twice as many, and
  /// so on, with interrupts off; it may log that, or stop the machine. It does not call the manager.
  public typealias Silent =
    @convention(c) (
      _ context: UnsafeMutableRawPointer?, _ cpu: UInt32
    ) -> Void

  /// Writes back and invalidates, to where accesses of all types meet (Arm: the point of coherency), every
  /// line of `range` that a cache may hold; returns when that is done. `range` is whole pages of the linear
  /// map, and ends at zero where it ends at the top of the address space. It is called where frames begin or
  /// end to be mapped with another type than write-back, with interrupts on or off. It orders what this CPU
  /// has stored before, combined stores included, before what it does.
  public typealias CleanMemory =
    @convention(c) (
      _ context: UnsafeMutableRawPointer?, _ range: cmachine_range
    ) -> Void

  /// Reports a broken invariant and does not return: where it does, the caller traps.
  public typealias Fatal =
    @convention(c) (
      _ context: UnsafeMutableRawPointer?, _ message: UnsafePointer<CChar>
    ) -> Void

  /// Asked once, by `Bootstrap.start`, on the CPU that it runs on: whether this CPU reads page tables as the
  /// format writes them, translates as many bits of an address, and uses these tables.
  public typealias Check =
    @convention(c) (
      _ context: UnsafeMutableRawPointer?, _ tables: cmachine_page_tables
    ) -> cmachine_paging

  /// Passed to every action.
  public var context: UnsafeMutableRawPointer?
  /// CPUs are numbered from zero to this, exclusive.
  public var cpuCount: Int
  /// A flush of more pages than this asks for everything instead.
  public var fullFlushThreshold: PageCount
  /// Whether a flush of ranges leaves what CPUs remember of tables, as SFENCE.VMA with an address does
  /// (RISC-V Privileged Architecture, 12.2.1). A flush behind which tables are freed then asks for
  /// everything. Used where the target has such an instruction, RISC-V and the simulated machine.
  public var rangesSpareTables = false
  /// Flushes translations on the CPU that calls it.
  public var flush: Flush
  /// Whether `flush` is one of all CPUs, by hardware, so that no free sends an interrupt. `notify` is still
  /// needed with several CPUs: for drains, and where a tag or a range of areas is removed. Used where the
  /// target has such an instruction, AArch64 and the simulated machine; elsewhere it counts for nothing.
  public var flushReachesAllCPUs = false
  /// Nil on a machine with one CPU. With several CPUs `Bootstrap.start` refuses nil (`notifyMissing`).
  public var notify: Notify?
  /// Nil where the architecture needs nothing: x86-64 never caches an entry that is not present
  /// (Intel SDM vol. 3A, 4.10.2.3).
  public var afterMap: AfterMap?
  /// Ends the machine with a message: a broken invariant, or `stop`.
  public var fatal: Fatal
  /// Nil where nobody wants to know: then a CPU that never answers has the others hang without a word.
  public var silent: Silent?
  /// Turns of waiting, at least one, after which whoever has not answered is notified again, in case the
  /// interrupt was lost; then after twice as many, and so on. On hardware 4,096, which is some hundred
  /// microseconds: a handler has answered by then.
  public var reminderTurns = UInt64(cmachine_reminder_turns())
  /// Turns of waiting, each a pause and a poll of every CPU, some 50 to 200 ns. Four million are a fraction
  /// of a second: by then a CPU that takes interrupts has answered.
  public var silenceLimit: UInt64 = 1 << 22
  /// Nil where an access of any type finds what caches hold: on x86-64 processors that snoop themselves
  /// (CPUID.01H:EDX.SS; Intel SDM vol. 3A, 12.11.8, whose procedure needs no WBINVD then).
  public var cleanMemory: CleanMemory?
  /// Nil for a machine that cannot say.
  public var check: Check?

  /// What every machine needs; what some need besides is set afterwards.
  public init(
    context: UnsafeMutableRawPointer?, cpuCount: Int, fullFlushThreshold: PageCount,
    flush: @escaping Flush, notify: Notify? = nil, afterMap: AfterMap?, fatal: @escaping Fatal,
    cleanMemory: CleanMemory? = nil, check: Check? = nil
  ) {
    unsafe self.context = context
    self.cpuCount = cpuCount
    self.fullFlushThreshold = fullFlushThreshold
    unsafe self.flush = flush
    unsafe self.notify = notify
    unsafe self.afterMap = afterMap
    unsafe self.fatal = fatal
    unsafe self.cleanMemory = cleanMemory
    unsafe self.check = check
  }
}

extension Machine {
  /// Stops the machine: an invariant of this package does not hold, and going on would lose memory.
  @inline(never)
  func fail(_ message: StaticString) -> Never {
    fail(StopMessage { $0.write(message) })
  }

  @inline(never)
  func fail(_ message: StopMessage) -> Never {
    unsafe message.withCharacters { characters in unsafe fatal(context, characters) }
    fatalError()
  }
}

extension Stable<Machine> {
  /// Whether this machine must be told of new entries (`Machine.afterMap`).
  @inline(__always)
  var synchronizesMappings: Bool { unsafe value.afterMap != nil }

  /// Makes new entries visible to every CPU's walker, before an address of them is published.
  @inline(__always)
  func synchronizeMapping(_ pages: PageRange, _ pageSize: PageSize, madeTables: Bool = false) {
    #if Ablations
    if Ablation.forgetAfterMap.isOn { return }
    #endif
    guard let afterMap = unsafe value.afterMap else { return }
    let range = cmachine_range(
      start: UInt(pages.first.address(pageSize).rawValue), end: UInt(pages.end.address(pageSize).rawValue))
    unsafe afterMap(value.context, range, madeTables)
  }
}
