// One CPU of a simulated machine, in supervisor mode; on x86-64 with CR0.WP, CR4.PGE and IA32_EFER.NXE 1 and
// CR4.PCIDE, CR4.SMEP and CR4.SMAP 0.
//
// An access asks the TLB first, and believes it whatever the tables say by now. A miss walks, from the
// deepest cached table if there is one. The dirty flag is set by the first write that this CPU knows of:
// where it wrote through a cached translation whose entry has changed since, the entry stays alone and
// the write goes ahead. (Some processors read the tables again then, and fault; the manual does
// not promise it, so no manager may lean on it.)

internal import CMachine
internal import KernelMemory
internal import Synchronization

/// All but `isNotified` is touched by the thread alone that plays this CPU.
final class SimulatedCPU {
  /// Whether an interrupt is pending.
  let isNotified = Atomic<Bool>(false)
  /// Where one thread plays all CPUs: whether it plays another one in the middle of this one's work.
  var isLeftWithInterruptsOff = false
  private(set) var root: UInt64?
  private(set) var counters = MachineCounters()
  private var caches: TranslationCaches
  private let walker: PageWalker
  private let hardware: Hardware

  init(walker: PageWalker, hardware: Hardware) {
    self.walker = walker
    self.hardware = hardware
    caches = TranslationCaches(walker.mmu)
  }

  /// Where the process has `byteCount` bytes that lie within one 4 KiB page, for one access.
  func pointer(for request: Request, byteCount: Int) throws(Fault) -> UnsafeMutableRawPointer {
    do throws(Fault) {
      var request = request
      let leaf = try translate(&request)
      let address = leaf.physicalAddress(of: request.address)
      let place = try unsafe walker.memory.pointer(to: address, byteCount: byteCount, for: request, level: 0)
      guard let cache = walker.memory.dataCache else { return unsafe place }
      let isCached = walker.mmu.isWriteBack(leaf.memoryType)
      if cache.conflicts(at: address, leaf.memoryType, isCached: isCached) {
        throw request.fault(.typeConflict, level: 0, at: address)
      }
      return unsafe isCached ? place : cache.memory(at: address)
    } catch {
      take(error)
      throw error
    }
  }

  /// Where one access goes, within one 4 KiB page.
  func physicalAddress(for request: Request) throws(Fault) -> UInt64 {
    do {
      var request = request
      return try translate(&request).physicalAddress(of: request.address)
    } catch {
      take(error)
      throw error
    }
  }

  /// What the tables in RAM say at this moment. Changes neither caches, nor tables, nor counters.
  func walkWithoutCaches(_ request: Request) throws(Fault) -> Leaf {
    var walker = walker
    walker.flagRule = .ignore
    var position = try start(request)
    while true {
      switch try walker.step(from: position, request) {
      case .table(let next): position = next
      case .page(let leaf): return leaf
      }
    }
  }
}

extension SimulatedCPU {
  private func translate(_ request: inout Request) throws(Fault) -> Leaf {
    let position = try start(request)
    if let leaf = caches.leaf(for: request.address, hardware.sizeChoice) {
      counters.tlbHits += 1
      request.usedCache = true
      return try use(leaf, for: request, isCached: true)
    }
    counters.tlbMisses += 1
    if caches.isAbsent(request.address) {
      request.usedCache = true
      throw request.fault(.notPresent, level: 0, at: nil)
    }
    counters.walks += 1
    let leaf = try walkNotingAbsence(from: position, &request)
    return try use(leaf, for: request, isCached: false)
  }

  /// The root, for an address that can be translated at all.
  private func start(_ request: Request) throws(Fault) -> PageWalker.Position {
    guard walker.mmu.canonical(request.address) == request.address else {
      throw request.fault(.notCanonical, level: 0, at: nil)
    }
    guard let root else { throw request.fault(.noRoot, level: 0, at: nil) }
    return PageWalker.Position(table: root, level: walker.mmu.levels, rights: .all)
  }

  private func walkNotingAbsence(
    from position: PageWalker.Position, _ request: inout Request
  ) throws(Fault) -> Leaf {
    do { return try walk(from: position, &request) } catch {
      if hardware.cachesAbsentEntries && error.cause == .notPresent { caches.insertAbsent(request.address) }
      throw error
    }
  }

  private func walk(from root: PageWalker.Position, _ request: inout Request) throws(Fault) -> Leaf {
    var position = root
    if let cached = caches.position(for: request.address) {
      position = cached
      request.usedCache = true
    }
    while true {
      switch try walker.step(from: position, request) {
      case .table(let next):
        caches.insert(next, for: request.address)
        position = next
      case .page(let leaf): return leaf
      }
    }
  }

