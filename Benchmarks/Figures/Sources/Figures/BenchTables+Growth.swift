extension BenchTables {
  /// States of a machine, and the empty state that each is laid beside.
  private static let states = [
    ("growth_empty", "nothing live", "growth_empty"),
    ("growth_live_1", "1 live area", "growth_empty"),
    ("growth_live_1000", "1,000 live areas", "growth_empty"),
    ("growth_live_100000", "100,000 live areas", "growth_empty"),
    ("growth_live_1000000", "1,000,000 live areas", "growth_empty"),
    ("growth_memory_50", "50 % of memory used", "growth_empty"),
    ("growth_memory_95", "95 % of memory used", "growth_empty"),
    ("growth_random", "a million operations later", "growth_empty"),
    ("growth_range_empty", "a range, empty", "growth_range_empty"),
    ("growth_range_50", "50 % of the range used", "growth_range_empty"),
    ("growth_range_95", "95 % of the range used", "growth_range_empty"),
  ]

  /// A state of a full machine is as good as the empty one up to a factor, and its worst operations are
  /// bounded.
  var growth: [String] {
    guard let ratio = anchors.goal("growth_ratio"), let vmalloc = anchors.goal("growth_worst_vmalloc"),
      let vfree = anchors.goal("growth_worst_vfree")
    else { return [] }
    var lines: [String] = []
    for (state, name, base) in Self.states {
      for mode in ["cold", "warm"] {
        guard let mean = figures["\(state)_\(mode)"], let empty = figures["\(base)_\(mode)"] else { continue }
        let worst = { (call: String) in figures["\(state)_worst_\(call)_\(mode)"] ?? 0 }
        let allowed = anchors.goal("\(state)_worst_vmalloc") ?? vmalloc
        lines.append(
          columns(
            (name, -28), (mode, -6), (figures.text("\(state)_\(mode)"), 9), ((mean / empty).fixed(3), 10),
            ("", 2), (verdict(mean / empty, ratio), -9), (figures.text("\(state)_worst_vmalloc_\(mode)"), 15),
            ("", 2), (verdict(worst("vmalloc"), allowed), -9),
            (figures.text("\(state)_worst_vfree_\(mode)"), 13), ("", 2), (verdict(worst("vfree"), vfree), 0)))
      }
    }
    if lines.isEmpty { return [] }
    let head = columns(
      ("pairs of one page", -28), ("", -6), ("mean", 9), ("of empty", 10), ("", 2), ("", -9),
      ("worst vmalloc", 15), ("", 2), ("", -9), ("worst vfree", 13), ("", 2))
    var goals = "goals: of empty \(ratio), worst vmalloc \(vmalloc.fixed(0))"
    if let full = anchors.goal("growth_memory_95_worst_vmalloc") {
      goals += " (with 95 % of memory used \(full.fixed(0)))"
    }
    return [head] + lines + [goals + ", worst vfree \(vfree.fixed(0))"]
  }
}
