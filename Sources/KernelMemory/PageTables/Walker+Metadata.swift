internal import Synchronization

// What a table's metadata says: its pins, its place, whether it is on a list.

extension PageTables {
  /// Counts pins of a table. The boot code's tables are counted when their metadata exists.
  @inline(__always)
  func adjust(_ frame: FrameNumber, pins: Int, quarantined: Int = 0) {
    guard let metadata = table.metadata(of: frame) else { return }
    metadata.value.setState(metadata.value.state.adding(count: pins, quarantined: quarantined))
  }

  /// Drops pins; a table of `level` that has none left goes on the list.
  func unpin(_ frame: FrameNumber, level: Int, _ pins: Int, emptied: inout FrameList) {
    adjust(frame, pins: -pins)
    guard level < format.levels &- 2, let metadata = table.metadata(of: frame) else { return }
    let state = metadata.value.state
    guard state.count == 0, !state.isListed else { return }
    metadata.value.setState(state.listed(true))
    emptied.push(UInt32(truncatingIfNeeded: frame.rawValue), table)
  }

  /// Marks a frame as a table with no pins, and notes which entry of which table names it.
  func adopt(_ frame: FrameNumber, below parent: FrameNumber, at slot: Int) {
    guard let metadata = table.metadata(of: frame) else { return }
    metadata.value.setState(metadata.value.state.becoming(.table, slot: slot))
    metadata.value.setPrevious(UInt32(truncatingIfNeeded: parent.rawValue))
  }
}
