internal import BootReplay
internal import KernelMemory
public import LinuxMemory

/// Areas over time, for the explorer: of a recording as it was, of a replay, or of a listing.
public struct Picture: Sendable {
  public struct PictureArea: Sendable {
    /// The first page's number, and the pages with the guard.
    public var firstPage: UInt64
    public var pages: UInt64
    public var guardPages: UInt64 = 0
    /// Page frames that it holds; less than its pages where it is of a device.
    public var frames: UInt64 = 0
    /// Numbers of `owners` and of `kinds`.
    public var owner: UInt32
    public var kind: UInt8 = 0
    /// The step at which it appears, and the one at which it is gone; nil where it stays.
    public var born: UInt32 = 0
    public var died: UInt32?
    /// Where it lies in physical memory: first frames and counts.
    public var runs: [(frame: UInt64, count: UInt64)] = []

    public init(firstPage: UInt64, pages: UInt64, owner: UInt32) {
      self.firstPage = firstPage
      self.pages = pages
      self.owner = owner
    }
  }

  /// The counters at a step.
  public struct Sample: Sendable {
    public var step: UInt32
    public var tables: UInt64
    public var flushes: UInt64
    public var entries: UInt64
    /// Bytes that were freed and not flushed.
    public var unflushed: UInt64
  }

  public var title: String
  /// Sentences about what the picture shows, and what it does not.
  public var notes: [String] = []
  public var areas: [PictureArea] = []
  public var owners: [String] = []
  public var kinds: [String] = []
  /// The times of the steps in microseconds since the first one; empty for a state.
  public var times: [UInt64] = []
  /// Whether the times are of a clock that has seconds.
  public var hasSeconds = true
  public var samples: [Sample] = []
  /// The logarithm of the page size.
  public var pageShift = 12

  public init(title: String) { self.title = title }
}

extension Picture {
  /// The recording as it was, at its own addresses.
  public init(_ recording: Recording) {
    var recorder = PictureRecorder(recording)
    for (index, event) in recording.events.enumerated() {
      switch event.kind {
      case .allocation: recorder.allocate(event, index, at: event.address, nil)
      case .free: recorder.free(event, index)
      }
    }
    self = recorder.finished(recording)
  }
}

/// Follows the events of a recording.
struct PictureRecorder {
  private var areas: [Picture.PictureArea] = []
  private var samples: [Picture.Sample] = []
  private var live: [UInt64: Int] = [:]
  private let recording: Recording
  private let stride: Int

  init(_ recording: Recording) {
    self.recording = recording
    stride = max(1, recording.events.count / 400)
  }

  /// - Parameter manager: who placed it; nil for the recorded kernel.
  mutating func allocate(
    _ event: Recording.Event, _ index: Int, at address: UInt64?, _ manager: MemoryManager?
  ) {
    guard let address else { return }
    var area = Picture.PictureArea(
      firstPage: address / 4096, pages: event.byteCount / 4096, owner: recording.owner(of: event))
    // A recorded size has its guard page in it, but for a page alone.
    area.guardPages = area.pages > 1 ? 1 : 0
    area.frames = area.pages - area.guardPages
    area.born = UInt32(truncatingIfNeeded: index)
    if let manager, let found = manager.area(containing: VirtualAddress(address)) {
      area.guardPages = found.guardPages.rawValue
      area.frames = found.pages.count.rawValue
      area.pages = area.frames + area.guardPages
      manager.forEachRun(of: found) { run in area.runs.append((run.first.rawValue, run.count.rawValue)) }
    }
    live[event.address] = areas.count
    areas.append(area)
  }

  mutating func free(_ event: Recording.Event, _ index: Int) {
    guard let area = live.removeValue(forKey: event.address) else { return }
    areas[area].died = UInt32(truncatingIfNeeded: index)
  }

  mutating func sample(_ index: Int, _ session: borrowing ReplaySession, _ manager: MemoryManager) {
    guard index % stride == 0 || index + 1 == recording.events.count else { return }
    let counters = manager.counters
    samples.append(
      Picture.Sample(
        step: UInt32(truncatingIfNeeded: index), tables: counters[.tablesMade] &- counters[.tablesReturned],
        flushes: counters[.flushesOfPage] &+ counters[.flushesOfRanges] &+ counters[.flushesOfAll],
        entries: counters[.entriesWritten] &+ counters[.entriesCleared],
        unflushed: manager.retained.unflushed.rawValue * 4096))
  }

  func finished(_ recording: Recording) -> Picture {
    var picture = Picture(title: recording.name)
    picture.areas = areas
    picture.samples = samples
    picture.owners = (0..<UInt32(recording.names.count)).map { $0 == 0 ? "(unknown)" : recording.names[$0] }
    picture.kinds = ["area"]
    if !recording.isListing {
      let first = recording.events.first?.time ?? 0
      let unit: UInt64 = recording.hasSeconds ? 1000 : 1
      picture.times = recording.events.map { ($0.time >= first ? $0.time - first : 0) / unit }
    }
    picture.hasSeconds = recording.hasSeconds
    picture.notes = recording.notes
    return picture
  }
}
