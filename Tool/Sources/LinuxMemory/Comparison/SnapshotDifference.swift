// Two lists side by side. Within one boot an area is the same if its addresses are: hashed ones, too, since
// the key of the hash is chosen at boot. Between boots nothing of an area stays but who asked for it, so that
// callers are compared by function and module.

/// How the areas of two lists were matched.
public enum Matching: String, Sendable {
  /// By addresses: both lists are of one boot.
  case addresses
  /// By function and module: the lists are of two boots, or have no addresses.
  case owners
}

/// What became of one owner.
public struct OwnerChange: Sendable {
  public var name: String
  public var module: String
  public var before = AreaSums()
  public var after = AreaSums()
  /// Areas that are in the second list alone, or in the first alone; only where addresses match.
  public var appeared = 0
  public var vanished = 0
  /// Areas with the same addresses whose pages lie on other nodes now.
  public var moved = 0
  /// Areas that were there before, under another caller of another module.
  public var renamed = 0
  public var hasNoOwner = false
  /// The offsets in the function at which memory was asked for, before and after.
  public var offsetsBefore: Set<String> = []
  public var offsetsAfter: Set<String> = []

  public init(name: String, module: String) {
    self.name = name
    self.module = module
  }

  /// Whether the owner's pages were on several nodes and are on one now, or the other way round.
  public var changedNodes: Bool {
    func shape(_ sums: AreaSums) -> [Bool] { sums.nodes.map { $0 > 0 } }
    let (a, b) = (shape(before), shape(after))
    let length = max(a.count, b.count)
    func padded(_ shape: [Bool]) -> [Bool] { shape + [Bool](repeating: false, count: length - shape.count) }
    return before.pages > 0 && after.pages > 0 && before.nodes != after.nodes
      && (padded(a) != padded(b) || Self.isShifted(before.nodes, after.nodes))
  }

  /// Whether the shares of nodes differ by more than a tenth.
  private static func isShifted(_ a: [UInt64], _ b: [UInt64]) -> Bool {
    let (x, y) = (a.reduce(0) { $0 + Double($1) }, b.reduce(0) { $0 + Double($1) })
    if x == 0 || y == 0 { return false }
    return (0..<max(a.count, b.count)).contains { node in
      let before = node < a.count ? Double(a[node]) / x : 0
      let after = node < b.count ? Double(b[node]) / y : 0
      return abs(before - after) > 0.1
    }
  }
}

/// An area that has the same addresses in both lists, and another caller.
public struct RenamedArea: Sendable {
  public var start: UInt64
  public var before: Caller
  public var after: Caller
}

/// The differences of two lists.
public struct SnapshotDifference: Sendable {
  public let matching: Matching
  public private(set) var owners: [OwnerChange] = []
  /// Areas in both lists, where addresses match.
  public private(set) var common = 0
  public private(set) var renamed: [RenamedArea] = []

  private var places: [String: Int] = [:]

  /// Compares two lists that were read with their single areas.
  public init(_ old: Snapshot, _ new: Snapshot, matching forced: Matching? = nil) {
    matching = forced ?? Self.matching(old, new)
    addCells(of: old, isOld: true)
    addCells(of: new, isOld: false)
    if matching == .addresses { matchAreas(old, new) }
  }

  /// Lists of one boot share a good part of their addresses; of two boots hardly any.
  static func matching(_ old: Snapshot, _ new: Snapshot) -> Matching {
    let known = Set(old.areas.compactMap(AreaKey.init))
    if known.isEmpty { return .owners }
    let shared = new.areas.reduce(0) { count, area in
      AreaKey(area).map { known.contains($0) } == true ? count + 1 : count
    }
    return shared * 5 >= min(old.areas.count, new.areas.count) && shared > 0 ? .addresses : .owners
  }

  private mutating func addCells(of snapshot: Snapshot, isOld: Bool) {
    for cell in snapshot.cells {
      let caller = snapshot.callers[cell.caller]
      let place = place(of: caller, snapshot.kind(of: cell))
      if isOld {
        owners[place].before.add(cell.sums)
        if !caller.offset.isEmpty { owners[place].offsetsBefore.insert(caller.offset) }
      } else {
        owners[place].after.add(cell.sums)
        if !caller.offset.isEmpty { owners[place].offsetsAfter.insert(caller.offset) }
      }
    }
  }

  private mutating func place(of caller: Caller, _ kind: AreaKind) -> Int {
    var change = OwnerChange(
      name: caller.symbol.isEmpty ? "(no caller)" : caller.function, module: caller.module)
    if kind.hasNoOwner {
      change = OwnerChange(name: kind.name, module: "")
      change.hasNoOwner = true
    }
    let key = "\(change.hasNoOwner)\u{0}\(change.name)\u{0}\(change.module)"
    if let place = places[key] { return place }
    owners.append(change)
    places[key] = owners.count - 1
    return owners.count - 1
  }

  private mutating func matchAreas(_ old: Snapshot, _ new: Snapshot) {
    var remaining: [AreaKey: [Int]] = [:]
    // Backwards, since they are taken from the end: an area that is listed twice meets its own twin first.
    for (index, area) in old.areas.enumerated().reversed() {
      if let key = AreaKey(area) { remaining[key, default: []].append(index) }
    }
    for area in new.areas {
      let place = place(of: new.callers[area.caller], new.kind(of: area))
      if let key = AreaKey(area), let index = remaining[key]?.popLast() {
        match(old, old.areas[index], new, area, place)
      } else {
        owners[place].appeared += 1
      }
    }
    for index in remaining.values.joined() {
      let area = old.areas[index]
      owners[place(of: old.callers[area.caller], old.kind(of: area))].vanished += 1
    }
  }

  /// One address in both lists: the same area, the same one under another name, or another one in its place.
  private mutating func match(_ old: Snapshot, _ before: Area, _ new: Snapshot, _ after: Area, _ place: Int) {
    let (was, now) = (old.callers[before.caller], new.callers[after.caller])
    let previous = self.place(of: was, old.kind(of: before))
    if previous == place {
      common += 1
      if before.nodes != after.nodes, !before.nodes.isEmpty, !after.nodes.isEmpty { owners[place].moved += 1 }
      return
    }
    owners[place].appeared += 1
    owners[previous].vanished += 1
    if was.module != now.module, before.pages == after.pages, !before.flags.contains(.unpurged),
      !after.flags.contains(.unpurged)
    {
      owners[place].renamed += 1
      renamed.append(RenamedArea(start: after.start, before: was, after: now))
    }
  }
}

/// What makes an area the same in two lists of one boot.
private struct AreaKey: Hashable {
  let start: UInt64
  let end: UInt64
  let size: UInt64

  init?(_ area: Area) {
    guard area.addresses == .real || area.addresses == .hashed, let size = area.size else { return nil }
    start = area.start
    end = area.end
    self.size = size
  }
}
