import LinuxMemory

/// The kernel's own sums beside those of the list, and why they differ.
struct UsedComparison {
  let meminfo: Meminfo
  let pageBytes: UInt64
  let space: UInt64
  let pageSize: UInt64
  /// Whether there is a list beside the sums.
  let hasList: Bool

  /// Lines for the head of a report: what `VmallocUsed`, `VmallocChunk` and `nr_vmalloc` say.
  var facts: [Fact] {
    var facts: [Fact] = []
    if let used = meminfo.used {
      facts.append(Fact(label: "VmallocUsed", value: Sizes.human(used), note: reason(used)))
    }
    if let pages = meminfo.pages {
      let bytes = pages.multipliedReportingOverflow(by: pageSize).partialValue
      facts.append(
        Fact(
          label: "nr_vmalloc", value: Sizes.human(bytes),
          note: hasList ? difference(bytes, from: pageBytes, "the pages of the list") : "pages of all areas"))
    }
    if let chunk = meminfo.chunk {
      facts.append(
        chunk == 0
          ? Fact(
            label: "VmallocChunk", value: "not told",
            note: "always 0 since Linux 4.4: it says nothing about holes")
          : Fact(label: "VmallocChunk", value: Sizes.human(chunk), note: "the largest hole"))
    }
    if let total = meminfo.total {
      facts.append(
        Fact(
          label: "VmallocTotal", value: Sizes.human(total),
          note: hasList ? "\(Sizes.share(space, of: total)) taken" : "the size of the whole space"))
    }
    return facts
  }

  /// Why `VmallocUsed` is what it is beside this list.
  func reason(_ used: UInt64) -> String {
    if !hasList { return reasonAlone(used) }
    return switch meminfo.meaning(listedPages: pageBytes, listedSpace: space) {
    case .constantZero: "Linux 4.4 to 5.2 always print 0: the list is the only source"
    case .addressSpace:
      "address space, not pages (before Linux 4.4); " + difference(used, from: space, "the list's space")
    case .pages: difference(used, from: pageBytes, "the pages of the list")
    }
  }

  /// The same without a list, which would tell what kernel it is: `VmallocChunk` is zero since Linux 4.4.
  private func reasonAlone(_ used: UInt64) -> String {
    if meminfo.chunk ?? 0 > 0 { return "address space, not pages (before Linux 4.4)" }
    return used == 0
      ? "Linux 4.4 to 5.2 always print 0: only /proc/vmallocinfo tells"
      : "pages, since Linux 5.3; /proc/vmallocinfo says whose"
  }

  private func difference(_ value: UInt64, from listed: UInt64, _ name: String) -> String {
    if value == listed { return "equals \(name)" }
    let distance = value > listed ? value - listed : listed - value
    let direction = value > listed ? "more" : "less"
    return
      "\(Sizes.human(distance)) \(direction) than \(name): read at another moment, or the list is not whole"
  }
}
