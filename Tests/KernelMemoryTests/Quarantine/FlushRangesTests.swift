import CMachine
import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// What a flush is asked to cover, at the edges of the address space.
@Suite struct FlushRangesTests {
  private final class Record {
    var ranges: [[UInt]] = []
    nonisolated(unsafe) static var current: Record?
  }

  private func flushed(_ ranges: FlushRanges) -> [[UInt]] {
    let record = Record()
    Record.current = record
    defer { Record.current = nil }
    ranges.flush(
      Machine(
        context: nil, cpuCount: 1, fullFlushThreshold: PageCount(33),
        flush: { _, ranges, count in
          for range in UnsafeBufferPointer(start: ranges, count: count) {
            Record.current?.ranges.append([range.start, range.end])
          }
        }, afterMap: nil, fatal: { _, _ in }))
    return record.ranges
  }

  /// From how many pages on a flush is of everything is the machine's to say.
  @Test(arguments: [33, 64] as [UInt64]) func theThresholdIsTheMachines(threshold: UInt64) throws {
    var hardware = Hardware()
    hardware.fullFlushThreshold = PageCount(threshold)
    let test = try TestMachine(hardware: hardware)
    for pages in [threshold, threshold + 1] {
      let before = test.simulated.counters.fullFlushes
      try test.map(Pages.free, pages, to: Pages.device.rawValue)
      try test.unmap(Pages.free, pages)
      let flushes = test.simulated.counters.fullFlushes - before
      #expect(flushes == (pages > threshold ? 1 : 0), "\(pages) pages")
    }
  }

  /// The page behind the last one is not the first one.
  @Test func aRangeThatEndsAtTheTopIsNotLengthened() {
    var ranges = FlushRanges()
    ranges.add(PageRange((1 << 52) - 1, 1), .size4K, threshold: PageCount(33))
    ranges.add(PageRange(0, 1), .size4K, threshold: PageCount(33))
    #expect(flushed(ranges) == [[0xffff_ffff_ffff_f000, 0], [0, 0x1000]])
  }

  /// Requests that a CPU serves at once are joined in the same way.
  @Test func theFirstAndTheLastPageMayBeUnmappedAtOnce() throws {
    let test = try TestMachine(mode: .lazy, cpuCount: 2)
    let (manager, simulated) = (test.manager, test.simulated)
    let pages = [PageRange((1 << 52) - 1, 1), PageRange(0, 1)]
    for page in pages { try manager.map(page, to: Pages.device, MappingAttributes(.readWrite)) }
    simulated.onNotify = { _ in }
    let requests = try pages.map { page in
      try manager.cpus.enter { cpu -> Quarantine.Unmap? in
        let slot = manager.tables.locked(cpu) { manager.quarantine.quarantineLeaves(page, cpu) }
        return slot.map { manager.quarantine.beginUnmap(page, at: $0, hasSplit: false, cpu) }
      }
    }
    simulated.onCPU(1) { manager.serveFlushes() }
    for (page, request) in zip(pages, requests) {
      let request = try #require(request)
      #expect(manager.quarantine.shootdown.isComplete(request.request))
      try manager.cpus.enter { cpu in manager.quarantine.endUnmap(page, request, cpu) }
    }
    test.expectValid()
  }
}
