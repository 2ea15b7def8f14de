import LinuxMemory

// `inspect` for programs: the same numbers as the table, in bytes and pages.

extension InspectReport {
  /// The report as JSON.
  var json: JSON {
    var members: [(String, JSON)] = [("file", .string(snapshot.name))]
    if snapshot.areaCount > 0 {
      members += summaryMembers
      members.append(view.by == .none ? ("list", .array(listedAreas.map(json(of:)))) : ("groups", groupsJSON))
      if let histogram = HistogramReport(self) { members.append(("histogram", histogram.json)) }
    }
    if !snapshot.meminfo.isEmpty { members.append(("kernel_sums", kernelSums)) }
    if !snapshot.allocinfo.isEmpty { members += AllocationReport(snapshot.allocinfo, view).members }
    if let join { members.append(("join", join.json)) }
    members.append(
      ("advice", .array(advice.map { .object([("kind", .string($0.kind)), ("text", .string($0.text))]) })))
    members.append(("reading", reading))
    return .object(members)
  }

  private var summaryMembers: [(String, JSON)] {
    let states = AddressState.allCases.map {
      ("\($0)", JSON.number(snapshot.addressCounts[Int($0.rawValue)]))
    }
    return [
      ("areas", .number(summary.all.areas)),
      ("addresses", .object(states)),
      ("page_size_bytes", .number(summary.pageSize)),
      ("page_size_rows", .optional(snapshot.geometry.supportingRows)),
      ("space_bytes", .number(summary.all.space)),
      ("pages", .number(summary.all.pages)),
      ("pages_bytes", .number(summary.pageBytes)),
      ("guard_bytes", .number(summary.guardBytes(of: summary.all))),
      ("device_space_bytes", .number(summary.devices.space)),
      ("percpu_space_bytes", .number(summary.percpu.space)),
      ("vmap_space_bytes", .number(summary.vmap.space)),
      ("vm_map_ram_space_bytes", .number(summary.mapRAM.space)),
      ("lazy_space_bytes", .number(summary.lazy.space)),
      ("lazy_areas", .number(summary.lazy.areas)),
      ("largest_hole_bytes", .optional(layout?.largestHole?.size)),
      ("nodes", Self.nodes(summary.all.nodes)),
    ]
  }

  private static func nodes(_ pages: [UInt64]) -> JSON {
    .object(pages.enumerated().filter { $0.element > 0 }.map { ("N\($0.offset)", .number($0.element)) })
  }

  private var groupsJSON: JSON {
    .array(
      (shown + (rest.map { [$0] } ?? [])).map { group in
        .object([
          (view.by.rawValue, .string(group.name)),
          ("module", group.module.isEmpty ? .null : .string(group.module)),
          ("kind", group.kind.map { .string($0.name) } ?? .null), ("owned", .bool(!group.hasNoOwner)),
          ("areas", .number(group.sums.areas)), ("space_bytes", .number(group.sums.space)),
          ("pages", .number(group.sums.pages)), ("pages_bytes", .number(summary.bytes(of: group.sums))),
          ("guard_bytes", .number(summary.guardBytes(of: group.sums))),
          ("nodes", Self.nodes(group.sums.nodes)),
        ])
      })
  }

  private func json(of area: Area) -> JSON {
    let caller = snapshot.callers[area.caller]
    var nodes: [(String, JSON)] = []
    area.nodes.forEach { nodes.append(("N\($0)", .number($1))) }
    let hasAddress = area.addresses == .real || area.addresses == .hashed
    return .object([
      ("addresses", .string("\(area.addresses)")),
      ("start", hasAddress ? .string("0x" + String(area.start, radix: 16)) : .null),
      ("end", hasAddress ? .string("0x" + String(area.end, radix: 16)) : .null),
      ("size_bytes", .optional(area.size)), ("space_bytes", .number(area.space)),
      ("kind", .string(snapshot.kind(of: area).name)),
      ("symbol", caller.symbol.isEmpty ? .null : .string(caller.symbol)), ("offset", .string(caller.offset)),
      ("module", caller.module.isEmpty ? .null : .string(caller.module)), ("pages", .optional(area.pages)),
      ("phys", area.physical.map { .string("0x" + String($0, radix: 16)) } ?? .null),
      ("nodes", .object(nodes)),
      ("unknown_words", .array(area.unknownWords.map(JSON.string))),
    ])
  }

  private var kernelSums: JSON {
    let meminfo = snapshot.meminfo
    return .object([
      ("vmalloc_total_bytes", .optional(meminfo.total)), ("vmalloc_used_bytes", .optional(meminfo.used)),
      ("vmalloc_used_note", meminfo.used.map { .string(comparison.reason($0)) } ?? .null),
      ("nr_vmalloc_pages", .optional(meminfo.pages)),
    ])
  }

  private var reading: JSON {
    .object(
      [("lines", .number(snapshot.report.lines))]
        + ReadReport.Damage.allCases.map { ($0.rawValue, .number(snapshot.report[$0])) }
        + [("oversized", .number(snapshot.geometry.oversizedRows))])
  }

  /// The report as comma-separated values: one row a group, or an area.
  var csv: [String] {
    if snapshot.areaCount == 0 { return AllocationReport(snapshot.allocinfo, view).csv }
    if view.by == .none {
      return [
        CSV.line([
          "start", "end", "size_bytes", "space_bytes", "kind", "symbol", "offset", "module", "pages", "phys",
        ])
      ]
        + listedAreas.map(csvLine(of:))
    }
    let heading = [
      view.by.rawValue, "module", "kind", "areas", "space_bytes", "pages", "pages_bytes", "guard_bytes",
    ]
    return [CSV.line(heading)]
      + (shown + (rest.map { [$0] } ?? [])).map { group in
        CSV.line([
          group.name, group.module, group.kind?.name ?? "", "\(group.sums.areas)", "\(group.sums.space)",
          "\(group.sums.pages)", "\(summary.bytes(of: group.sums))", "\(summary.guardBytes(of: group.sums))",
        ])
      }
  }

  private func csvLine(of area: Area) -> String {
    let caller = snapshot.callers[area.caller]
    let hasAddress = area.addresses == .real || area.addresses == .hashed
    func address(_ value: UInt64) -> String { hasAddress ? "0x" + String(value, radix: 16) : "" }
    return CSV.line([
      address(area.start), address(area.end), area.size.map { "\($0)" } ?? "", "\(area.space)",
      snapshot.kind(of: area).name, caller.symbol, caller.offset, caller.module,
      area.pages.map { "\($0)" } ?? "",
      area.physical.map { "0x" + String($0, radix: 16) } ?? "",
    ])
  }
}
