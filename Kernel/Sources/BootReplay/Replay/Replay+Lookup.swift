internal import KernelMemory

// What the manager says about an area, against what the replay knows of it.

extension Replay {
  mutating func checkPlace(of area: LiveArea, alignment: UInt64, in range: Int) {
    let isAligned = area.address & (max(alignment, TraceRange.pageBytes) - 1) == 0
    let isInRange = ranges[range]?.allows(area.address, byteCount: area.spanBytes) ?? false
    if !isAligned || !isInRange { report(.notWhereAsked, area) }
  }

  /// Every address of an area and of its guard leads to it, and as many frames as pages lie behind it.
  mutating func checkLookup(of area: LiveArea) {
    let lastByte = VirtualAddress(area.address + area.mappedBytes - 1)
    let lastGuardByte = VirtualAddress(area.address + area.spanBytes - 1)
    guard let found = manager.area(containing: lastByte), found.address.rawValue == area.address,
      found.byteCount == area.askedBytes, found.tag == tables.tasks[area.task].tag,
      manager.area(containing: lastGuardByte)?.address == found.address,
      found.pages.contains(lastByte.number(manager.pageSize)),
      found.guardRange.contains(lastGuardByte.number(manager.pageSize)) == (area.guardPages > 0)
    else {
      report(.lookupWrong, area)
      return
    }
    var runs: UInt64 = 0
    var frames: UInt64 = 0
    manager.forEachRun(of: found) { run in
      runs += 1
      frames += run.count.rawValue
    }
    totals.scatter.add(runs: runs, frames: frames)
    let guardHasFrame = area.guardPages > 0 && manager.frame(at: lastGuardByte) != nil
    if frames != area.pages || manager.frame(at: lastByte) == nil || guardHasFrame {
      report(.framesWrong, area)
    }
  }

  /// Nothing leads to an area that was freed.
  mutating func checkGone(_ area: LiveArea, line: UInt64) {
    let first = VirtualAddress(area.address)
    let last = VirtualAddress(area.address + area.mappedBytes - 1)
    if manager.area(containing: first) != nil || manager.frame(at: first) != nil
      || manager.frame(at: last) != nil
    {
      verifier.violations.add(.lookupWrong, at: area.address, line: line)
    }
  }

  private mutating func report(_ kind: Violation.Kind, _ area: LiveArea) {
    verifier.violations.add(kind, at: area.address, line: area.line)
  }
}
