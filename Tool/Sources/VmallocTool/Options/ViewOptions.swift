import ArgumentParser
import LinuxMemory

/// What areas are put together by on the command line: a grouping, or single areas.
enum GroupChoice: String, ExpressibleByArgument, CaseIterable {
  case caller, symbol, module, kind, node, none

  var grouping: Grouping? { Grouping(rawValue: rawValue) }
}

/// The order of rows.
enum SortChoice: String, ExpressibleByArgument, CaseIterable {
  case pages, space, count, name
}

/// Which rows are shown, and in which order.
struct ViewOptions: ParsableArguments {
  @Option(
    name: [.customShort("b"), .long],
    help: "Put areas together by caller, symbol, module, kind, node; or none.")
  var by = GroupChoice.symbol

  @Option(name: [.customShort("s"), .long], help: "Sort by pages, space, count or name.")
  var sort = SortChoice.pages

  @Option(
    name: [.customShort("t"), .long], parsing: .unconditional,
    help: "Show the first so many rows, the others as one; 0 shows all.")
  var top = 20

  @Option(
    name: [.customShort("k"), .long],
    help: "Only these kinds: vmalloc, vmap, ioremap, dma-coherent, percpu, vm_map_ram, unpurged, other.")
  var kind: [String] = []

  @Option(
    name: [.customShort("f"), .long], help: "Only callers that contain this; * and ? stand for any letters.")
  var filter = ""

  @Option(help: "Only the area that has this address, such as 0xffffc90000012345.")
  var at: String?

  mutating func validate() throws {
    if let at {
      guard AddressSearch.address(at) != nil else {
        throw ValidationError("--at takes an address in hexadecimal, not '\(at)'.")
      }
      by = .none
    }
    if top < 0 { throw ValidationError("--top takes a number from 0 on.") }
    for name in kindNames where AreaKind(name: name) == nil {
      throw ValidationError(
        "'\(name)' is no kind; the kinds are \(AreaKind.allCases.map(\.name).joined(separator: ", ")).")
    }
  }

  private var kindNames: [String] { kind.flatMap { $0.split(separator: ",").map(String.init) } }

  /// The areas that pass.
  var areaFilter: AreaFilter {
    var filter = AreaFilter()
    filter.kinds = Set(kindNames.compactMap(AreaKind.init(name:)))
    filter.pattern = self.filter
    return filter
  }

  /// The rows to show: sorted, cut after `top`, those without an owner last; and the sum of what was cut off.
  func arrange(_ groups: [AreaGroup]) -> (shown: [AreaGroup], rest: AreaGroup?) {
    let owned = groups.filter { !$0.hasNoOwner || by == .kind }.sorted(by: precedes)
    let lazy = groups.filter { $0.hasNoOwner && by != .kind }.sorted(by: precedes)
    if top == 0 || owned.count <= top { return (owned + lazy, nil) }
    var rest = AreaGroup(name: Summary.others(owned.count - top))
    for group in owned[top...] { rest.sums.add(group.sums) }
    return (Array(owned[..<top]) + lazy, rest)
  }

  private func precedes(_ a: AreaGroup, _ b: AreaGroup) -> Bool {
    let (x, y) = (a.sums, b.sums)
    let byName = (a.name, a.module) < (b.name, b.module)
    switch sort {
    case .pages:
      return x.pages != y.pages ? x.pages > y.pages : x.space != y.space ? x.space > y.space : byName
    case .space: return x.space != y.space ? x.space > y.space : byName
    case .count: return x.areas != y.areas ? x.areas > y.areas : byName
    case .name: return byName
    }
  }
}
