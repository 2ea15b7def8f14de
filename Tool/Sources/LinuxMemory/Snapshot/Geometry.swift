/// The size of a page and of a guard, as the rows of a list show them.
///
/// A row with `pages=` has room for its pages and a guard. Each size of page that some kernel has gets a vote
/// from every row that fits it with the guard of one page, or with the 17 pages of newer x86-64 kernels; the
/// guard of one 4 KiB page is never taken for granted.
public struct Geometry: Equatable, Sendable {
  static let candidates: [UInt64] = [4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10, 256 << 10]

  private var votes = [Int](repeating: 0, count: candidates.count)
  /// Rows whose pages would not fit into the area at that size.
  private var misfits = [Int](repeating: 0, count: candidates.count)
  /// Rows with `pages=`.
  public private(set) var rows = 0
  private var wideGuards = 0
  /// Rows that name more pages than fit into their space, whatever a page is: damaged ones.
  public private(set) var oversizedRows = 0

  public init() {}

  @inline(__always)
  mutating func add(space: UInt64, pages: UInt64) {
    if pages == 0 || space == 0 { return }
    if pages > space / Self.candidates[0] { oversizedRows += 1 }
    if pages > 1 << 40 { return }
    rows += 1
    // The usual case first: 4 KiB pages and a guard of one page decide the other sizes, too.
    for index in 0..<Self.candidates.count {
      let size = Self.candidates[index]
      let used = pages &* size
      if used > space {
        for larger in index..<Self.candidates.count { misfits[larger] += 1 }
        break
      }
      if space & (size - 1) != 0 { misfits[index] += 1 }
      let guardSize = space - used
      if guardSize == size {
        votes[index] += 1
      } else if index == 0, guardSize == 17 * size {
        votes[index] += 1
        wideGuards += 1
      }
    }
  }

  /// The size of a page in bytes.
  public var pageSize: UInt64 {
    guard rows > 0 else { return Self.candidates[0] }
    let allowed = rows / 100
    var best = 0
    for index in 1..<Self.candidates.count where votes[index] > votes[best] { best = index }
    if votes[best] > 0 { return Self.candidates[best] }
    // No row has a guard of one page: the largest size that all rows agree with, of the three usual ones.
    let fitting = [4, 2, 0].first { misfits[$0] <= allowed }
    return Self.candidates[fitting ?? 0]
  }

  /// How many rows say so, or nil where none does and 4 KiB is assumed.
  public var supportingRows: Int? {
    guard rows > 0, let index = Self.candidates.firstIndex(of: pageSize) else { return nil }
    return votes[index] > 0 ? votes[index] : rows - misfits[index]
  }

  /// Whether most rows have a guard of 17 pages.
  public var hasWideGuards: Bool { wideGuards * 2 > rows }
}
