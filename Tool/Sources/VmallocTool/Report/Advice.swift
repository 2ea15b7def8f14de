import LinuxMemory

// Advice is given where the rows themselves show the reason, and says what shows it. A list that shows
// nothing of the kind gets none.

/// A sentence for the reader, and a name by which scripts know it.
struct Advice: Equatable {
  let kind: String
  let text: String
}

extension InspectReport {
  /// What stands out, with the evidence.
  var advice: [Advice] {
    if snapshot.areaCount == 0 { return [] }
    return spaceAdvice
      + [
        goneModules, lostSpread(snapshot), doubleOwners, perCPUChunks, lazySpace, jitLimit,
      ].compactMap { $0 }
  }

  /// From this share on, a space of fixed size is called nearly full.
  private static let nearlyFull = 0.85

  private var spaceAdvice: [Advice] {
    var found: [Advice] = []
    let whole = Summary(snapshot, AreaFilter())
    if let total = snapshot.meminfo.total, total > 0, total < 1 << 33,
      Double(whole.all.space) > Self.nearlyFull * Double(total)
    {
      found.append(
        Advice(
          kind: "space-nearly-full",
          text:
            "The vmalloc space is nearly full: \(Sizes.human(whole.all.space)) of \(Sizes.human(total)) are taken. "
            + "vmalloc= on the kernel's command line makes it larger."))
    }
    for region in layout?.regions ?? [] where region.name == "modules" {
      guard let limit = region.limit, Double(region.used) > Self.nearlyFull * Double(limit) else { continue }
      found.append(
        Advice(
          kind: "module-space-nearly-full",
          text:
            "The module space is nearly full: \(Sizes.human(region.used)) of \(Sizes.human(limit)) are taken, by "
            + "modules and compiled BPF programs."))
    }
    return found
  }

  private var goneModules: Advice? {
    var sums = AreaSums()
    for cell in snapshot.cells where !cell.kind.hasNoOwner && snapshot.callers[cell.caller].isRawAddress {
      sums.add(cell.sums)
    }
    if sums.areas == 0 { return nil }
    return Advice(
      kind: "module-gone",
      text:
        "\(Summary.areas(sums.areas)) (\(Sizes.human(sums.space))) were asked for by code that has no name any more: "
        + "its module was unloaded, or the kernel has no names of modules. What an unloaded module holds is leaked."
    )
  }

  private var doubleOwners: Advice? {
    guard let layout, layout.overlaps > 0 else { return nil }
    return Advice(
      kind: "listed-twice",
      text:
        "\(Summary.areas(layout.overlaps)) \(layout.overlaps == 1 ? "begins" : "begin") inside another. If one address has several callers, the names are looked up "
        + "when the list is read: after a module is unloaded its place can belong to another module.")
  }

  private var perCPUChunks: Advice? {
    guard summary.percpu.space > 64 << 20, summary.percpu.space > summary.all.space / 2 else { return nil }
    return Advice(
      kind: "percpu-chunks",
      text:
        "\(Sizes.human(summary.percpu.space)) of space are per-CPU chunks: reserved addresses, not memory. The pages in "
        + "them are Percpu in /proc/meminfo; many cgroups, network devices or BPF maps make them grow.")
  }

  private var lazySpace: Advice? {
    guard summary.lazy.areas * 2 > summary.all.areas else { return nil }
    return Advice(
      kind: "mostly-unpurged",
      text:
        "\(summary.lazy.areas) of \(summary.all.areas) areas are unpurged: freed, their pages given back, their addresses "
        + "waiting for one flush for many. It is harmless; the kernel bounds it at 32 MiB times the bits of the number of CPUs."
    )
  }

  /// Compiled BPF programs beside their limit: the running kernel's, or for a list from elsewhere the
  /// smallest that x86-64 kernels have of themselves.
  private var jitLimit: Advice? {
    let bytes = JITMemory.bytes(of: snapshot)
    let limit = bpfLimit ?? JITMemory.usualLimit
    guard Double(bytes) > 0.8 * Double(limit) else { return nil }
    let allowed =
      bpfLimit == nil
      ? "net.core.bpf_jit_limit allows 252 MiB or, since Linux 6.3, 504 MiB on most x86-64 kernels"
      : "net.core.bpf_jit_limit allows \(Sizes.human(limit))"
    return Advice(
      kind: "bpf-jit-limit",
      text:
        "Compiled BPF programs take \(Sizes.human(bytes)), and \(allowed): at the limit no program is compiled any "
        + "more, and loading one fails with error 524.")
  }
}

/// Memory of compiled BPF programs: alone in areas, or since Linux 5.18 many in packs of 2 MiB.
enum JITMemory {
  /// A quarter of the 1,008 MiB that modules have: the limit until Linux 6.2; since then it is half.
  static let usualLimit: UInt64 = 252 << 20

  static func isOwner(_ function: String) -> Bool {
    function.hasPrefix("bpf_jit") || function == "bpf_prog_pack_alloc"
  }

  static func bytes(of snapshot: Snapshot) -> UInt64 {
    var sums = AreaSums()
    for cell in snapshot.cells where isOwner(snapshot.callers[cell.caller].symbol) { sums.add(cell.sums) }
    return Summary(snapshot, AreaFilter()).bytes(of: sums)
  }
}

/// Hash tables of a machine with several nodes that all lie on one: boot allocates them spread.
func lostSpread(_ snapshot: Snapshot) -> Advice? {
  let spread = HashSpread(snapshot)
  guard spread.nodes > 1, spread.bytes >= 16 << 20, spread.largestShare > 0.95 else { return nil }
  return Advice(
    kind: "hash-tables-on-one-node",
    text:
      "The system's hash tables (\(Sizes.human(spread.bytes))) lie on node \(spread.largestNode) alone, although the list "
      + "has pages on \(spread.nodes) nodes: boot usually spreads them.")
}

/// How the large hash tables of the system are spread over nodes.
struct HashSpread {
  let bytes: UInt64
  /// Nodes on which any area of the list has pages.
  let nodes: Int
  let largestNode: Int
  /// The share of the node that has most of them.
  let largestShare: Double

  init(_ snapshot: Snapshot) {
    var sums = AreaSums()
    for cell in snapshot.cells where snapshot.callers[cell.caller].function == "alloc_large_system_hash" {
      sums.add(cell.sums)
    }
    bytes = Summary(snapshot, AreaFilter()).bytes(of: sums)
    nodes = snapshot.sums().nodes.filter { $0 > 0 }.count
    largestNode = sums.nodes.indices.max { sums.nodes[$0] < sums.nodes[$1] } ?? 0
    let total = sums.nodes.reduce(0) { $0 + Double($1) }
    largestShare = total > 0 ? Double(sums.nodes[largestNode]) / total : 0
  }
}

/// Files of one number, as /proc/sys has them.
enum SmallFile {
  static func number(_ path: String) throws -> UInt64? {
    var reader = try LineReader(path: path)
    var value: UInt64?
    try reader.forEachLine { line, _ in
      var text = ""
      for index in line.indices { text.unicodeScalars.append(Unicode.Scalar(line[index])) }
      value = value ?? UInt64(text)
    }
    return value
  }
}

extension Advice {
  /// The sentences under a table.
  static func lines(_ advice: [Advice], _ paint: Paint) -> [String] {
    advice.isEmpty ? [] : [""] + advice.map { paint("note: ", .warning) + $0.text }
  }
}
