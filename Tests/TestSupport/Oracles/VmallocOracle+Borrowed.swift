import MachineSimulator

@testable import KernelMemory

// Frames that are borrowed, and what is left until a flush.

extension VmallocOracle {
  /// Maps frames in any order, some of which were borrowed before and may be reached there still.
  mutating func mapBorrowed() throws {
    guard loans.count < 6 else { return try takeBack() }
    try mapBorrowed(random.oneIn(3) ? 1 : Int(random.below(40)) + 1)
  }

  private mutating func mapBorrowed(_ count: Int) throws {
    var frames: [FrameNumber] = []
    if random.oneIn(2) {
      frames = Array(returned.suffix(count))
      returned.removeLast(frames.count)
    }
    do {
      try test.manager.allocateFrames(count: count - frames.count) { frames.append($0) }
    } catch {
      returned += frames
      return
    }
    frames.shuffle(using: &random)
    let before = test.recount()
    let tag = random.element(of: tags)
    let pointer: UnsafeMutableRawPointer
    do {
      pointer = try frames.withUnsafeBufferPointer { try test.manager.vmap($0, tag: tag) }
    } catch {
      returned += frames
      try expect(framesLeft(upTo: .normal) < 20, "\(error) for \(count) borrowed frames")
      return
    }
    try take(Loan(pointer: pointer, frames: frames), tag, before)
  }

  private mutating func take(_ loan: Loan, _ tag: KernelMemory.Tag, _ before: RetainedRecount) throws {
    let first = VirtualAddress(loan.pointer).number(format.pageSize).rawValue
    let end = first + UInt64(loan.frames.count)
    loans[first] = loan
    noteWoken(first, before)
    let area = test.manager.area(containing: VirtualAddress(loan.pointer))
    try expect(
      area?.isBorrowed == true && area?.pages.count.rawValue == end - first && area?.tag == tag,
      "an area of borrowed frames is not what was asked for")
    try expect(pages[end] == nil && guards[end] == nil, "guard \(end) was handed out twice")
    guards[end] = first
    for (page, frame) in zip(first..<end, loan.frames) {
      try expect(test.manager.frame(at: address(page)) == frame, "another frame than was borrowed")
      try add(page, owner: first, frame: frame, isWritable: true)
    }
  }

  /// Unmaps what was borrowed; the frames are their owner's again, but may be reached until a flush.
  /// Sometimes as many are borrowed at once.
  mutating func takeBack(again: Bool = true) throws {
    guard let first = loans.keys.sorted().randomElement(using: &random), let loan = loans[first] else {
      return
    }
    let end = first + UInt64(loan.frames.count)
    for page in first..<end { try read(page) }
    try test.manager.vunmap(loan.pointer)
    loans[first] = nil
    guards[end] = nil
    for page in first..<end {
      remove(page)
      try expectLeft(page)
    }
    try expectLeft(end)
    if mode != .strict {
      returned += loan.frames
    } else {
      for frame in loan.frames { try test.manager.freeFrames(frame) }
    }
    if again, random.oneIn(2) {
      for _ in 0..<random.below(3) { test.manager.purge() }
      try mapBorrowed(loan.frames.count)
    }
  }

  /// What was freed before this nobody reaches.
  mutating func flush() throws {
    try test.manager.flushRetired()
    for frame in returned { try test.manager.freeFrames(frame) }
    returned = []
    for cpu in 0..<cpuCount {
      try test.simulated.onCPU(cpu) {
        try expect(test.manager.retained == RetainedMemory(), "CPU \(cpu) keeps something after a flush")
        for page in leaving where pages[page] == nil { try expectGone(page) }
      }
    }
    leaving = []
  }

  /// A page that was freed: nobody's, or until a flush, unless the mode is strict, what it was.
  mutating func expectLeft(_ page: UInt64) throws {
    if mode == .strict { return try expectGone(page) }
    leaving.insert(page)
    let cause = test.fault(.read, at: PageNumber(page))?.cause
    try expect(cause ?? .notPresent == .notPresent, "a read of a freed page: \(String(describing: cause))")
  }

  /// Whether it has come to all that it is for; for runs on several CPUs.
  func checkVariety() throws {
    if mode != .strict {
      // In warm mode small areas are cached, and seldom fall asleep.
      for kind in AreaKind.all where mode == .lazy || kind != .owning {
        try expect(woken[kind, default: 0] > 0, "no area was woken, \(kind)")
      }
    }
    try expect(mode != .warm || test.manager.counters[.warmHits] >= 10, "the warm cache had nothing")
  }

  /// Whether memory came to its end, and one CPU to what another kept.
  func checkShortage() throws {
    try expect(shortages > 0, "memory was never short")
    try expect(mode == .strict || takenFromOthers > 0, "no CPU had what another one kept")
  }
}
