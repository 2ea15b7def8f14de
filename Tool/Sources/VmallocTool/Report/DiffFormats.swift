import LinuxMemory

extension DiffReport {
  /// The report for people.
  func lines(top: Int, _ paint: Paint, width: Int?) -> [String] {
    if let allocations { return allocations.lines(top: top, paint, width: width) }
    var lines = InspectTable.lines(facts, paint, width)
    let rows = shown(top)
    if rows.isEmpty { return lines + ["", "Nothing changed."] }
    lines.append("")
    lines += table(rows, paint, width)
    let suspects = suspects.prefix(top == 0 ? Int.max : 5)
    if !suspects.isEmpty {
      lines += ["", paint("Leak suspects, the most likely first:", .heading)]
      for (index, suspect) in suspects.enumerated() {
        lines.append(
          "  \(index + 1). \(Self.name(suspect.owner)): \(Sizes.change(pageGrowth(suspect.owner))), \(suspect.reason)."
        )
      }
    }
    return lines
  }

  private func shown(_ top: Int) -> [OwnerChange] { top == 0 ? changed : Array(changed.prefix(top)) }

  static func name(_ owner: OwnerChange) -> String {
    Text.printable(owner.module.isEmpty ? owner.name : "\(owner.name) [\(owner.module)]", 200)
  }

  private var facts: [Fact] {
    let matched =
      difference.matching == .addresses
      ? "one boot: \(difference.common) areas have the same addresses in both"
      : "by function and module: the addresses have nothing in common"
    func fact(_ label: String, _ before: UInt64, _ after: UInt64, _ note: String = "") -> Fact {
      Fact(
        label: label, value: Sizes.change(Self.growth(before, after)),
        note: "\(Sizes.human(before)) before, \(Sizes.human(after)) now\(note)")
    }
    let (a, b) = (oldSummary, newSummary)
    return [
      Fact(label: "matched", value: "", note: matched),
      Fact(
        label: "areas", value: Sizes.change(b.all.areas - a.all.areas),
        note: "\(a.all.areas) before, \(b.all.areas) now"),
      fact("pages", a.pageBytes, b.pageBytes),
      fact(
        "owned space", a.all.space - min(a.all.space, a.lazy.space),
        b.all.space - min(b.all.space, b.lazy.space)),
      fact("lazy space", a.lazy.space, b.lazy.space, ": freed, not yet flushed"),
    ] + usedFacts
  }

  private var usedFacts: [Fact] {
    guard let before = old.meminfo.used, let after = new.meminfo.used else { return [] }
    return [
      Fact(
        label: "VmallocUsed", value: Sizes.change(Self.growth(before, after)),
        note: "\(Sizes.human(before)) before, \(Sizes.human(after)) now")
    ]
  }

  private func table(_ rows: [OwnerChange], _ paint: Paint, _ width: Int?) -> [String] {
    var table = Table([
      Table.Column(title: "PAGES"), Table.Column(title: "NOW", drop: 2),
      Table.Column(title: "SPACE", drop: 1),
      Table.Column(title: "AREAS", drop: 3), Table.Column(title: "CAME", drop: 4),
      Table.Column(title: "WENT", drop: 4), Table.Column(title: "NODES", isRight: false, drop: 5),
      Table.Column(title: "OWNER", isRight: false, isFlexible: true),
    ])
    let byAddress = difference.matching == .addresses
    for owner in rows {
      let growth = pageGrowth(owner)
      let pages = newSummary.bytes(of: owner.after)
      table.add(
        [
          growth == 0 ? "-" : Sizes.change(growth), pages == 0 ? "-" : Sizes.human(pages),
          Sizes.change(spaceGrowth(owner)), Sizes.change(owner.after.areas - owner.before.areas),
          byAddress ? "\(owner.appeared)" : "", byAddress ? "\(owner.vanished)" : "", Self.nodes(owner),
          Self.name(owner) + (owner.hasNoOwner ? " (no owner)" : ""),
        ], owner.hasNoOwner ? .quiet : growth > 0 ? .growth : growth < 0 ? .decrease : .plain)
    }
    return table.lines(width: width, paint)
  }

  private static func nodes(_ owner: OwnerChange) -> String {
    guard owner.changedNodes || owner.moved > 0 else { return "" }
    return "\(InspectTable.nodes(owner.before.nodes)) → \(InspectTable.nodes(owner.after.nodes))"
  }

  /// The report as JSON.
  func json(top: Int) -> JSON {
    .object([
      ("old", .string(old.name)), ("new", .string(new.name)),
      ("matched_by", .string(difference.matching.rawValue)),
      ("common_areas", .number(difference.common)), ("pages_growth_bytes", .number(totalGrowth)),
      ("space_growth_bytes", .number(Self.growth(oldSummary.all.space, newSummary.all.space))),
      ("lazy_growth_bytes", .number(Self.growth(oldSummary.lazy.space, newSummary.lazy.space))),
      ("owners", .array(shown(top).map(json(of:)))),
      ("allocations", allocations?.json(top: top) ?? .array([])),
      (
        "suspects",
        .array(
          suspects.map {
            .object([
              ("owner", .string($0.owner.name)), ("module", .string($0.owner.module)),
              ("reason", .string($0.reason)),
            ])
          })
      ),
      ("advice", .array(advice.map { .object([("kind", .string($0.kind)), ("text", .string($0.text))]) })),
    ])
  }

  private func json(of owner: OwnerChange) -> JSON {
    .object([
      ("owner", .string(owner.name)), ("module", owner.module.isEmpty ? .null : .string(owner.module)),
      ("owned", .bool(!owner.hasNoOwner)), ("areas_before", .number(owner.before.areas)),
      ("areas_after", .number(owner.after.areas)), ("appeared", .number(owner.appeared)),
      ("vanished", .number(owner.vanished)), ("moved", .number(owner.moved)),
      ("pages_growth_bytes", .number(pageGrowth(owner))), ("space_growth_bytes", .number(spaceGrowth(owner))),
      ("nodes_before", .array(owner.before.nodes.map { .number($0) })),
      ("nodes_after", .array(owner.after.nodes.map { .number($0) })),
    ])
  }

  /// The report as comma-separated values.
  func csv(top: Int) -> [String] {
    if let allocations { return allocations.csv(top: top) }
    return [
      CSV.line([
        "owner", "module", "pages_growth_bytes", "space_growth_bytes", "areas_before", "areas_after",
        "appeared", "vanished", "moved",
      ])
    ]
      + shown(top).map {
        CSV.line([
          $0.name, $0.module, "\(pageGrowth($0))", "\(spaceGrowth($0))", "\($0.before.areas)",
          "\($0.after.areas)",
          "\($0.appeared)", "\($0.vanished)", "\($0.moved)",
        ])
      }
  }
}
