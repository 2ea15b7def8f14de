/// What areas are put together by.
public enum Grouping: String, CaseIterable, Sendable {
  /// The place in the function that asked: `symbol+offset/size [module]`.
  case caller
  /// The function that asked, wherever in it, with its module.
  case symbol
  /// The module, or the kernel itself.
  case module
  /// What the areas are for.
  case kind
  /// The NUMA node of their pages.
  case node
}

/// Areas that belong together, in sums.
public struct AreaGroup: Sendable {
  /// What they have in common, in words.
  public var name: String
  /// The module of the caller, where callers or symbols are grouped.
  public var module = ""
  /// The kind, if all are of one.
  public var kind: AreaKind?
  public var sums = AreaSums()
  /// Space that nobody owns: unpurged and vm_map_ram areas are never summed into owners.
  public var hasNoOwner = false

  public init(name: String) { self.name = name }
}

/// Which areas are shown.
public struct AreaFilter: Sendable {
  /// Only these kinds, if any are named.
  public var kinds: Set<AreaKind> = []
  /// Only callers whose text contains this, or matches it where it has `*` or `?`.
  public var pattern = ""

  public init() {}

  /// Whether every area passes.
  public var isEmpty: Bool { kinds.isEmpty && pattern.isEmpty }

  /// Whether areas of this kind and caller pass.
  public func accepts(_ kind: AreaKind, _ caller: Caller) -> Bool {
    if !kinds.isEmpty && !kinds.contains(kind) { return false }
    if pattern.isEmpty { return true }
    let text = Array((kind.hasNoOwner ? kind.name : caller.text).utf8)
    let pattern = Array(pattern.utf8)
    if pattern.contains(0x2A) || pattern.contains(0x3F) { return Self.matches(text, pattern) }
    return text.count >= pattern.count
      && (0...(text.count - pattern.count)).contains { text[$0..<($0 + pattern.count)] == pattern[...] }
  }

  /// `*` stands for any bytes, `?` for one. Time is the product of the lengths, whatever the pattern.
  static func matches(_ text: [UInt8], _ pattern: [UInt8]) -> Bool {
    var at = 0
    var mark = 0
    var star: Int?
    var starText = 0
    while at < text.count {
      if mark < pattern.count, pattern[mark] == 0x2A {
        star = mark
        starText = at
        mark += 1
      } else if mark < pattern.count, pattern[mark] == 0x3F || pattern[mark] == text[at] {
        at += 1
        mark += 1
      } else if let star {
        starText += 1
        at = starText
        mark = star + 1
      } else {
        return false
      }
    }
    return pattern[mark...].allSatisfy { $0 == 0x2A }
  }
}

extension Snapshot {
  /// The sums of all areas that pass.
  public func sums(_ filter: AreaFilter = AreaFilter(), where isCounted: (AreaKind) -> Bool = { _ in true })
    -> AreaSums
  {
    var sums = AreaSums()
    for cell in cells {
      let caller = callers[cell.caller]
      let kind = kind(of: cell)
      if filter.accepts(kind, caller), isCounted(kind) { sums.add(cell.sums) }
    }
    return sums
  }

  /// The areas that pass, put together, in the order in which the groups first came.
  public func groups(by grouping: Grouping, _ filter: AreaFilter = AreaFilter()) -> [AreaGroup] {
    var groups: [AreaGroup] = []
    var places: [String: Int] = [:]
    for cell in cells {
      let caller = callers[cell.caller]
      let kind = kind(of: cell)
      if !filter.accepts(kind, caller) { continue }
      if grouping == .node {
        addNodes(of: cell, kind, &groups, &places)
        continue
      }
      let model = Self.group(grouping, kind, caller)
      let key = "\(model.hasNoOwner)\u{0}\(model.name)\u{0}\(model.module)"
      let place = places[key] ?? groups.count
      if place == groups.count {
        groups.append(model)
        places[key] = place
      }
      groups[place].sums.add(cell.sums)
      if groups[place].kind != kind { groups[place].kind = nil }
    }
    return groups
  }

  /// An empty group as areas of this kind and caller belong to.
  private static func group(_ grouping: Grouping, _ kind: AreaKind, _ caller: Caller) -> AreaGroup {
    var group = AreaGroup(name: kind.name)
    group.kind = kind
    group.hasNoOwner = kind.hasNoOwner
    if kind.hasNoOwner || grouping == .kind { return group }
    switch grouping {
    case .caller:
      group.name = caller.symbol.isEmpty ? "(no caller)" : caller.symbol + caller.offset
      group.module = caller.module
    case .symbol:
      group.name = caller.symbol.isEmpty ? "(no caller)" : caller.function
      group.module = caller.module
    case .module:
      group.name =
        caller.isRawAddress ? "(module gone)" : caller.module.isEmpty ? "(kernel)" : caller.module
    case .kind, .node: break
    }
    return group
  }

  /// Pages by node: an area whose pages are on two nodes counts in both, with its pages on each.
  private func addNodes(
    of cell: Cell, _ kind: AreaKind, _ groups: inout [AreaGroup], _ places: inout [String: Int]
  ) {
    var unplaced = cell.sums
    unplaced.nodes = []
    for (node, pages) in cell.sums.nodes.enumerated() where pages > 0 {
      let place = place(of: "N\(node)", &groups, &places)
      groups[place].sums.pages = groups[place].sums.pages.clampedAdd(pages)
      unplaced.pages -= min(pages, unplaced.pages)
    }
    if cell.sums.nodes.isEmpty {
      groups[place(of: "(no node)", &groups, &places)].sums.add(unplaced)
    } else if unplaced.pages > 0 {
      let place = place(of: "(no node)", &groups, &places)
      groups[place].sums.pages = groups[place].sums.pages.clampedAdd(unplaced.pages)
    }
  }

  private func place(of name: String, _ groups: inout [AreaGroup], _ places: inout [String: Int]) -> Int {
    if let place = places[name] { return place }
    groups.append(AreaGroup(name: name))
    places[name] = groups.count - 1
    return groups.count - 1
  }
}