  /// Checks the permissions of a leaf, sets its dirty flag, and keeps it.
  private func use(_ leaf: Leaf, for request: Request, isCached: Bool) throws(Fault) -> Leaf {
    let level = Int(leaf.level)
    switch request.access {
    case .read where !leaf.rights.contains(.read):
      throw request.fault(.readForbidden, level: level, at: leaf.entryAddress)
    case .write where !leaf.rights.contains(.write):
      throw request.fault(.writeToReadOnly, level: level, at: leaf.entryAddress)
    case .execute where !leaf.rights.contains(.execute):
      throw request.fault(.executeOfNoExecute, level: level, at: leaf.entryAddress)
    case .read, .write, .execute: break
    }
    let becomesDirty = request.access == .write && !leaf.isDirty
    if isCached && !becomesDirty { return leaf }
    var leaf = leaf
    if becomesDirty {
      try walker.noteWrite(leaf, request)
      leaf.isDirty = true
    }
    caches.insert(leaf, for: request.address)
    return leaf
  }

  private func take(_ fault: Fault) {
    counters.count(fault.cause)
    if fault.cause.isPageFault && hardware.faultsDropTranslations {
      caches.dropAfterFault(at: fault.address.rawValue)
    }
  }
}

// MARK: what no access asks for

extension SimulatedCPU {
  /// Translates an address and keeps what it finds, unless the CPU has it.
  /// - Returns: why that could not be right, whatever the address is for; nil also where nothing is mapped.
  func speculate(at address: UInt64) -> Fault? {
    guard caches.leaf(for: address, hardware.sizeChoice) == nil, !caches.isAbsent(address) else { return nil }
    var request = Request(address: address, access: .read)
    do {
      caches.insert(try walkNotingAbsence(from: start(request), &request), for: address)
      return nil
    } catch {
      switch error.cause {
      case .reservedBits, .misalignedPage, .busError, .freedFrame: return error
      default: return nil
      }
    }
  }

  func forget() { caches.removeAll() }

  /// Forgets that pages have no translation.
  func rememberPresent(from start: UInt64, through last: UInt64) {
    caches.removeAbsent(from: start, through: last)
  }

  var mmu: any MMU { walker.mmu }

  /// What is cached for addresses from `start` to `last`, both included.
  func cached(from start: UInt64, through last: UInt64) -> (leaves: [Leaf], tables: [PageWalker.Position]) {
    caches.cached(from: start, through: last)
  }

  /// An address for each translation, and each table, that is cached.
  var knownAddresses: [UInt64] { caches.addresses }

  /// A translation or table in a frame that is free, though nothing but the linear map leads to such a frame.
  func cachedFreeFrame(_ isFree: (FrameNumber) -> Bool, linearBase: UInt64) -> Fault? {
    var found: Fault?
    func check(_ frame: UInt64, _ address: UInt64, level: Int) {
      guard found == nil, isFree(PhysicalAddress(frame).number(walker.mmu.pageSize)) else { return }
      var request = Request(address: address, access: .read)
      request.usedCache = true
      found = request.fault(.freedFrame, level: level, at: frame)
    }
    caches.forEachLeaf { address, leaf in
      guard leaf.physicalAddress(of: address) &+ linearBase != address else { return }
      check(leaf.physicalAddress(of: address), address, level: 0)
    }
    caches.forEachTable { address, position in check(position.table, address, level: position.level) }
    return found
  }

}

extension SimulatedCPU {
  func loadRoot(_ root: UInt64) {
    self.root = root
    caches.dropAfterRootLoad()
  }

  /// INVLPG for every page that holds a byte from `start` to `last`, both included.
  func invalidate(from start: UInt64, through last: UInt64) {
    let shift = walker.mmu.granuleShift
    counters.pageInvalidations += (last >> shift) - (start >> shift) + 1
    caches.invalidate(from: start, through: last, hardware.tableDrop)
  }

  func flush(_ ranges: UnsafeBufferPointer<cmachine_range>) {
    counters.rangeFlushes += 1
    for index in ranges.indices {
      let range = unsafe ranges[index]
      if range.start == range.end { continue }
      invalidate(from: UInt64(range.start), through: UInt64(range.end &- 1))
    }
  }

  func flushAll() {
    counters.fullFlushes += 1
    caches.removeAll()
  }

  /// All that a CPU is at one moment, when it runs nothing.
  struct State {
    fileprivate var root: UInt64?
    fileprivate var counters: MachineCounters
    fileprivate var caches: TranslationCaches
    fileprivate var isNotified: Bool
  }

  var state: State {
    get {
      State(
        root: root, counters: counters, caches: caches, isNotified: isNotified.load(ordering: .acquiring))
    }
    set {
      root = newValue.root
      counters = newValue.counters
      caches = newValue.caches
      isNotified.store(newValue.isNotified, ordering: .releasing)
    }
  }

  func countNotification() { counters.notifications += 1 }
  func countInterrupt() { counters.interrupts += 1 }
}
