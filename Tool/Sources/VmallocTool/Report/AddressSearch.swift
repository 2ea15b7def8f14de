import LinuxMemory

/// `inspect --at`: whose an address is.
struct AddressSearch {
  let address: UInt64

  /// - Parameter text: an address that `address(_:)` can read.
  init(_ text: String) { address = Self.address(text) ?? 0 }

  /// The number in `0xffffc900…`, or in the same digits alone.
  static func address(_ text: String) -> UInt64? {
    let digits = text.hasPrefix("0x") || text.hasPrefix("0X") ? text.dropFirst(2) : text[...]
    return digits.first == "+" ? nil : UInt64(digits, radix: 16)
  }

  /// The list with only the areas that have the address.
  /// - Throws: `InputError` where none has it, or addresses are not real.
  func search(_ snapshot: Snapshot) throws(InputError) -> Snapshot {
    let place = "0x" + String(address, radix: 16)
    guard snapshot.addresses == .real else {
      throw .unsuitable(
        snapshot.name,
        "its addresses are \(snapshot.addresses.map { "\($0)" } ?? "missing"), so that none can "
          + "be looked up")
    }
    let found = snapshot.keeping { area in
      area.addresses == .real && area.start <= address && address < area.end
    }
    guard found.areaCount > 0 else {
      throw .unsuitable(snapshot.name, "no area has the address \(place)" + neighbour(in: snapshot))
    }
    return found
  }

  private func neighbour(in snapshot: Snapshot) -> String {
    let below = snapshot.areas.filter { $0.addresses == .real && $0.end <= address }.max { $0.end < $1.end }
    guard let below else { return "" }
    return
      "; the nearest one below ends \(Sizes.human(address - below.end)) before it: "
      + Text.printable(snapshot.callers[below.caller].text, 100)
  }

  /// A sentence where the address lies behind the pages of an area.
  func note(_ found: Snapshot) -> String? {
    guard let area = found.areas.first, let pages = area.pages, pages > 0 else { return nil }
    let (end, overflow) = area.start.addingReportingOverflow(pages.clampedProduct(found.pageSize))
    guard !overflow, address >= end else { return nil }
    return "the address is \(Sizes.human(address - end)) behind the area's last page, in its guard."
  }
}
