import BareMetal
import CKernel
import CMachine
import KernelMemory
import RuntimeHeap

// Swift's own objects on all CPUs at once. Each CPU does every exercise in every round, and hands an object
// to another CPU, which looks at it and is the one that ends it: its memory goes back on another CPU than it
// came from. At the end every object's deinit has run, and every allocation of the runtime was freed.

/// One run, shared by the CPUs.
@safe
struct SwiftHeapTest {
  private let cpuCount: Int
  private let census: Census
  /// A word for each CPU: an object for it, retained; zero for none.
  private let boxes: UnsafeMutablePointer<UInt>
  private let tallies: UnsafeMutablePointer<Tally>
  /// CPUs that have done their rounds.
  private let finished: UnsafeMutablePointer<UInt>

  private struct Tally {
    var exercises: UInt64 = 0
    /// Objects that another CPU had made.
    var handedOver: UInt64 = 0
    var wrong: UInt64 = 0
  }

  private static var rounds: Int { 200 }

  /// Set by the first CPU before the others are woken.
  nonisolated(unsafe) private static var current: SwiftHeapTest?

  private init(on manager: MemoryManager) throws(MemoryError) {
    let count = Processors.count
    cpuCount = count
    let words = unsafe try manager.vzalloc((3 + count) * MemoryLayout<UInt>.stride)
      .bindMemory(to: UInt.self, capacity: 3 + count)
    census = unsafe Census(words)
    unsafe finished = words + 2
    unsafe boxes = words + 3
    unsafe tallies = try manager.vzalloc(count * MemoryLayout<Tally>.stride)
      .bindMemory(to: Tally.self, capacity: count)
  }

  /// Runs on every CPU, reports, and says how it went.
  static func run(on manager: MemoryManager) -> ExitStatus {
    guard let heap = RuntimeHeap.current else { panic("the Swift runtime has no heap") }
    do throws(MemoryError) {
      let test = try SwiftHeapTest(on: manager)
      unsafe current = test
      let before = heap.usage
      Work.swiftHeapTest.runEverywhere(on: manager)
      return test.report(before, heap.usage, manager)
    } catch {
      panic { console in
        console.write("no memory for the heap test's own tables: ")
        console.write(error)
      }
    }
  }

  /// A CPU's part in it.
  static func runOnThisCPU() {
    guard let test = unsafe current else { return }
    let cpu = Int(cmachine_cpu_number())
    var tally = Tally()
    test.run(cpu, &tally)
    unsafe test.tallies[cpu] = tally
  }
}

// MARK: - One CPU's part

extension SwiftHeapTest {
  private func run(_ cpu: Int, _ tally: inout Tally) {
    for round in 0..<Self.rounds {
      for index in 0..<Exercises.count {
        tally.exercises += 1
        if !Exercises.run(index, round, census) { fail(Exercises.name(index), round, &tally) }
      }
      handOver(Parcel(from: cpu, round: round, census), from: cpu, &tally)
      open(boxOf: cpu, &tally)
    }
    unsafe kernel_add_word(finished, 1)
    // Until nobody puts anything into a box any more; and after that, once more.
    while unsafe kernel_load_word(finished) < UInt(cpuCount) {
      open(boxOf: cpu, &tally)
      relax()
    }
    open(boxOf: cpu, &tally)
  }

  /// To the next CPU, when its box is empty; meanwhile this one's own is emptied, so that no two wait for
  /// each other. A CPU that is alone is the next one, too.
  private func handOver(_ parcel: Parcel, from cpu: Int, _ tally: inout Tally) {
    let word = unsafe UInt(bitPattern: Unmanaged.passRetained(parcel).toOpaque())
    let box = unsafe boxes + (cpu + 1) % cpuCount
    while unsafe !kernel_exchange_word(box, 0, word) {
      open(boxOf: cpu, &tally)
      relax()
    }
  }

  private func open(boxOf cpu: Int, _ tally: inout Tally) {
    let box = unsafe boxes + cpu
    let word = unsafe kernel_load_word(box)
    guard word != 0, unsafe kernel_exchange_word(box, word, 0),
      let pointer = unsafe UnsafeRawPointer(bitPattern: word)
    else { return }
    let parcel = unsafe Unmanaged<Parcel>.fromOpaque(pointer).takeRetainedValue()
    if parcel.sender != cpu { tally.handedOver += 1 }
    if !parcel.isWhole { fail("parcels", parcel.round, &tally) }
  }

  private func fail(_ name: StaticString, _ round: Int, _ tally: inout Tally) {
    tally.wrong += 1
    // The first says enough.
    guard tally.wrong == 1 else { return }
    var console = SerialPort.console
    console.write("wrong in round ")
    console.write(decimal: UInt64(round))
    console.write(": ")
    console.write(name)
    console.newline()
  }
}

// MARK: - The report

extension SwiftHeapTest {
  private func report(
    _ before: RuntimeHeapUsage, _ after: RuntimeHeapUsage, _ manager: MemoryManager
  ) -> ExitStatus {
    var sum = Tally()
    for cpu in 0..<cpuCount {
      let tally = unsafe tallies[cpu]
      sum.exercises += tally.exercises
      sum.handedOver += tally.handedOver
      sum.wrong += tally.wrong
    }
    let allocations = after.allocations - before.allocations
    let frees = after.frees - before.frees
    var console = SerialPort.console
    console.write("heap.cpus", equals: UInt64(cpuCount))
    console.write("heap.exercises", equals: sum.exercises)
    console.write("heap.wrong", equals: sum.wrong)
    console.write("heap.handed", equals: sum.handedOver)
    console.write("heap.made", equals: UInt64(census.made))
    console.write("heap.ended", equals: UInt64(census.ended))
    console.write("heap.allocations", equals: allocations)
    console.write("heap.frees", equals: frees)
    console.write("heap.live.objects", equals: after.liveObjects)
    console.write("heap.live.bytes", equals: after.liveBytes)
    let expected = UInt64(cpuCount * Self.rounds)
    let isRight =
      sum.exercises == expected * UInt64(Exercises.count) && sum.wrong == 0
      && sum.handedOver == (cpuCount > 1 ? expected : 0)
      && census.made == census.ended && UInt64(census.made) > expected
      && allocations == frees && allocations > UInt64(census.made)
      && after.liveObjects == before.liveObjects && after.liveBytes == before.liveBytes
    return Verdict.write(isRight, manager, to: &console)
  }
}
