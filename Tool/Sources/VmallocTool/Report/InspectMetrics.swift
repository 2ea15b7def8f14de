import LinuxMemory

// `inspect` for Prometheus. Labels are names of kinds, functions and modules, never addresses or offsets,
// which change from boot to boot; and at most `--top` owners have series of their own, the others being one
// series.

extension InspectReport {
  /// The metrics, ready for node_exporter's textfile collector.
  var openMetrics: [String] {
    var metrics = OpenMetrics()
    if snapshot.areaCount > 0 {
      addKinds(&metrics)
      addOwners(&metrics)
    }
    addKernelSums(&metrics)
    let allocations = join?.info ?? snapshot.allocinfo
    if !allocations.isEmpty { AllocationReport(allocations, view).add(to: &metrics) }
    metrics.gauge(
      "vmalloc_unread_lines", "Lines of the list that could not be read.", snapshot.report[.unread])
    return metrics.text
  }

  private func addKinds(_ metrics: inout OpenMetrics) {
    let kinds = snapshot.groups(by: .kind, view.areaFilter).sorted { $0.name < $1.name }
    metrics.gauges(
      "vmalloc_areas", "Areas of the vmalloc space by kind.",
      kinds.map { ([("kind", $0.name)], "\($0.sums.areas)") })
    metrics.gauges(
      "vmalloc_space_bytes", "Address space that areas take, by kind; no memory in itself.",
      kinds.map { ([("kind", $0.name)], "\($0.sums.space)") })
    metrics.gauge("vmalloc_pages_bytes", "Memory that areas hold.", summary.pageBytes)
    metrics.gauge(
      "vmalloc_guard_bytes", "Address space of guards and rounding.", summary.guardBytes(of: summary.all))
    let nodes = summary.all.nodes.enumerated().filter { $0.element > 0 }
    metrics.gauges(
      "vmalloc_node_pages_bytes", "Memory that areas hold, by NUMA node.",
      nodes.map { ([("node", "\($0.offset)")], "\($0.element.clampedProduct(summary.pageSize))") })
    if let hole = layout?.largestHole {
      metrics.gauge("vmalloc_largest_hole_bytes", "The largest gap between two areas.", hole.size)
    }
  }

  private func addOwners(_ metrics: inout OpenMetrics) {
    let grouping = view.by.grouping ?? .symbol
    if grouping == .kind || grouping == .node { return }
    let stable: Grouping = grouping == .caller ? .symbol : grouping
    let (shown, rest) = view.arrange(snapshot.groups(by: stable, view.areaFilter))
    let owners = shown.filter { !$0.hasNoOwner }
    func samples(_ value: (AreaSums) -> UInt64) -> [(labels: [(String, String)], value: String)] {
      owners.map { ([("owner", $0.name), ("module", $0.module)], "\(value($0.sums))") }
        + (rest.map { [([("owner", "(others)"), ("module", "")], "\(value($0.sums))")] } ?? [])
    }
    metrics.gauges(
      "vmalloc_owner_pages_bytes", "Memory by the function that asked.", samples(summary.bytes(of:)))
    metrics.gauges("vmalloc_owner_space_bytes", "Address space by the function that asked.", samples(\.space))
    metrics.gauges("vmalloc_owner_areas", "Areas by the function that asked.", samples { UInt64($0.areas) })
  }

  private func addKernelSums(_ metrics: inout OpenMetrics) {
    if let total = snapshot.meminfo.total {
      metrics.gauge("vmalloc_total_bytes", "The size of the vmalloc space.", total)
    }
    // From Linux 4.4 to 5.2 the kernel prints 0 whatever is used: a metric of it would mislead.
    if let used = snapshot.meminfo.used,
      comparison.meminfo.meaning(listedPages: comparison.pageBytes, listedSpace: comparison.space)
        != .constantZero
    {
      metrics.gauge("vmalloc_used_bytes", "VmallocUsed of /proc/meminfo.", used)
    }
  }
}
