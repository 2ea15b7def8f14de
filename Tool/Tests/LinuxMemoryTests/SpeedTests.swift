import Foundation
import Testing

@testable import LinuxMemory

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// How fast long texts are read: printed, and judged by a person, since a test machine has other work to do.
@Suite(.serialized) struct SpeedTests {
  private static let laps = 40

  @Test func aLongTraceIsReadInOnePass() throws {
    let boot = try Data(contentsOf: URL(filePath: Recorded.trace))
    var bytes: [UInt8] = []
    for _ in 0..<Self.laps { bytes += boot }
    let start = Self.processorTime()
    let recording = try Recording.read(bytes)
    Self.tell("a trace", bytes.count, since: start)
    // What was live at the end of a lap lies in the way of the next one, and is freed there.
    #expect(recording.counts.allocations == 707 * UInt64(Self.laps) && recording.counts.unreadLines == 0)
    #expect(recording.counts.lines == 1828 * UInt64(Self.laps) && recording.figures.liveAreas == 281)
  }

  @Test func aLongListIsReadInOnePass() throws {
    let list = try Data(contentsOf: URL(filePath: Recorded.list))
    var bytes: [UInt8] = []
    for _ in 0..<10 * Self.laps { bytes += list }
    let start = Self.processorTime()
    let snapshot = try Snapshot.read(bytes)
    Self.tell("a list", bytes.count, since: start)
    #expect(snapshot.areaCount == 283 * 10 * Self.laps && snapshot.report.isClean)
  }

  /// Seconds that this thread has run, whatever else the machine does.
  private static func processorTime() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  private static func tell(_ what: String, _ bytes: Int, since start: Double) {
    let seconds = processorTime() - start
    print("\(what) of \(bytes >> 20) MiB: \(Int(Double(bytes) / 1e6 / seconds)) MB/s")
  }
}
