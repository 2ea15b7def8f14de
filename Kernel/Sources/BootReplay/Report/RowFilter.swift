internal import KernelMemory

// The manager writes its listing as one text. These two sinks make an excerpt of it: the one counts the
// rows, the other lets the first and the last rows pass.

/// Counts rows.
struct RowCounter: TextSink {
  private(set) var rows: UInt64 = 0

  mutating func write(_ byte: UInt8) {
    if byte == UInt8(ascii: "\n") { rows += 1 }
  }
}

/// Passes on the rows from each end, and one row that tells how many lie between.
struct RowFilter<Base: TextSink>: TextSink {
  private(set) var base: Base
  private let head: UInt64
  private let tail: UInt64
  private var row: UInt64 = 0

  init(_ base: Base, rows: UInt64, atEachEnd ends: UInt64) {
    self.base = base
    head = min(ends, rows)
    tail = rows - min(ends, rows - head)
  }

  mutating func write(_ byte: UInt8) {
    if row < head || row >= tail { base.write(byte) }
    guard byte == UInt8(ascii: "\n") else { return }
    row += 1
    if row == head, head < tail { tellOmitted() }
  }

  private mutating func tellOmitted() {
    base.write("  ... ")
    base.write(grouped: tail - head)
    base.write(" rows more ...\n")
  }
}
