// SimulatedMachine
//
// A machine inside a process: physical memory, CPUs with an MMU each, and a TLB that forgets nothing.
// The memory manager runs on it unchanged. It reaches RAM through a linear map, here an address range
// of the process; the memory that it hands out exists only for the simulated CPUs, which reach it with
// `load`, `store` and `fetch`, through the page tables in RAM.
//
//     PhysicalMemory        RAM with holes, in one reservation of the process
//     MMU                   what an entry says; one file an architecture, from its manual: X86MMU, ...
//     PageWalker            one step from a table to the next, or to a page
//     TranslationCaches     what one CPU has kept: leaves, and the tables on the way to them
//     SimulatedCPU          puts these together: permissions, dirty flags, faults
//     Speculation           what MMUs do unasked, between any two stores to entries
//     HiddenFrames          what the process may not touch, so that the manager's own mistakes are seen
//     Scheduling            who runs when: one CPU at a time in a chosen order, or all of them at once
//
// The point of it is adversity. Real hardware evicts, prefetches and races, so that a missing flush
// shows once in a million boots; here every translation stays until it is invalidated, and is used
// until then, as far as the architecture allows. An access that ends in a frame which the manager has
// freed is a fault of its own (`isFrameFree`). Nothing is shared with the manager's walker or formats:
// the two meet only in the architecture manual, and each is a test of the other.
//
// Citations are to the Intel SDM, volume 3A, by the section and table numbers of chapter 4, "Paging", its
// number in the editions up to 2023; to the Arm Architecture Reference Manual, DDI 0487; and to The RISC-V
// Instruction Set Manual, volume II, "Privileged Architecture".

internal import CHost
internal import CMachine
public import KernelMemory

/// A machine with the paging of x86-64, AArch64 or RISC-V (`Hardware`), simulated in this process.
///
/// A thread plays one CPU at a time, and no two threads play the same one at once; then the accesses of
/// CPUs, and `machine`, may be used by all of them. Everything else is for when no CPU runs.
///
/// `Bootstrap` is given `linearMap` both as the window and as the linear map: another one crashes the
/// process. Addresses of vmalloc are this machine's, not the process's: `load`, `store` and `fetch` go there
/// through its MMU and throw a `Fault`, while a pointer, or a span of a `VirtualBuffer`, crashes the
/// process. Memory of kmalloc lies in the linear map, so that pointers work, past all checks.
///
/// With several CPUs, `onNotify` is set before the second one joins:
///
/// ```swift
/// machine.onNotify = { _ in memory.serveFlushes() }
/// try machine.runFreely([
///   { try memory.vfree(memory.vmalloc(9_000)) },  // CPU 0, which has started the manager
///   {
///     try machine.loadRoot(root)  // what `bootstrap.root` was
///     memory.joinCPU()
///     try memory.vfree(memory.vmalloc(9_000))
///     try memory.leaveCPU()
///   },
/// ])
/// ```
@safe
public final class SimulatedMachine {
  let memory: PhysicalMemory
  let mmu: any MMU
  let cpus: [SimulatedCPU]
  let mapStorage: MapStorage
  /// Pages of `cleanMemory`.
  let cleanedPages = SharedCount()
  public let hardware: Hardware
  /// By the address of a table, where it stands, or stood last.
  var places: [UInt64: TablePlace] = [:]
  /// What the entries of these tables hold, where there are rules for that; by address.
  var entries: [UInt64: UInt64] = [:]
  var violation: Violation?
  /// The stores of each CPU that others have yet to see, oldest first.
  var storeBuffers: [[PendingStore]]

  /// `isFrameListed`.
  var frameLists: ((FrameNumber) -> Bool)?

  /// When CPUs see each other's stores; changed while no CPU runs.
  public var memoryOrder = MemoryOrder.strong {
    didSet { if memoryOrder != .strong { memory.hidden?.showAll() } }
  }

  /// What the MMUs do unasked; changed while no CPU runs, when the tables that there are have a root. Where
  /// CPUs run freely it is nothing.
  public var speculation = Speculation.none {
    didSet {
      if oldValue != .none && !hasEntryRules { EntryWatch.remove(self) }
      guard speculation != .none else { return }
      if !hasEntryRules { EntryWatch.add(self) }
      learnTables()
    }
  }

