import CMachine
import Foundation
import KernelMemory
import Testing

@testable import MachineSimulator

@Suite struct FlushTests {
  private let pages = (0..<16).map { highAddress + 4096 * $0 }

  /// All pages used on every CPU, and then unmapped.
  private func makeStalePages(cpuCount: Int = 1, flags: UInt64 = present) throws -> Tables {
    let tables = try Tables(cpuCount: cpuCount)
    for page in pages { tables.map(page, to: GiB, flags: flags) }
    for cpu in 0..<cpuCount {
      for page in pages { #expect(tables.machine.cause(.read, page, cpu: cpu) == nil) }
    }
    for page in pages { tables[physical: tables.entry(1, for: page)] = 0 }
    return tables
  }

  private func stale(_ tables: Tables, cpu: Int = 0) -> [Int] {
    pages.indices.filter { tables.machine.cause(.read, pages[$0], cpu: cpu) == nil }
  }

  private func flush(_ tables: Tables, cpu: Int = 0, _ ranges: [(start: UInt64, end: UInt64)]) {
    let machine = tables.machine.machine
    let ranges = ranges.map { cmachine_range(start: UInt($0.start), end: UInt($0.end)) }
    tables.machine.onCPU(cpu) {
      ranges.withUnsafeBufferPointer { machine.flush(machine.context, $0.baseAddress, $0.count) }
    }
  }

  @Test(arguments: [present, present | global]) func aFullFlushLeavesNothingOnItsCPU(flags: UInt64) throws {
    let tables = try makeStalePages(cpuCount: 3, flags: flags)
    flush(tables, cpu: 1, [])
    #expect(stale(tables, cpu: 1) == [])
    for cpu in [0, 2] { #expect(stale(tables, cpu: cpu) == Array(0..<16)) }
    #expect(tables.machine.counters.fullFlushes == 1)
    #expect(tables.machine.counters.rangeFlushes == 0)
  }

  @Test func aFullFlushDropsLargeLeavesAndTables() throws {
    let tables = try Tables()
    let second = highAddress + 2 * GiB
    tables.map(highAddress, to: GiB)
    tables.map(lowAddress & ~(2 * MiB - 1), to: GiB, level: 2, flags: present | global)
    tables.map(second & ~(GiB - 1), to: GiB, level: 3, flags: present | global)
    for address in [highAddress, lowAddress, second] {
      #expect(tables.machine.cause(.read, address) == nil)
    }
    for address in [highAddress, lowAddress] { tables[physical: tables.entry(4, for: address)] = 0 }
    for address in [highAddress, lowAddress, second] {
      #expect(tables.machine.cause(.read, address) == nil)
    }
    tables.machine.flushAll()
    for address in [highAddress, lowAddress, second] {
      #expect(tables.machine.cause(.read, address) == .notPresent)
    }
  }

  @Test(arguments: [present, present | global]) func rangesAreFlushedOnOneCPU(flags: UInt64) throws {
    let tables = try makeStalePages(cpuCount: 2, flags: flags)
    flush(tables, cpu: 1, [(pages[2], pages[4]), (pages[7], pages[7]), (pages[9], pages[10])])
    #expect(stale(tables, cpu: 0) == Array(0..<16))
    #expect(stale(tables, cpu: 1) == [0, 1, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15])
    let counters = tables.machine.counters
    #expect(counters.pageInvalidations == 3)
    #expect(counters.rangeFlushes == 1)
    #expect(counters.fullFlushes == 0)
  }

  /// More pages than the CPU has cached, so that the other way of finding them is taken.
  @Test func aWideRangeIsFlushedToItsEdges() throws {
    let tables = try makeStalePages()
    flush(tables, [(highAddress - 64 * GiB, pages[5])])
    #expect(stale(tables) == Array(5..<16))
    flush(tables, [(pages[10], 0)])
    #expect(stale(tables) == Array(5..<10))
  }

  @Test func theLastPageOfTheAddressSpaceCanBeFlushed() throws {
    let tables = try Tables()
    let last = UInt64.max - 4095
    tables.map(last, to: GiB)
    #expect(tables.machine.cause(.read, last) == nil)
    tables.map(last, to: 0, flags: 0)
    flush(tables, [(last, 0)])
    #expect(tables.machine.cause(.read, last) == .notPresent)
    #expect(tables.machine.counters.pageInvalidations == 1)
  }

  /// On random ranges: the same leaves of all sizes go, and the others stay.
  @Test func aRangeIsTheSameAsItsPages() throws {
    var random = SplitMix64(state: 1)
    let tables = try Tables(cpuCount: 2)
    var pages = (0..<64).map { highAddress + 4096 * $0 }
    pages += (1...4).map { highAddress & ~(2 * MiB - 1) + 2 * MiB * $0 }
    for (index, page) in pages.enumerated() { tables.map(page, to: GiB, level: index < 64 ? 1 : 2) }
    for _ in 0..<50 {
      for cpu in 0...1 { for page in pages { _ = try tables.machine.read(page, cpu: cpu) } }
      let first = highAddress + 4096 * UInt64.random(in: 0..<3000, using: &random) - 400 * KiB
      let count = UInt64.random(in: 1...600, using: &random)
      for page in 0..<count {
        tables.machine.invalidatePage(at: VirtualAddress(first + 4096 * page), cpu: 1)
      }
      let before = tables.machine.counters.pageInvalidations
      tables.machine.cpus[0].invalidate(from: first, through: first + 4096 * count - 1)
      #expect(tables.machine.counters.pageInvalidations == before + count)
      for page in pages {
        #expect(try hits(tables, page, cpu: 0) == hits(tables, page, cpu: 1), "\(page) \(first) \(count)")
      }
    }
  }

  private func hits(_ tables: Tables, _ page: UInt64, cpu: Int) throws -> UInt64 {
    let before = tables.machine.counters.tlbHits
    _ = try tables.machine.read(page, cpu: cpu)
    return tables.machine.counters.tlbHits - before
  }

  /// MOV to CR3 is no full flush: global leaves stay.
  @Test func loadingARootKeepsGlobalLeavesOnly() throws {
    let tables = try Tables()
    let local = highAddress + 4096
    let large = highAddress + 4 * GiB & ~(GiB - 1)
    tables.map(highAddress, to: GiB, flags: present | global)
    tables.map(local, to: GiB, flags: present)
    tables.map(large, to: GiB, level: 3, flags: present)
    for address in [highAddress, local, large] { #expect(tables.machine.cause(.read, address) == nil) }
    try tables.machine.loadRoot(PhysicalAddress(tables.makeTable()))
    #expect(tables.machine.cause(.read, highAddress) == nil)
    for address in [local, large, highAddress + 8192] {
      #expect(tables.machine.cause(.read, address) == .notPresent)
    }
    tables.machine.invalidatePage(at: VirtualAddress(highAddress))
    #expect(tables.machine.cause(.read, highAddress) == .notPresent)
  }

  @Test func countsWhatHappens() throws {
    let tables = try Tables()
    tables.map(highAddress, to: GiB, flags: present)
    _ = try tables.machine.read(highAddress)
    _ = try tables.machine.read(highAddress + 8)
    _ = tables.machine.fault(.write, highAddress)
    _ = try tables.machine.read(highAddress)
    _ = tables.machine.fault(.read, highAddress + 4096)
    _ = tables.machine.fault(.read, 1 << 60)
    let counters = tables.machine.counters
    #expect(counters.tlbHits == 2)
    #expect(counters.tlbMisses == 3)
    #expect(counters.walks == 3)
    for cause in Fault.Cause.allCases {
      let expected: UInt64 = [.writeToReadOnly, .notPresent, .notCanonical].contains(cause) ? 1 : 0
      #expect(counters.faults(cause) == expected)
    }
  }

  @Test func aBackwardRangeStopsTheMachine() async {
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let machine = try SimulatedMachine(ram: RAMRegion.pc(byteCount: MiB))
      let range = [cmachine_range(start: 8192, end: 4096)]
      machine.machine.flush(machine.machine.context, range, 1)
    }
  }

  @Test func aThreadThatPlaysNoCPUOfTheMachineStopsIt() async {
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let machine = try SimulatedMachine(ram: RAMRegion.pc(byteCount: MiB), cpuCount: 2)
      machine.onCPU(2) { machine.machine.flush(machine.machine.context, nil, 0) }
    }
  }

  @Test func aFatalErrorStopsTheMachine() async throws {
    let result = try await #require(
      processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]
    ) {
      let machine = try SimulatedMachine(ram: RAMRegion.pc(byteCount: MiB))
      machine.machine.fatal(machine.machine.context, "two owners for one frame")
    }
    let message = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(message.contains("SimulatedMachine: two owners for one frame\n"))
  }
}
