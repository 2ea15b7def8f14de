import BareMetal
import CKernel
import CMachine
import KernelMemory

// Every CPU works at the same time, and what is counted is how they get in each other's way: locks that were
// taken, attempts that found one taken, and updates of words that other CPUs may write. QEMU's instruction
// counter runs one CPU at a time, and would switch between any two instructions but hardly ever inside a
// lock: so the kernel of this bench is built with CMACHINE_CONTENTION, by which whoever takes a lock has
// another CPU run while it holds it. Instructions of such a build mean nothing.
//
// The counts are of a loop alone, between two moments at which all CPUs stand still. What it leaves behind is
// not purged between them: that is paid for where instructions are counted.
//
// Each CPU first runs pairs of one page, one after the other. Then, for comparison and without a goal, it
// keeps areas of 1 to 64 pages in 64 places, and frees or allocates at random: what a CPU's caches have fits
// less often.

/// One run, shared by the CPUs.
@safe
struct Contention {
  private let manager: MemoryManager
  private let mode: FreeMode
  /// CPUs that stand at a barrier, or have passed it, over all barriers.
  private let arrivals: UnsafeMutablePointer<UInt>

  /// Set by the first CPU before the others are woken.
  nonisolated(unsafe) private static var current: Contention?
  /// Written by the first CPU while the others stand at a barrier.
  nonisolated(unsafe) private static var counts = InlineArray<4, ContentionCounts>(
    repeating: ContentionCounts())

  /// Of each CPU: several times what it may leave unflushed.
  private static var pairs: UInt64 { 10_000 }
  private static var randomOperations: Int { 10_000 }
  private static var places: Int { 64 }

  private init(on manager: MemoryManager, mode: FreeMode) throws(MemoryError) {
    self.manager = manager
    self.mode = mode
    let memory = unsafe try manager.vzalloc(MemoryLayout<UInt>.stride)
    unsafe arrivals = memory.bindMemory(to: UInt.self, capacity: 1)
  }

  /// - Returns: whether the pairs of all CPUs, and nothing else, were counted.
  static func measure(on manager: MemoryManager, mode: FreeMode) throws(MemoryError) -> Bool {
    guard cmachine_has_contention() else { panic("this kernel was built without CMACHINE_CONTENTION") }
    unsafe current = try Contention(on: manager, mode: mode)
    Work.contention.runEverywhere(on: manager)
    let pairs = unsafe counts[1].since(counts[0])
    pairs.write("contention", mode)
    unsafe counts[3].since(counts[2]).write("contention_random", mode)
    return pairs.pairs == Self.pairs * UInt64(Processors.count)
  }

  /// A CPU's part in it.
  static func runOnThisCPU() {
    guard let contention = unsafe current else { return }
    do throws(MemoryError) {
      try contention.run(on: Int(cmachine_cpu_number()))
    } catch {
      panic { console in
        console.write("a pair on one of the CPUs was refused: ")
        console.write(error)
      }
    }
  }

  private func run(on cpu: Int) throws(MemoryError) {
    // As many as fill caches and batches; from then on a pair finds what it finds after any number of them.
    try runPairs()
    count(0, cpu)
    try runPairs()
    count(1, cpu)
    let places = try AddressArray(count: Self.places, on: manager)
    var random = RandomNumbers(seed: cpu)
    try runRandomly(places, &random)
    count(2, cpu)
    try runRandomly(places, &random)
    count(3, cpu)
    try places.freeAll()
    try places.end()
  }

  private func runPairs() throws(MemoryError) {
    for _ in 0..<Self.pairs {
      let memory = unsafe try manager.vmalloc(4096)
      unsafe memory.storeBytes(of: 1, as: UInt8.self)
      unsafe try manager.vfree(memory)
    }
  }

  private func runRandomly(
    _ places: AddressArray, _ random: inout RandomNumbers
  ) throws(MemoryError) {
    for _ in 0..<Self.randomOperations {
      let index = random.next(below: places.count)
      if places.has(index) {
        try places.free(index)
      } else {
        try places.allocate(index, byteCount: (1 + random.next(below: 64)) << 12)
      }
    }
  }

  /// Has the first CPU count while all stand still.
  private func count(_ number: Int, _ cpu: Int) {
    stand(UInt(2 * number + 1))
    if cpu == 0 { unsafe Self.counts[number] = ContentionCounts(of: manager) }
    stand(UInt(2 * number + 2))
  }

  /// Waits until every CPU has come to the barrier of this number.
  private func stand(_ barrier: UInt) {
    unsafe kernel_add_word(arrivals, 1)
    while unsafe kernel_load_word(arrivals) < barrier * UInt(Processors.count) { relax() }
  }
}
