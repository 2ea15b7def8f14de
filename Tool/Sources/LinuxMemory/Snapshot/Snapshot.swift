/// What one text says about a kernel's memory: its areas in sums, its Vmalloc lines, its allocation sites.
///
/// Areas are summed by caller and kind as they come, so that a list of any length takes the room of its
/// callers; single areas are kept where that is asked for.
public struct Snapshot: Sendable {
  /// The name of the file.
  public var name: String
  public var callers = CallerTable()
  /// One for every caller and kind, in the order in which they came.
  public private(set) var cells: [Cell] = []
  /// The single areas, where they are kept.
  public private(set) var areas: [Area] = []
  /// How many areas have addresses of each state.
  public private(set) var addressCounts = [Int](repeating: 0, count: AddressState.allCases.count)
  /// Areas that begin where the area of the line before ends: it shows even where addresses are hashed.
  public private(set) var adjacentAreas = 0
  public private(set) var geometry = Geometry()
  public var meminfo = Meminfo()
  public var allocinfo = Allocinfo()
  public var report = ReadReport()
  /// Start and end of every area with real addresses.
  private(set) var ranges: [(start: UInt64, end: UInt64)] = []
  private(set) var rangesAreSorted = true

  let keepsAreas: Bool
  private var firstCell: [Int32] = []
  private var previousEnd: UInt64 = 0

  public init(name: String, keepsAreas: Bool = false) {
    self.name = name
    self.keepsAreas = keepsAreas
  }

  /// The number of areas.
  public var areaCount: Int { addressCounts.reduce(0, +) }

  /// The state of most addresses, or nil without areas.
  public var addresses: AddressState? {
    guard let most = addressCounts.max(), most > 0, let index = addressCounts.firstIndex(of: most) else {
      return nil
    }
    return AddressState(rawValue: UInt8(index))
  }

  /// Whether nothing of interest was found.
  public var isEmpty: Bool { areaCount == 0 && meminfo.isEmpty && allocinfo.isEmpty }

  /// The size of a page in bytes.
  public var pageSize: UInt64 { geometry.pageSize }

  /// Adds an area whose caller is in this snapshot's table.
  mutating func add(_ area: borrowing Area) {
    let space = area.space
    addressCounts[Int(area.addresses.rawValue)] += 1
    if area.addresses == .real || area.addresses == .hashed {
      if area.start == previousEnd { adjacentAreas += 1 }
      previousEnd = area.end
    }
    if area.addresses == .real {
      if let last = ranges.last, last.start > area.start { rangesAreSorted = false }
      ranges.append((area.start, area.end))
    }
    if let pages = area.pages { geometry.add(space: space, pages: pages) }
    let cell = cellIndex(area.caller, area.kind)
    cells[cell].sums.add(area, space: space)
    if keepsAreas { areas.append(copy area) }
  }

  @inline(__always)
  private mutating func cellIndex(_ caller: CallerID, _ kind: AreaKind) -> Int {
    let index = Int(caller.index)
    while firstCell.count <= index { firstCell.append(-1) }
    var at = firstCell[index]
    while at >= 0 {
      if cells[Int(at)].kind == kind { return Int(at) }
      at = cells[Int(at)].next
    }
    cells.append(Cell(caller: caller, kind: kind, next: firstCell[index]))
    firstCell[index] = Int32(cells.count - 1)
    return cells.count - 1
  }

  /// The kind of a cell: only its caller tells address space of per-CPU chunks from other vmalloc areas.
  public func kind(of cell: Cell) -> AreaKind { kind(cell.kind, callers[cell.caller]) }

  /// The kind of a single area.
  public func kind(of area: Area) -> AreaKind { kind(area.kind, callers[area.caller]) }

  private func kind(_ kind: AreaKind, _ caller: Caller) -> AreaKind {
    kind == .vmalloc && caller.symbol.hasPrefix("pcpu_get_vm_areas") ? .percpu : kind
  }
}

extension Area {
  /// What the flags say; per-CPU chunks are known by their caller alone.
  @inline(__always) var kind: AreaKind {
    if flags.contains(.unpurged) { return .unpurged }
    if flags.contains(.mapRAM) { return .mapRAM }
    if flags.contains(.ioremap) { return .ioremap }
    if flags.contains(.dmaCoherent) { return .dmaCoherent }
    if flags.contains(.vmap) { return .vmap }
    return flags.contains(.vmalloc) ? .vmalloc : .other
  }
}
