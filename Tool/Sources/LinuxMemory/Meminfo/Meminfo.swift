/// The lines about vmalloc of /proc/meminfo and /proc/vmstat, in bytes and pages.
public struct Meminfo: Equatable, Sendable {
  /// `VmallocTotal`: the size of the address space, in bytes.
  public var total: UInt64?
  /// `VmallocUsed` in bytes: address space before Linux 4.4, always zero from 4.4 to 5.2, pages since 5.3.
  public var used: UInt64?
  /// `VmallocChunk` in bytes: the largest hole before Linux 4.4, always zero since.
  public var chunk: UInt64?
  /// `nr_vmalloc` of /proc/vmstat: pages.
  public var pages: UInt64?

  public init() {}

  public var isEmpty: Bool { total == nil && used == nil && chunk == nil && pages == nil }

  /// What `VmallocUsed` counts, as far as the numbers tell.
  public enum Meaning: Equatable, Sendable {
    /// Address space, from before Linux 4.4.
    case addressSpace
    /// The constant zero of Linux 4.4 to 5.2.
    case constantZero
    /// Pages, since Linux 5.3.
    case pages
  }

  /// What `used` counts, beside a list of that many bytes of pages and of address space.
  public func meaning(listedPages: UInt64, listedSpace: UInt64) -> Meaning {
    if let chunk, chunk > 0 { return .addressSpace }
    guard let used else { return .pages }
    if used == 0 { return listedPages > 0 ? .constantZero : .pages }
    func distance(_ value: UInt64) -> UInt64 { value > used ? value - used : used - value }
    return distance(listedSpace) < distance(listedPages) ? .addressSpace : .pages
  }

  /// Reads a line if it is one of these.
  mutating func take(_ line: Span<UInt8>) -> Bool {
    if let place = line.find("Vmalloc") { return takeVmalloc(line, place) }
    guard let place = line.find("nr_vmalloc "), place == 0 || line.byte(place - 1).isSpace else {
      return false
    }
    var at = place + 11
    line.skipSpaces(&at)
    guard let value = line.decimal(&at) else { return false }
    pages = value
    return true
  }

  private mutating func takeVmalloc(_ line: Span<UInt8>, _ place: Int) -> Bool {
    var at = place + 7
    let key = at
    while at < line.count, line.byte(at) != 0x3A { at += 1 }
    let name = key..<at
    at += 1
    line.skipSpaces(&at)
    guard let kilobytes = line.decimal(&at) else { return false }
    let value = kilobytes.clampedMultiply(1024)
    if line.isWord("Total", name) {
      total = value
    } else if line.isWord("Used", name) {
      used = value
    } else if line.isWord("Chunk", name) {
      chunk = value
    } else {
      return false
    }
    return true
  }
}

extension Meminfo {
  /// Takes over what another text says and this one does not.
  public mutating func fill(from other: Meminfo) {
    total = total ?? other.total
    used = used ?? other.used
    chunk = chunk ?? other.chunk
    pages = pages ?? other.pages
  }
}
