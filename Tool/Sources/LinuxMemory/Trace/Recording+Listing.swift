internal import BootReplay

extension Recording {
  /// Reads a trace or, where the text is a list of areas, that. What a pipe has is held in memory, as it is
  /// read twice.
  /// - Throws: `InputError`, `RecordingError`, `DamagedLine`.
  public static func readAny(
    path: String, isStrict: Bool = false, progress: (Int, Int?) -> Void = { _, _ in }
  ) throws -> Recording {
    if path == "-" {
      var reader = try BlockReader(path: path)
      var bytes: [UInt8] = []
      try unsafe reader.forEachBlock { block, _ in unsafe bytes.append(contentsOf: block) }
      do {
        return try read(bytes, name: "standard input", isStrict: isStrict)
      } catch let error as RecordingError {
        return try listing(
          of: try Snapshot.read(bytes, name: "standard input", keepingAreas: true, isStrict: isStrict), error)
      }
    }
    do {
      return try read(path: path, isStrict: isStrict, progress: progress)
    } catch let error as RecordingError {
      return try listing(of: try Snapshot.read(path: path, keepingAreas: true, isStrict: isStrict), error)
    }
  }

  private static func listing(of snapshot: Snapshot, _ error: RecordingError) throws -> Recording {
    guard snapshot.areaCount > 0 else { throw error }
    return Recording(snapshot)
  }

  /// The areas of a list as allocations in its order, each by who asked for it. What holds no pages of its
  /// own (devices, and space that is not flushed yet) is left out.
  public init(_ snapshot: Snapshot) {
    self.init(name: snapshot.name)
    isListing = true
    // A list does not say where an area had to lie; anywhere in the half of its addresses will do.
    ranges = [TraceRange(vstart: 0x1000, vend: 0x7fff_ffff_f000), TraceRange(vstart: 1 << 63, vend: .max)]
    var place: UInt64 = 1 << 63
    for area in snapshot.areas {
      counts.lines += 1
      let kind = snapshot.kind(of: area)
      guard kind == .vmalloc || kind == .vmap || kind == .other, let size = area.size, size >= 4096,
        size < 1 << 46
      else {
        counts.others += 1
        continue
      }
      counts.allocations += 1
      let pages = (size + 4095) / 4096
      let name = snapshot.callers[area.caller]
      let owner = names.number(of: name.symbol.isEmpty ? "(unknown)" : name.function)
      // Where the list has its addresses hidden, areas get places one behind the other: only their sizes
      // count.
      let address = area.addresses == .real && area.start > 0 && area.start % 4096 == 0 ? area.start : place
      place += pages * 4096
      events.append(
        Event(
          kind: .allocation, range: address >> 63 == 1 ? 1 : 0, task: owner, address: address,
          byteCount: pages * 4096,
          line: counts.lines))
    }
    pair()
  }
}