  /// Where the process sees the RAM. The base is aligned to 1 GiB, so that leaves of any size can map
  /// the linear map onto physical memory. A hole is not accessible: touching it kills the process.
  public let linearMap: LinearMap

  /// Makes a machine whose hardware differs from the default in the arguments below.
  /// - Parameters:
  ///   - ram: where the RAM is, in any order; every other physical address is a hole.
  ///   - cpuCount: how many CPUs, each with its own caches.
  ///   - physicalAddressBits: MAXPHYADDR, 36 to 52; address bits above it are reserved in table entries.
  ///   - setsAccessedAndDirty: whether the CPUs set the accessed and dirty flags in table entries, as
  ///     hardware does; without it tables keep exactly what was written to them.
  ///   - fullFlushThreshold: above how many pages `machine` asks to be flushed whole.
  /// - Throws: `SimulatedMachineError`.
  public convenience init(
    ram: [RAMRegion], cpuCount: Int = 1, physicalAddressBits: Int = 46,
    setsAccessedAndDirty: Bool = true, fullFlushThreshold: PageCount = PageCount(64)
  ) throws(SimulatedMachineError) {
    var hardware = Hardware()
    hardware.physicalAddressBits = physicalAddressBits
    hardware.setsAccessedAndDirty = setsAccessedAndDirty
    hardware.fullFlushThreshold = fullFlushThreshold
    try self.init(ram: ram, cpuCount: cpuCount, hardware: hardware)
  }

  /// Makes a machine whose RAM reads as zero. Memory is committed as it is touched, so that its size costs
  /// nothing.
  /// - Parameters:
  ///   - ram: where the RAM is, in any order; every other physical address is a hole.
  ///   - cpuCount: how many CPUs, each with its own caches.
  ///   - hardware: what the CPUs have and do.
  /// - Throws: `SimulatedMachineError`.
  public init(
    ram: [RAMRegion], cpuCount: Int = 1, hardware: Hardware
  ) throws(SimulatedMachineError) {
    guard (36...52).contains(hardware.physicalAddressBits) else {
      throw .physicalAddressBits(hardware.physicalAddressBits)
    }
    guard let mmu = hardware.mmu else { throw .pagingLevels(hardware.pagingLevels) }
    guard cpuCount > 0 else { throw .cpuCount(cpuCount) }
    let memory = try PhysicalMemory(
      ram, physicalAddressBits: hardware.physicalAddressBits, pageSize: mmu.pageSize,
      addressBits: mmu.addressBits)
    let walker = PageWalker(
      memory: memory, mmu: mmu,
      flagRule: hardware.setsAccessedAndDirty ? .set : mmu.clearFlagsFault ? .fault : .ignore)
    self.memory = memory
    self.mmu = mmu
    mapStorage = MapStorage(regions: ram.count)
    self.hardware = hardware
    storeBuffers = Array(repeating: [], count: cpuCount)
    cpus = (0..<cpuCount).map { _ in SimulatedCPU(walker: walker, hardware: hardware) }
    linearMap = LinearMap(base: memory.base, limit: memory.limit, pageSize: mmu.pageSize)
    if hardware.broadcastsFlushes { cmachine_add_broadcasting_machines(1) }
    if hasEntryRules { EntryWatch.add(self) }
  }

  deinit {
    if hardware.broadcastsFlushes { cmachine_add_broadcasting_machines(-1) }
    if speculation != .none || hasEntryRules { EntryWatch.remove(self) }
    if frameLists != nil { FreedFrames.remove(self) }
  }

