#if Ablations
import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

// In the suite of ablations, since no mistake may be made meanwhile.

/// Stores that others see late: the classical small programs, whose outcomes are known for weakly ordered
/// CPUs; and the core's scenarios on such a machine.
extension AblationTests {
  private typealias Word = Stable<KernelMemory.Atomic<UInt64>>

  /// Two words of a machine's RAM, each in a frame of its own.
  private func words(of machine: SimulatedMachine) -> (Word, Word) {
    let address = { (page: UInt64) in
      machine.linearMap.virtualAddress(of: PhysicalAddress(page * 4096))
    }
    return (Word(at: address(1)), Word(at: address(2)))
  }

  /// All pairs that two CPUs may read, each in its own body.
  private func outcomes(
    _ order: MemoryOrder, _ first: @escaping (_ x: UInt, _ y: UInt) -> UInt64,
    _ second: @escaping (_ x: UInt, _ y: UInt) -> UInt64
  ) throws -> Set<[UInt64]> {
    var seen: Set<[UInt64]> = []
    try Scheduler().exhaustive {
      let machine = try SimulatedMachine(
        ram: [RAMRegion(PhysicalAddress(0), byteCount: 16 << 10)], cpuCount: 2)
      machine.memoryOrder = order
      let (x, y) = words(of: machine)
      var results: [UInt64] = [0, 0]
      return Program(
        machine: machine,
        cpus: [{ results[0] = first(x.address, y.address) }, { results[1] = second(x.address, y.address) }]
      ) { seen.insert(results) }
    }
    return seen
  }

  private static func store(_ value: UInt64, at address: UInt, releasing: Bool = false) {
    Word(bitPattern: address).value.store(value, ordering: releasing ? .releasing : .relaxed)
    Step.entriesWritten.take()
  }

  private static func load(_ address: UInt) -> UInt64 {
    defer { Step.entriesWritten.take() }
    return Word(bitPattern: address).value.load(ordering: .acquiring)
  }

  /// Message passing: the flag is seen before the message only where it does not release it.
  @Test(arguments: [MemoryOrder.strong, .delayed, .reversed], [false, true])
  func messagePassing(order: MemoryOrder, releasing: Bool) throws {
    let seen = try outcomes(
      order,
      { x, y in
        Word(bitPattern: x).value.store(1, ordering: .relaxed)
        Self.store(1, at: y, releasing: releasing)
        return 0
      },
      { x, y in
        let flag = Self.load(y)
        return flag * 10 + Self.load(x)
      })
    #expect(seen.contains([0, 11]) && seen.contains([0, 0]))
    #expect(seen.contains([0, 10]) == (order == .reversed && !releasing))
  }

  /// Store buffering: both miss the other's store, unless a full barrier is in between.
  @Test(arguments: [MemoryOrder.strong, .delayed], [false, true])
  func storeBuffering(order: MemoryOrder, fence: Bool) throws {
    let body = { (mine: UInt, other: UInt) in
      Self.store(1, at: mine)
      if fence { KernelMemory.atomicMemoryFence(ordering: .sequentiallyConsistent) }
      return Self.load(other)
    }
    let seen = try outcomes(order, { x, y in body(x, y) }, { x, y in body(y, x) })
    #expect(seen.contains([0, 1]) && seen.contains([1, 0]))
    #expect(seen.contains([0, 0]) == (order == .delayed && !fence))
  }

  /// A CPU sees its own stores, and nobody sees an older one after a newer.
  @Test(arguments: [MemoryOrder.delayed, .reversed]) func coherence(order: MemoryOrder) throws {
    let seen = try outcomes(
      order,
      { x, y in
        Self.store(1, at: x)
        Self.store(2, at: x)
        return Self.load(x)
      },
      { x, y in
        let first = Self.load(x)
        return first * 10 + Self.load(x)
      })
    for result in seen {
      #expect(result[0] == 2)
      #expect([0, 1, 2, 11, 12, 22].contains(result[1]))
    }
  }

  /// An update that releases lets everything before it be seen.
  @Test(arguments: [false, true]) func updates(releasing: Bool) throws {
    let seen = try outcomes(
      .delayed,
      { x, y in
        Word(bitPattern: x).value.store(1, ordering: .relaxed)
        let word = Word(bitPattern: y)
        word.value.exchange(1, ordering: releasing ? .releasing : .acquiring)
        Step.entriesWritten.take()
        return 0
      },
      { x, y in
        let flag = Self.load(y)
        return flag * 10 + Self.load(x)
      })
    #expect(seen.contains([0, 10]) == !releasing)
  }

  private static let cases = ScheduleCase.complete + ScheduleCase.bounded + ScheduleCase.broadcasts

  /// The core itself, in as many schedules of each program as take a moment.
  @Test(arguments: cases, [MemoryOrder.delayed, .reversed])
  func theCoreBearsIt(_ test: ScheduleCase, order: MemoryOrder) throws {
    for mode in FreeMode.all {
      var play = try test.make(mode)
      play.memoryOrder = order
      try play.exhaustive(at: test.points, preemptions: 2, atMost: 10)
      try play.random(seeds: 0..<2)
    }
  }
}
#endif
