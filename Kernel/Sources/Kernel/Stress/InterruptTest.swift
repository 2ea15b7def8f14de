import BareMetal
import CKernel
import CMachine
import KernelMemory

// The manager in an interrupt handler: the first CPU's timer interrupts it 2,000 times a second,
// wherever it is, and the handler allocates an area and frees an older one, in a range that is large
// enough and in one that is not, while every CPU allocates and frees in its main loop.

/// One run, shared by the handler and the main loops.
@safe
struct InterruptTest {
  private static var ticksWanted: UInt64 { 4_000 }
  private static var microsecondsEach: UInt32 { 500 }

  /// The handler's, which never interrupts itself.
  private var ticks: UInt64 = 0
  private var handlerTally = StressTally()
  private var random = RandomNumbers(seed: 1_000)
  /// Areas that the handler has not freed yet; zero for none.
  private var ring = InlineArray<16, UInt>(repeating: 0)
  private var shortRange: ShortRange
  /// What each CPU's main loop did.
  private var loopTallies: UnsafeMutablePointer<StressTally>
  /// Not zero once the last tick has come.
  private var isOver: UInt = 0

  nonisolated(unsafe) private static var current: UnsafeMutablePointer<InterruptTest>?

  /// Runs, reports, and says how it went.
  static func run(on manager: MemoryManager) -> ExitStatus {
    do throws(MemoryError) {
      let memory = unsafe try manager.vzalloc(MemoryLayout<InterruptTest>.stride)
      let tallies = unsafe try manager.vzalloc(MemoryLayout<StressTally>.stride * Processors.count)
      let test = unsafe memory.bindMemory(to: InterruptTest.self, capacity: 1)
      unsafe test.initialize(
        to: InterruptTest(
          shortRange: try ShortRange(on: manager),
          loopTallies: tallies.bindMemory(to: StressTally.self, capacity: Processors.count)))
      unsafe current = test
      let before = manager.counters
      startTimer(on: manager)
      Work.interruptTest.runEverywhere(on: manager)
      TimerInterrupt.stop()
      return unsafe test.pointee.report(manager, since: before)
    } catch {
      panic { console in
        console.write("no memory for the interrupt test's own tables: ")
        console.write(error)
      }
    }
  }

  private static func startTimer(on manager: MemoryManager) {
    unsafe TimerInterrupt.action = {
      guard let test = unsafe InterruptTest.current, let manager = Memory.manager else { return }
      unsafe test.pointee.tick(manager)
    }
    TimerInterrupt.start(microseconds: microsecondsEach, on: manager)
  }
}

// MARK: - The handler

extension InterruptTest {
  private mutating func tick(_ manager: MemoryManager) {
    guard ticks < Self.ticksWanted else { return }
    ticks += 1
    let place = Int(ticks) % ring.count
    free(place, manager)
    do throws(MemoryError) {
      let area = try CheckedArea(
        pages: 1 + random.next(below: 4), stamp: UInt(ticks), on: manager, Self.options)
      ring[place] = area.word
      handlerTally.allocated += 1
    } catch {
      handlerTally.refuse("allocate in an interrupt handler", error)
    }
    shortRange.tick(manager)
    if ticks == Self.ticksWanted { unsafe kernel_store_word(&isOver, 1) }
  }

  private static var options: VmallocOptions { VmallocOptions() }

  private mutating func free(_ place: Int, _ manager: MemoryManager) {
    guard ring[place] != 0 else { return }
    handlerTally.finish(CheckedArea(word: ring[place]), on: manager)
    ring[place] = 0
  }
}

// MARK: - The main loops

extension InterruptTest {
  /// A CPU's part in it.
  static func runOnThisCPU(_ manager: MemoryManager) {
    guard let test = unsafe current else { return }
    let cpu = Int(cmachine_cpu_number())
    var tally = StressTally()
    var random = RandomNumbers(seed: cpu)
    while unsafe kernel_load_word(&test.pointee.isOver) == 0 {
      do throws(MemoryError) {
        let area = try CheckedArea(
          pages: 1 + random.next(below: CheckedArea.pagesLimit), stamp: UInt(tally.allocated), on: manager)
        tally.allocated += 1
        tally.finish(area, on: manager)
      } catch {
        tally.refuse("allocate", error)
      }
    }
    unsafe test.pointee.loopTallies[cpu] = tally
  }

  private mutating func report(_ manager: MemoryManager, since before: Counters) -> ExitStatus {
    for place in ring.indices { free(place, manager) }
    let refused = manager.counters.since(before)[.allocationsFailed]
    let leavesNothing = shortRange.empty(manager)
    let counters = manager.counters.since(before)
    var sum = StressTally()
    for cpu in 0..<Processors.count { sum.add(unsafe loopTallies[cpu]) }
    var console = SerialPort.console
    console.write("interrupt.cpus", equals: UInt64(Processors.count))
    console.write("interrupt.ticks", equals: ticks)
    console.write("interrupt.pairs", equals: handlerTally.freed)
    console.write("interrupt.refused", equals: handlerTally.refused)
    console.write("loop.pairs", equals: sum.freed)
    console.write("loop.refused", equals: sum.refused)
    console.write("short.pairs", equals: shortRange.served)
    console.write("short.exhausted", equals: shortRange.exhausted)
    console.write("short.wouldwait", equals: shortRange.wouldHaveWaited)
    sum.add(handlerTally)
    console.write("wrong", equals: sum.wrongPages + shortRange.wrongPages)
    Processors.writeFlushes(counters, to: &console)
    let isRight =
      ticks == Self.ticksWanted && handlerTally.freed == ticks && sum.wrongPages == 0 && sum.refused == 0
      && sum.freed == sum.allocated
    let isShortRight =
      leavesNothing && shortRange.served > 0 && shortRange.wrongPages == 0 && shortRange.wronglyRefused == 0
      && refused == shortRange.exhausted + shortRange.wouldHaveWaited && refused > 0
    // One more for the whole of the short range.
    let areCounted =
      counters[.areasFreed] == sum.freed + shortRange.served + 1
      && counters[.areasFreed] == counters[.areasAllocated]
    return Verdict.write(isRight && isShortRight && areCounted, manager, to: &console)
  }
}
