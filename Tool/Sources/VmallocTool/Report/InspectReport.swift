import LinuxMemory

/// All that `inspect` has to say about a list, before a format is chosen.
struct InspectReport {
  let snapshot: Snapshot
  let view: ViewOptions
  let summary: Summary
  let shown: [AreaGroup]
  let rest: AreaGroup?
  let layout: Layout?
  /// /proc/allocinfo beside the list, where it is asked for.
  var join: JoinReport?
  /// Whether sizes and holes are counted; the areas are kept then.
  var hasHistogram = false
  /// The running kernel's limit of compiled BPF programs, where the list is the running kernel's.
  var bpfLimit: UInt64?

  init(_ snapshot: Snapshot, _ view: ViewOptions) {
    self.snapshot = snapshot
    self.view = view
    summary = Summary(snapshot, view.areaFilter)
    layout = snapshot.layout()
    if snapshot.name == InputOptions.live,
      let limit = try? SmallFile.number("/proc/sys/net/core/bpf_jit_limit")
    {
      bpfLimit = limit > 0 ? limit : nil
    }
    if let grouping = view.by.grouping {
      (shown, rest) = view.arrange(snapshot.groups(by: grouping, view.areaFilter))
    } else {
      (shown, rest) = ([], nil)
    }
  }

  var comparison: UsedComparison {
    let whole = view.areaFilter.isEmpty ? summary : Summary(snapshot, AreaFilter())
    return UsedComparison(
      meminfo: snapshot.meminfo, pageBytes: whole.pageBytes, space: whole.all.space, pageSize: whole.pageSize,
      hasList: snapshot.areaCount > 0)
  }

  /// The single areas that pass, in order, cut after `top`.
  var listedAreas: [Area] {
    var areas = snapshot.areas(view.areaFilter)
    let callers = snapshot.callers
    switch view.sort {
    case .pages: areas.sort { ($0.pages ?? 0, $0.space, $1.start) > ($1.pages ?? 0, $1.space, $0.start) }
    case .space: areas.sort { ($0.space, $1.start) > ($1.space, $0.start) }
    case .count: break
    case .name: areas.sort { callers[$0.caller].text < callers[$1.caller].text }
    }
    return view.top > 0 ? Array(areas.prefix(view.top)) : areas
  }
}
