import LinuxMemory

/// `inspect --join`: vmallocinfo and allocinfo side by side, with what does not agree and why.
struct JoinReport {
  let join: OwnerJoin
  let top: Int
  /// The rows that were put beside the list.
  let info: Allocinfo

  init(_ snapshot: Snapshot, _ info: Allocinfo, top: Int) {
    join = OwnerJoin(snapshot, info)
    self.top = top
    self.info = info
  }

  private var shown: [JoinedOwner] { top == 0 ? join.owners : Array(join.owners.prefix(top)) }

  func lines(_ paint: Paint, width: Int?) -> [String] {
    var table = Table([
      Table.Column(title: "PAGES"), Table.Column(title: "ALLOCINFO"), Table.Column(title: "RESIDUE"),
      Table.Column(title: "FUNCTION", isRight: false),
      Table.Column(title: "WHY", isRight: false, isFlexible: true),
    ])
    for owner in shown {
      table.add([
        owner.pageBytes.map(Sizes.human) ?? "-", owner.allocatedBytes.map(AllocationReport.size) ?? "-",
        Sizes.change(Self.residue(owner)), Self.name(owner), owner.residue.rawValue,
      ])
    }
    let rest = join.owners.count - shown.count
    let residue = Usage.difference(join.commonBytes, Int64(clamping: join.pageBytes))
    return table.lines(width: width, paint) + (rest > 0 ? [paint("and \(rest) functions more", .quiet)] : [])
      + [
        "",
        "Residue: \(Sizes.change(residue)), allocinfo's bytes of these functions less the pages of their areas.",
        "Only in allocinfo: \(AllocationReport.size(join.otherBytes)) of \(join.otherFunctions) functions whose areas are not "
          + "listed, or that never call vmalloc.",
        "Only in vmallocinfo: \(Sizes.human(join.spaceWithoutPages)) of address space without pages of its own (ioremap, "
          + "vmap, vm_map_ram, per-CPU, unpurged), which allocinfo never has.",
      ]
  }

  private static func residue(_ owner: JoinedOwner) -> Int64 {
    Usage.difference(owner.allocatedBytes ?? 0, Int64(clamping: owner.pageBytes ?? 0))
  }

  private static func name(_ owner: JoinedOwner) -> String {
    Text.printable(owner.module.isEmpty ? owner.function : "\(owner.function) [\(owner.module)]", 60)
  }

  /// The value of the member `join`.
  var json: JSON {
    .object([
      (
        "owners",
        .array(
          shown.map { owner in
            .object([
              ("function", .string(owner.function)),
              ("module", owner.module.isEmpty ? .null : .string(owner.module)),
              ("pages_bytes", .optional(owner.pageBytes)),
              ("allocinfo_bytes", .optional(owner.allocatedBytes)),
              ("residue_bytes", .number(Self.residue(owner))), ("reason", .string(owner.residue.rawValue)),
            ])
          })
      ),
      ("pages_bytes", .number(join.pageBytes)), ("allocinfo_bytes_of_owners", .number(join.commonBytes)),
      ("allocinfo_bytes_of_others", .number(join.otherBytes)),
      ("space_without_pages_bytes", .number(join.spaceWithoutPages)),
    ])
  }
}
