@preconcurrency import CMachine
import Foundation
import KernelMemory
import MachineSimulator
import Testing

/// Machines come and go on several threads, and each is told for as long as it is there.
@Suite struct EntryWatchTests {
  private final class Turns: @unchecked Sendable {
    let machines: [SimulatedMachine]
    private let lock = NSLock()
    private var untold = 0

    init(_ machines: [SimulatedMachine]) { self.machines = machines }

    func add(_ count: Int) { lock.withLock { untold += count } }
    var sum: Int { lock.withLock { untold } }
  }

  private static func turn(_ machine: SimulatedMachine, _ count: Int) -> Int {
    var untold = 0
    for _ in 0..<count {
      machine.speculation = .greedy
      if cmachine_entry_hook == nil { untold += 1 }
      machine.speculation = .none
    }
    return untold
  }

  @Test func aMachineThatGoesTakesNoOthersHookAway() throws {
    let turns = Turns(
      try (0..<2).map { _ in
        try SimulatedMachine(ram: [RAMRegion(PhysicalAddress(0), byteCount: 1 << 20)])
      })
    let threads = (0..<2).map { index in
      Thread { turns.add(Self.turn(turns.machines[index], 300_000)) }
    }
    for thread in threads { thread.start() }
    while !threads.allSatisfy(\.isFinished) { usleep(1000) }
    #expect(turns.sum == 0)
  }
}
