import BareMetal
import CKernel
import CMachine
import KernelMemory

// All CPUs at once: each allocates areas of 1 to 64 pages, writes a pattern into every page, and hands each
// area to another CPU, which checks the pattern and frees it. Were a frame or an address free before
// every CPU had forgotten its translation, a page would show the pattern of another area.

/// One run, shared by the CPUs.
@safe
struct Stress {
  /// Areas in all.
  let pairs: UInt64
  let cpuCount: Int
  private let mailboxes: Mailboxes
  private let tallies: UnsafeMutablePointer<StressTally>
  /// CPUs that have allocated their share.
  private let finished: UnsafeMutablePointer<UInt>

  /// Set by the first CPU before the others are woken.
  nonisolated(unsafe) private static var current: Stress?

  /// How often a CPU looks for room in a full box.
  private static var patience: Int { 64 }

  private init(pairs: UInt64, on manager: MemoryManager) throws(MemoryError) {
    self.pairs = pairs
    cpuCount = Processors.count
    mailboxes = unsafe Mailboxes(
      in: try manager.vzalloc(Mailboxes.byteCount(cpuCount: cpuCount)), cpuCount: cpuCount)
    let tallyMemory = unsafe try manager.vzalloc(MemoryLayout<StressTally>.stride * cpuCount)
    unsafe tallies = tallyMemory.bindMemory(to: StressTally.self, capacity: cpuCount)
    let wordMemory = unsafe try manager.vzalloc(MemoryLayout<UInt>.size)
    unsafe finished = wordMemory.bindMemory(to: UInt.self, capacity: 1)
  }

  /// Runs on every CPU, reports, and says how it went.
  static func run(pairs: UInt64, on manager: MemoryManager) -> ExitStatus {
    do throws(MemoryError) {
      let stress = try Stress(pairs: pairs, on: manager)
      unsafe current = stress
      let before = manager.counters
      Work.stress.runEverywhere(on: manager)
      return stress.report(manager, since: before)
    } catch {
      panic { console in
        console.write("no memory for the stress run's own tables: ")
        console.write(error)
      }
    }
  }

  /// A CPU's part in it.
  static func runOnThisCPU(_ manager: MemoryManager) {
    guard let stress = unsafe current else { return }
    let cpu = Int(cmachine_cpu_number())
    var tally = StressTally()
    stress.run(cpu, manager, &tally)
    unsafe stress.tallies[cpu] = tally
  }
}

// MARK: - One CPU's part

extension Stress {
  private func run(_ cpu: Int, _ manager: MemoryManager, _ tally: inout StressTally) {
    let share = pairs / UInt64(cpuCount) + (UInt64(cpu) < pairs % UInt64(cpuCount) ? 1 : 0)
    var random = RandomNumbers(seed: cpu)
    for round in 0..<share {
      do throws(MemoryError) {
        let area = try CheckedArea(
          pages: 1 + random.next(below: CheckedArea.pagesLimit), stamp: UInt(round), on: manager)
        tally.allocated += 1
        handOver(area, from: cpu, &random, manager, &tally)
      } catch {
        tally.refuse("allocate", error)
      }
      emptyMailbox(of: cpu, manager, &tally)
    }
    unsafe bump(finished)
    // Until the last area has been put into a box; and after that, once more.
    while unsafe kernel_load_word(finished) < UInt(cpuCount) {
      emptyMailbox(of: cpu, manager, &tally)
      relax()
    }
    emptyMailbox(of: cpu, manager, &tally)
  }

  /// To any other CPU, or, where its box stays full for a while, to nobody: this one keeps the area then,
  /// as it does where there is no other.
  private func handOver(
    _ area: CheckedArea, from cpu: Int, _ random: inout RandomNumbers, _ manager: MemoryManager,
    _ tally: inout StressTally
  ) {
    guard cpuCount > 1 else { return tally.finish(area, on: manager) }
    let other = (cpu + 1 + random.next(below: cpuCount - 1)) % cpuCount
    for _ in 0..<Self.patience {
      if mailboxes.put(area, for: other) { return }
      emptyMailbox(of: cpu, manager, &tally)
      relax()
    }
    tally.finish(area, on: manager)
  }

  private func emptyMailbox(of cpu: Int, _ manager: MemoryManager, _ tally: inout StressTally) {
    while let area = mailboxes.take(for: cpu) {
      tally.handedOver += 1
      tally.finish(area, on: manager)
    }
  }

  private func bump(_ word: UnsafeMutablePointer<UInt>) {
    var value = unsafe kernel_load_word(word)
    while unsafe !kernel_exchange_word(word, value, value + 1) { unsafe value = kernel_load_word(word) }
  }
}

// MARK: - The report

extension Stress {
  private func report(_ manager: MemoryManager, since before: Counters) -> ExitStatus {
    Verdict.flushRetired(manager)
    let counters = manager.counters.since(before)
    var sum = StressTally()
    for cpu in 0..<cpuCount { sum.add(unsafe tallies[cpu]) }
    var console = SerialPort.console
    console.write("stress.cpus", equals: UInt64(cpuCount))
    console.write("stress.pairs", equals: sum.freed)
    console.write("stress.handed", equals: sum.handedOver)
    console.write("stress.wrong", equals: sum.wrongPages)
    console.write("stress.refused", equals: sum.refused)
    console.write("warm.cached", equals: counters[.warmCached])
    console.write("warm.hits", equals: counters[.warmHits])
    Processors.writeFlushes(counters, to: &console)
    let isRight =
      sum.allocated == pairs && sum.freed == pairs && sum.wrongPages == 0 && sum.refused == 0
      && counters[.areasAllocated] == pairs && counters[.areasFreed] == pairs
    return Verdict.write(isRight, manager, to: &console)
  }
}
