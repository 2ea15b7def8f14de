// What a caller may have mapped, and unmapped
//
// Who names frames and pages names a part of the machine, and may name one that is not its own. What a frame
// is in use for is in its metadata, so a mapping is refused of what is nobody's (free, or behind a flush) and
// of what is the package's (tables, records, slabs). Frames that the manager does not hand out are nothing
// that it can judge: devices, and memory of kind `.kept`, belong to the kernel. Pages of the linear map
// are the manager's own way to memory.

extension MemoryManager {
  /// Refuses a run of frames in which there is one that no caller owns. O(blocks + frames that are not the
  /// manager's).
  /// - Throws: `frameUnavailable`.
  func checkMappable(_ run: FrameRange) throws(MemoryError) {
    var frame = run.first
    while frame < run.end {
      let count = mappableFrames(from: frame)
      guard count > 0 else { throw failed(.frameUnavailable(frame)) }
      frame = FrameNumber(frame.rawValue &+ min(count, run.end.rawValue &- frame.rawValue))
    }
  }

  /// How many frames from `frame` on are the rest of a block that a caller owns, or are not the manager's;
  /// zero where it is neither. O(orders).
  func mappableFrames(from frame: FrameNumber) -> UInt64 {
    let table = frames.table
    guard let metadata = table.metadata(of: frame) else { return table.framesWithoutMetadata(from: frame) }
    guard !metadata.value.state.isOf(.unmanaged) else { return 1 }
    let number = UInt32(truncatingIfNeeded: frame.rawValue)
    let head = frames.head(around: number)
    let state = table[head].value.state
    let size = UInt32(1) &<< UInt32(truncatingIfNeeded: state.order)
    guard isOwned(head, state), number &- head < size else { return 0 }
    return UInt64(size &- (number &- head))
  }

  private func isOwned(_ head: UInt32, _ state: FrameState) -> Bool {
    switch state.kind {
    case .allocated, .large: true
    // An area that was freed may keep its frames, mapped, for the next of its kind.
    case .mapped: arenas.pool.find(frames.table[head].value.mapper.area)?.value.heldGeneration != nil
    case .unmanaged, .free, .tail, .idle, .table, .metadata, .slab, .retired: false
    }
  }

  /// Refuses frames that the manager hands out. O(frames).
  /// - Throws: `frameUnavailable`.
  func checkKept(_ run: FrameRange) throws(MemoryError) {
    let table = frames.table
    var frame = run.first
    while frame < run.end {
      guard let metadata = table.metadata(of: frame) else {
        let count = min(table.framesWithoutMetadata(from: frame), run.end.rawValue &- frame.rawValue)
        frame = FrameNumber(frame.rawValue &+ count)
        continue
      }
      guard metadata.value.state.isOf(.unmanaged) else { throw failed(.frameUnavailable(frame)) }
      frame = FrameNumber(frame.rawValue &+ 1)
    }
  }

  /// Takes memory of `MemoryMap.Kind.kept` out of the linear map and out of every other
  /// window on all memory: a kernel does that with its image, so that no second, writable way leads to its
  /// code. Large leaves that stick out are split. When this returns, no CPU reaches the frames through these
  /// windows. O(windows × (tables + frames)).
  /// - Throws: `sizeIsZero`; `frameUnavailable` for a frame that the manager hands out, with nothing changed;
  ///   as `unmap`, and then some windows may not have the frames any more.
  public func unmapMemory(_ run: FrameRange) throws(MemoryError) {
    guard !run.isEmpty else { throw failed(.sizeIsZero) }
    try checkKept(run)
    cleanMemory(run)
    for number in 0..<windows.count { try unmap(run, in: number) }
  }

  private func unmap(_ run: FrameRange, in window: Int) throws(MemoryError) {
    let pages = windows.pages(of: run, in: window)
    if !pages.isEmpty { try unmapAny(pages) }
  }
}

extension FrameTable {
  /// At least how many frames from `frame` on, which has no metadata, have none either: to the end of its
  /// section. O(1).
  func framesWithoutMetadata(from frame: FrameNumber) -> UInt64 {
    let section = frame.rawValue &>> Self.sectionShift
    guard section < sectionCount else { return UInt64.max &- frame.rawValue }
    return (section &+ 1) &<< Self.sectionShift &- frame.rawValue
  }
}
