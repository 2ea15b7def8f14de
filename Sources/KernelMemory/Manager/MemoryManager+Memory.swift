// Memory that comes after start
//
// Some RAM is somebody else's at boot, and free later: a loader's files, an initial RAM disk, the part of an
// image that only the start needs, what an older allocator had. Some is not there yet: it is plugged in, or
// a hypervisor gives it. Both come the same way: metadata for the sections that have none, mappings in each
// window on all memory where that has a hole, and then the buddy lists, block by block.
//
// The directory of sections, the windows and the tables directly below the root are as large as was said at
// start (`Bootstrap.init`), so that nothing has to move that others read.

extension MemoryManager {
  /// Hands memory over that the manager has not had: RAM of `MemoryMap.Kind.kept` or `.reserved` that nobody
  /// uses any more, or that was not there at start. It is mapped in the linear map, and in every other window
  /// that `Bootstrap.mapMemory` has made, where it is not. O(windows × tables + frames).
  ///
  /// The caller has unmapped it everywhere else, and gives it away: what is in it does not matter.
  /// - Throws: `sizeIsZero`; `frameUnavailable` for a frame that the manager has, and for frame zero;
  ///   `frameOutOfReach` for one above all that was there at start, and above the limit that was given then;
  ///   `alreadyMapped` where a window has something else; `metadataExhausted`, `tablesExhausted`,
  ///   `wouldWait`, `wrongContext`. Nothing is handed out then; parts may be mapped.
  public func addMemory(_ run: FrameRange) throws(MemoryError) {
    guard !run.isEmpty else { throw failed(.sizeIsZero) }
    guard run.first > FrameNumber(0) else { throw failed(.frameUnavailable(run.first)) }
    guard run.end <= addableEnd else { throw failed(.frameOutOfReach(max(run.first, addableEnd))) }
    try checkKept(run)
    let shift = FrameTable.sectionShift
    for section in run.first.rawValue &>> shift...(run.end.rawValue &- 1) &>> shift {
      try makeSection(section)
    }
    for window in 0..<windows.count { try mapHoles(windows.pages(of: run, in: window), to: run.first) }
    try entering { (cpu) throws(MemoryError) in try frames.adopt(added: run, cpu) }
  }

  /// Behind the last frame that has a place in the directory and in the windows.
  private var addableEnd: FrameNumber {
    min(windows.end, FrameNumber(frames.table.sectionCount &<< FrameTable.sectionShift))
  }

  private func makeSection(_ section: UInt64) throws(MemoryError) {
    guard frames.table.metadata(of: FrameNumber(section &<< FrameTable.sectionShift)) == nil else { return }
    try retrying { (cpu) throws(MemoryError) in
      let order = frames.table.sectionOrder
      guard let first = frames.allocateMetadata(order: order, cpu) else { throw .metadataExhausted }
      let metadata = frames.table.memory(of: first, as: FrameMetadata.self)
      let isNew = arenas.locked(cpu) { frames.table.addSection(section, metadata: metadata) }
      // Another CPU adds memory of the same section.
      if !isNew { frames.freeMetadata(first, order: order, cpu) }
    }
  }

  /// Maps the pages of a window that are not mapped.
  private func mapHoles(_ pages: PageRange, to first: FrameNumber) throws(MemoryError) {
    var rest = pages
    while !rest.isEmpty {
      let frame = FrameNumber(first.rawValue &+ rest.first.rawValue &- pages.first.rawValue)
      let mapped = cpus.asReader(orElse: nil) { tables.firstMapped(in: rest) }
      guard mapped == rest.first else {
        let hole = PageRange(from: rest.first, upTo: mapped ?? rest.end)
        try map(hole, to: frame, MappingAttributes(.readWrite))
        rest = PageRange(from: hole.end, upTo: rest.end)
        continue
      }
      guard let leaf = cpus.asReader(orElse: nil, { tables.query(rest.first) }),
        leaf.attributes == MappingAttributes(.readWrite),
        leaf.frame.rawValue &+ rest.first.rawValue == leaf.pages.first.rawValue &+ frame.rawValue
      else { throw failed(.alreadyMapped(rest.first.address(pageSize))) }
      rest = PageRange(from: min(leaf.pages.end, rest.end), upTo: rest.end)
    }
  }
}
