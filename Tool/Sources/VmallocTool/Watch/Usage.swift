import LinuxMemory

/// What every owner holds at one moment.
struct Usage {
  struct Owner {
    var name: String
    var bytes: Int64 = 0
    var space: Int64 = 0
    var count = 0
    var isLazy = false
  }

  private(set) var owners: [String: Owner] = [:]
  private(set) var bytes: Int64 = 0
  private(set) var space: Int64 = 0
  private(set) var lazy: Int64 = 0
  private(set) var count = 0
  /// Whether single areas are counted, or sites of /proc/allocinfo.
  let isAreas: Bool

  init(_ snapshot: Snapshot, _ filter: AreaFilter) {
    isAreas = snapshot.areaCount > 0
    if isAreas { addAreas(snapshot, filter) } else { addSites(snapshot.allocinfo, filter) }
  }

  private mutating func addAreas(_ snapshot: Snapshot, _ filter: AreaFilter) {
    let summary = Summary(snapshot, filter)
    for group in snapshot.groups(by: .symbol, filter) {
      let name = group.module.isEmpty ? group.name : "\(group.name) [\(group.module)]"
      add(
        Owner(
          name: name, bytes: Int64(clamping: summary.bytes(of: group.sums)),
          space: Int64(clamping: group.sums.space),
          count: group.sums.areas, isLazy: group.hasNoOwner))
    }
    lazy = Int64(clamping: summary.lazy.space)
  }

  private mutating func addSites(_ info: Allocinfo, _ filter: AreaFilter) {
    for site in info.sites where filter.accepts(.other, Caller(function: site.function, module: site.module))
    {
      let name = site.module.isEmpty ? site.function : "\(site.function) [\(site.module)]"
      add(Owner(name: name, bytes: site.bytes, count: Int(clamping: site.calls)))
    }
  }

  private mutating func add(_ owner: Owner) {
    let key = owner.isLazy ? owner.name + " " : owner.name
    var sum = owners[key] ?? Owner(name: owner.name, isLazy: owner.isLazy)
    sum.bytes = Self.sum(sum.bytes, owner.bytes)
    sum.space = Self.sum(sum.space, owner.space)
    sum.count = Int(clamping: Self.sum(Int64(sum.count), Int64(owner.count)))
    owners[key] = sum
    bytes = Self.sum(bytes, owner.bytes)
    space = Self.sum(space, owner.space)
    count = Int(clamping: Self.sum(Int64(count), Int64(owner.count)))
  }

  /// A sum that stays in range.
  static func sum(_ a: Int64, _ b: Int64) -> Int64 {
    let (total, over) = a.addingReportingOverflow(b)
    return over ? (b < 0 ? .min : .max) : total
  }

  /// A difference that stays in range.
  static func difference(_ a: Int64, _ b: Int64) -> Int64 {
    let (total, over) = a.subtractingReportingOverflow(b)
    return over ? (b < 0 ? .max : .min) : total
  }
}

/// The order of `watch`'s rows; `s` goes from one to the next.
enum WatchSort: String, CaseIterable {
  case growth, pages, space, count, name

  var next: WatchSort {
    let all = WatchSort.allCases
    return all[((all.firstIndex(of: self) ?? 0) + 1) % all.count]
  }
}