  /// The machine as the memory manager sees it. The value does not keep the simulated machine alive, nor does
  /// a manager: whoever keeps a manager keeps the machine, too, or its next call crashes the process.
  public var machine: Machine {
    var machine = unsafe Machine(
      context: Unmanaged.passUnretained(self).toOpaque(), cpuCount: cpus.count,
      fullFlushThreshold: hardware.fullFlushThreshold,
      flush: { context, ranges, count in
        guard let context = unsafe context else { stop("flush: no context") }
        unsafe Unmanaged<SimulatedMachine>.fromOpaque(context).takeUnretainedValue()
          .flush(UnsafeBufferPointer(start: count == 0 ? nil : ranges, count: count))
      },
      notify: cpus.count == 1
        ? nil
        : { context, cpu in
          guard let context = unsafe context else { stop("notify: no context") }
          unsafe Unmanaged<SimulatedMachine>.fromOpaque(context).takeUnretainedValue().notify(Int(cpu))
        },
      afterMap: hardware.cachesAbsentEntries || hardware.entriesNeedBarriers
        ? { context, range, _ in
          guard let context = unsafe context else { stop("afterMap: no context") }
          unsafe Unmanaged<SimulatedMachine>.fromOpaque(context).takeUnretainedValue().afterMap(range)
        } : nil,
      fatal: { _, message in stop(unsafe String(cString: message)) },
      cleanMemory: memory.dataCache == nil
        ? nil
        : { context, range in
          guard let context = unsafe context else { stop("cleanMemory: no context") }
          unsafe Unmanaged<SimulatedMachine>.fromOpaque(context).takeUnretainedValue()
            .clean(from: UInt64(range.start), upTo: UInt64(range.end))
        },
      check: { context, tables in
        guard let context = unsafe context else { stop("check: no context") }
        return unsafe Unmanaged<SimulatedMachine>.fromOpaque(context).takeUnretainedValue()
          .check(tables)
      })
    machine.flushReachesAllCPUs = hardware.broadcastsFlushes
    machine.rangesSpareTables = hardware.tableDrop == .none
    return machine
  }

  private func check(_ tables: cmachine_page_tables) -> cmachine_paging {
    // A number that is no CPU's has an error of its own.
    guard cpus.indices.contains(Self.currentCPU) else { return cmachine_paging_ready }
    guard UInt64(tables.address_bits) == mmu.addressBits else { return cmachine_paging_other_width }
    let root = UInt64(tables.root)
    return cpus[Self.currentCPU].root == root ? cmachine_paging_ready : cmachine_paging_other_root
  }

  /// Says which page frames are free. Set, it is asked on every access and for every table that a walk
  /// reads; an access that reaches a free frame fails with `Fault.Cause.freedFrame` and does nothing.
  /// It may read RAM through the linear map, but not through a CPU of this machine. It runs on the
  /// thread of the CPU, so that where several threads run it must read what they share as atomics.
  public var isFrameFree: ((FrameNumber) -> Bool)? {
    get { memory.isFrameFree }
    set { memory.isFrameFree = newValue }
  }

  /// Whether a CPU may read a free frame at its address in the linear map, as code does that searches all of
  /// memory; a write there is a fault all the same, and so is either at any other address.
  public var freeFramesAreReadable: Bool {
    get { memory.freeFramesAreReadable }
    set { memory.freeFramesAreReadable = newValue }
  }

  /// Whether a CPU takes part in the memory management at all, so that it may hold no translation to a frame
  /// that is free; nil for every CPU. Asked on any thread.
  public var takesPart: ((Int) -> Bool)?

  /// What a notified CPU runs, with interrupts off, on its own thread. Its argument is the CPU. With a
  /// manager it calls `serveFlushes()`; where it is nil, whoever waits for another CPU's flush, as a free in
  /// strict mode does, may wait for ever.
  public var onNotify: ((Int) -> Void)?

  /// What has happened since the start, summed over the CPUs. O(CPUs).
  public var counters: MachineCounters {
    var sum = MachineCounters()
    for cpu in cpus { sum.add(cpu.counters) }
    sum.cleanedPages = cleanedPages.value
    return sum
  }
}

/// Why a machine was not made, or a root not loaded.
public enum SimulatedMachineError: Error, Equatable, Sendable {
  /// No region holds a byte.
  case noRAM
  /// The region is empty, or ends above the highest physical address.
  case badRegion(RAMRegion)
  /// The region shares bytes with another one.
  case overlappingRegion(RAMRegion)
  /// Not 36 to 52.
  case physicalAddressBits(Int)
  /// No mode of the architecture has so many.
  case pagingLevels(Int)
  /// Not at least one.
  case cpuCount(Int)
  /// The process has no room for the address range; the value is `errno`.
  case reservationFailed(errno: Int32)
  /// The address of a root table is not that of a page frame, or has bits above the highest physical
  /// address.
  case badRoot(PhysicalAddress)
}

/// Ends the process: the code under test broke its contract with the machine.
func stop(_ message: String) -> Never {
  let line = "SimulatedMachine: " + message + "\n" + (StepHandler.current?.history ?? "")
  unsafe line.withCString { unsafe chost_complain($0) }
  chost_abort()
}
