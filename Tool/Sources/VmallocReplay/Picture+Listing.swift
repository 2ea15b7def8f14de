public import LinuxMemory

extension Picture {
  /// The areas of a list. Where their addresses are hidden or hashed they are laid one behind the other, in
  /// the order of the list, and a note says so.
  /// - Parameter filter: which of the areas, which have to be kept.
  public init(_ snapshot: Snapshot, _ filter: AreaFilter = AreaFilter()) {
    self.init(title: snapshot.name)
    kinds = AreaKind.allCases.map(\.name)
    owners = snapshot.callers.ids.map { id in
      let caller = snapshot.callers[id]
      if caller.symbol.isEmpty { return "(nobody is named)" }
      return caller.module.isEmpty ? caller.function : "\(caller.function) [\(caller.module)]"
    }
    let numbers = Dictionary(
      zip(snapshot.callers.ids, 0...).map { ($0, UInt32($1)) }, uniquingKeysWith: { first, _ in first })
    let pageSize = snapshot.pageSize
    pageShift = pageSize.trailingZeroBitCount
    let areReal = snapshot.addresses == .real
    var next: UInt64 = 16
    var leftOut = 0
    for area in snapshot.areas(filter) {
      guard let size = areReal && area.addresses != .real ? nil : area.size, size > 0 else {
        leftOut += 1
        continue
      }
      let span = areReal ? (area.end &- area.start) : size
      let pages = max(1, span / pageSize)
      let drawn = PictureArea(
        firstPage: areReal ? area.start / pageSize : next, pages: pages, owner: numbers[area.caller] ?? 0)
      next += pages + 1
      areas.append(completed(drawn, area, snapshot, size / pageSize))
    }
    merge()
    notes = Self.notes(snapshot, areReal: areReal, leftOut: leftOut)
  }

  private func completed(
    _ drawn: PictureArea, _ area: Area, _ snapshot: Snapshot, _ sizePages: UInt64
  ) -> PictureArea {
    var drawn = drawn
    let kind = snapshot.kind(of: area)
    drawn.kind = UInt8(AreaKind.allCases.firstIndex(of: kind) ?? 0)
    drawn.frames = min(area.pages ?? 0, drawn.pages)
    if drawn.frames > 0, drawn.frames < drawn.pages {
      drawn.guardPages = drawn.pages - drawn.frames
    }
    if let physical = area.physical, drawn.pages > 1 {
      drawn.runs = [(physical >> UInt64(pageShift), max(1, sizePages - 1))]
    }
    return drawn
  }

  /// Callers that differ in where in a function they are have one name, and are one owner.
  private mutating func merge() {
    var numbers: [String: UInt32] = [:]
    var merged: [String] = []
    let moved = owners.map { name in
      if let known = numbers[name] { return known }
      numbers[name] = UInt32(merged.count)
      merged.append(name)
      return UInt32(merged.count - 1)
    }
    for index in areas.indices { areas[index].owner = moved[Int(areas[index].owner)] }
    owners = merged
  }

  private static func notes(_ snapshot: Snapshot, areReal: Bool, leftOut: Int) -> [String] {
    var notes: [String] = []
    if !areReal {
      notes.append(
        "The addresses of this list are not real (hashed, zero or hidden): areas are laid one behind the"
          + " other in its order, and holes and page tables mean nothing.")
    }
    if leftOut > 0 { notes.append("\(leftOut) areas have no address or no size, and are left out.") }
    return notes
  }
}
