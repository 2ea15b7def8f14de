/// Frames that were reserved for page tables, all zero.
struct ReservedTables: ~Copyable, TableSource {
  private var list: FrameList
  private let table: FrameTable

  init(_ list: consuming FrameList, _ table: FrameTable) {
    self.list = list
    self.table = table
  }

  mutating func takeTable() -> FrameNumber {
    guard let frame = list.pop(table) else { preconditionFailure("more tables were made than reserved") }
    return FrameNumber(UInt64(frame))
  }

  var count: Int { list.count }

  /// Gives up a reservation, or what is left of one.
  consuming func unused() -> FrameList { list }
}

/// A run of frames, as the leaves of a mapping: neighbours in memory for neighbours in addresses.
struct LeafRun: LeafSource {
  private var next: FrameNumber

  init(_ first: FrameNumber) { next = first }

  @inline(__always)
  mutating func nextLeaf(span: UInt64) -> FrameNumber {
    let frame = next
    next = FrameNumber(frame.rawValue &+ span)
    return frame
  }
}

extension PageTables {
  /// Runs `body`, which counts under a lock the tables that it needs and takes them, until as many are
  /// reserved.
  /// - Parameters:
  ///   - guess: how many are reserved at first, where there are as many.
  ///   - frames: where tables come from.
  ///   - cpu: this CPU.
  ///   - body: returns how many tables it needs, where that is more than it was given, with nothing changed;
  ///     zero where it has done what it does.
  func reserving(
    _ guess: Int = 0, from frames: Frames, _ cpu: borrowing CPU,
    _ body: (inout ReservedTables) throws(MemoryError) -> Int
  ) throws(MemoryError) {
    var source = ReservedTables(guessed(guess, from: frames, cpu), table)
    while true {
      let needed: Int
      do throws(MemoryError) {
        needed = try body(&source)
      } catch {
        free(source.unused(), to: frames, cpu)
        throw error
      }
      guard needed > 0 else { break }
      free(source.unused(), to: frames, cpu)
      source = ReservedTables(try frames.allocateTables(needed, cpu), table)
    }
    free(source.unused(), to: frames, cpu)
  }

  private func guessed(_ count: Int, from frames: Frames, _ cpu: borrowing CPU) -> FrameList {
    do { return try frames.allocateTables(count, cpu) } catch { return FrameList() }
  }

  private func free(_ unused: consuming FrameList, to frames: Frames, _ cpu: borrowing CPU) {
    _ = frames.free(tables: &unused, limit: .max, cpu)
    unused.end()
  }
}
