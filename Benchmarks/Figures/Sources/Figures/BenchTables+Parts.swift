extension BenchTables {
  /// Each architecture's instructions are its own: that one takes more says little.
  var ports: [String] {
    let suffixes = ["", "_aarch64", "_riscv64"]
    let rows = anchors.rows.filter { row in
      row.isOperation && suffixes.dropFirst().contains { figures[row.name + $0] != nil }
    }
    if rows.isEmpty { return [] }
    func line(_ name: String, _ cells: [String]) -> String {
      columns((name, -34), (cells[0], 10), (cells[1], 10), (cells[2], 10))
    }
    return [line("instructions per operation, 1 CPU", ["x86-64", "AArch64", "RISC-V"])]
      + rows.map { row in
        line(row.operation, suffixes.map { figures[row.name + $0]?.grouped ?? "-" })
      }
  }

  /// For 64 pairs: locks taken, and updates of shared words.
  var sharing: [String] {
    let loads = [
      ("", "cold", "pairs of one page"), ("", "warm", "pairs of one page"),
      ("_random", "cold", "1 to 64 pages at random"), ("_random", "warm", "1 to 64 pages at random"),
    ]
    var lines: [String] = []
    for cpus in [2, 4] {
      for (load, mode, name) in loads {
        let (row, suffix) = ("contention\(load)", "_\(mode)_\(cpus)cpu")
        guard let locks = figures["\(row)_locks\(suffix)"] else { continue }
        let shared = figures["\(row)_shared_updates\(suffix)"] ?? 0
        let outcome = anchors.goal("\(row)_\(mode)").map { verdict(locks + shared, $0) }
        lines.append(
          columns(
            (name, -28), (mode, -6), (String(cpus), 6), (figures.text("\(row)_locks\(suffix)"), 9),
            (figures.text("\(row)_lock_waits\(suffix)"), 9),
            (figures.text("\(row)_shared_updates\(suffix)"), 9),
            (figures.text("\(row)_free_updates\(suffix)"), 9), ("", 2), (outcome ?? "", 0)))
      }
    }
    if lines.isEmpty { return [] }
    let goal = { anchors.goal($0)?.fixed(0) ?? "-" }
    return [
      columns(
        ("all CPUs at once, 64 pairs", -28), ("", -6), ("CPUs", 6), ("locks", 9), ("failed", 9),
        ("shared", 9),
        ("frees", 9), ("", 2))
    ] + lines + [
      "goals: locks and shared updates together \(goal("contention_cold")) cold, \(goal("contention_warm")) warm, "
        + "\(goal("contention_random_cold")) at random;",
      "failed: attempts that found a lock taken;",
      "frees: the update by which a free is decided, on a word of the area alone",
    ]
  }

  var memory: [String] {
    guard let ours = figures["memory_area_1_descriptor"] else { return [] }
    let columnNames = ["descriptor", "index", "tables", "frames", "all"]
    func line(_ name: String, _ cells: [String]) -> String {
      columns((name, -28), (cells[0], 11), (cells[1], 9), (cells[2], 9), (cells[3], 9), (cells[4], 9))
    }
    func line(_ name: String, pages: Int) -> String {
      line(name, columnNames.map { figures.text("memory_area_\(pages)_\($0)") })
    }
    let row = anchors["memory_area_1_descriptor"]
    return [
      line("bytes for a live area", columnNames),
      line("of 1 page", pages: 1), line("of 64 pages", pages: 64),
      "descriptor: Linux \(row?.linux?.fixed(0) ?? "-"), goal \(row?.goal?.fixed(0) ?? "-"), "
        + verdict(ours, row?.goal ?? 0),
      "addresses for one of a million areas of 1 page: "
        + "\((figures["memory_area_1_addresses"] ?? 0).fixed(0)) bytes, guard included",
      "tables in use after all are freed: \((figures["memory_tables_left"] ?? 0).fixed(0))",
    ]
  }

  var access: [String] {
    var lines: [String] = []
    for (size, name) in [("64M", "over 64 MiB"), ("1G", "over 1 GiB")] {
      for (leaf, leafName) in [("4K", "4 KiB"), ("2M", "2 MiB")] {
        let row = "access_\(size)_\(leaf)"
        if figures["\(row)_walks"] == nil { continue }
        lines.append(
          columns(
            (name, -28), (leafName, -8), (figures.text("\(row)_misses"), 14),
            (figures.text("\(row)_walks"), 9),
            (figures.text("\(row)_loads"), 15)))
      }
    }
    if lines.isEmpty { return [] }
    return [
      columns(
        ("1,000 random reads", -28), ("leaves", -8), ("L1 TLB misses", 14), ("walks", 9),
        ("entries loaded", 15))
    ] + lines + [
      "real page tables, translated by a model of the TLBs of an Intel Skylake (TranslationModel.swift): QEMU has",
      "no such TLB, and no counter that a guest could read",
    ]
  }
}
