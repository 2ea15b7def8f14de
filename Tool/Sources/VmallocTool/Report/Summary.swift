import LinuxMemory

/// The sums at the head of a report, in numbers: every format prints these.
struct Summary {
  let all: AreaSums
  let devices: AreaSums
  let lazy: AreaSums
  let mapRAM: AreaSums
  let percpu: AreaSums
  let vmap: AreaSums
  let pageSize: UInt64

  init(_ snapshot: Snapshot, _ filter: AreaFilter) {
    all = snapshot.sums(filter)
    devices = snapshot.sums(filter) { $0 == .ioremap }
    lazy = snapshot.sums(filter) { $0 == .unpurged }
    mapRAM = snapshot.sums(filter) { $0 == .mapRAM }
    percpu = snapshot.sums(filter) { $0 == .percpu }
    vmap = snapshot.sums(filter) { $0 == .vmap }
    pageSize = snapshot.pageSize
  }

  /// Bytes of memory that the rows name.
  var pageBytes: UInt64 { bytes(of: all) }

  /// Bytes of memory of some rows.
  func bytes(of sums: AreaSums) -> UInt64 { sums.pages.clampedProduct(pageSize) }

  /// Address space of areas with pages that holds none: guards and rounding.
  func guardBytes(of sums: AreaSums) -> UInt64 {
    let pages = bytes(of: sums)
    return sums.pagedSpace > pages ? sums.pagedSpace - pages : 0
  }
}

extension UInt64 {
  /// A product that stays at the largest number.
  func clampedProduct(_ other: UInt64) -> UInt64 {
    let (product, over) = multipliedReportingOverflow(by: other)
    return over ? .max : product
  }
}

/// One line at the head of a report.
struct Fact {
  var label: String
  var value: String
  var note = ""
  var style = Style.plain
}

extension Summary {
  /// The head of a report on areas.
  func facts(_ snapshot: Snapshot) -> [Fact] {
    var facts = [
      Fact(label: "areas", value: "\(all.areas)", note: Self.addressNote(snapshot)),
      Fact(label: "address space", value: Sizes.human(all.space), note: sizelessNote),
      Fact(label: "pages", value: Sizes.human(pageBytes), note: pageNote(snapshot)),
    ]
    func add(_ label: String, _ sums: AreaSums, _ note: String) {
      if sums.areas == 0 { return }
      facts.append(
        Fact(label: label, value: Sizes.human(sums.space), note: "\(Self.areas(sums.areas)), \(note)"))
    }
    let guards = guardBytes(of: all)
    if all.pagedSpace > 0 {
      facts.append(
        Fact(
          label: "guards", value: Sizes.human(guards),
          note: "\(Sizes.share(guards, of: all.pagedSpace)) of the space of areas with pages"
            + (snapshot.geometry.hasWideGuards ? "; most have 17 pages of guard" : "")))
    }
    if let fact = nodesFact { facts.append(fact) }
    let oversized = snapshot.geometry.oversizedRows
    if oversized > 0 {
      facts.append(
        Fact(
          label: "damaged", value: "\(oversized)",
          note: "rows name more pages than fit into them: the sums have them, and are too large",
          style: .warning)
      )
    }
    add("devices", devices, "registers and device memory: no RAM")
    add("vmap", vmap, "pages that are counted elsewhere")
    add("per-CPU", percpu, "reserved space; its pages are counted as Percpu in /proc/meminfo")
    add("vm_map_ram", mapRAM, "nobody is named")
    add("lazy", lazy, "freed and not yet flushed: space without memory")
    return facts
  }

  /// Whether memory is spread over nodes, where the rows tell.
  private var nodesFact: Fact? {
    let used = all.nodes.enumerated().filter { $0.element > 0 }
    if used.isEmpty { return nil }
    let shown = used.prefix(8).map { node, pages in
      "N\(node) \(Sizes.human(pages.clampedProduct(pageSize)))"
    }
    return Fact(
      label: "nodes", value: "\(used.count)",
      note: shown.joined(separator: ", ") + (used.count > 8 ? ", …" : ""))
  }

  static func areas(_ count: Int) -> String { count == 1 ? "1 area" : "\(count) areas" }

  static func others(_ count: Int) -> String { count == 1 ? "1 other" : "\(count) others" }

  private var sizelessNote: String {
    all.sizeless == 0 ? "" : "\(Self.areas(all.sizeless)) without a size: not counted here"
  }

  private func pageNote(_ snapshot: Snapshot) -> String {
    guard snapshot.geometry.rows > 0 else { return "no row says pages=" }
    let size = "\(all.pages) of \(Sizes.human(pageSize))"
    guard let rows = snapshot.geometry.supportingRows else { return size }
    return size + ", as \(rows) of \(snapshot.geometry.rows) rows with pages show"
  }

  private static func addressNote(_ snapshot: Snapshot) -> String {
    guard let state = snapshot.addresses else { return "" }
    let count = snapshot.addressCounts[Int(state.rawValue)]
    let others = snapshot.areaCount - count
    let text =
      switch state {
      case .real: "addresses are real"
      case .hashed: "addresses are hashed: sizes are right, holes cannot be seen"
      case .zero: "addresses are zero (kptr_restrict): holes cannot be seen"
      case .hidden: "addresses are hidden"
      case .absent: "addresses are missing"
      }
    return others == 0 ? text : text + " (of \(count); \(others) are not)"
  }
}
