// vmallocinfo and allocinfo beside each other, by function and module. They count different things: the first
// has the pages of areas under the return address after inlining; the second has every allocation, of slabs
// and single pages, too, under the function that the source names, with the pages[] array charged to the same
// place. Where a row is in one alone, or the sums differ, that is the residue; it is shown, and never spread
// over the rows.

/// One function in both lists.
public struct JoinedOwner: Sendable {
  public var function: String
  public var module: String
  /// Bytes of pages of its areas; nil where vmallocinfo does not name it.
  public var pageBytes: UInt64?
  /// Bytes of its sites; nil where allocinfo does not name it.
  public var allocatedBytes: Int64?

  /// Why the two numbers are what they are.
  public enum Residue: String, Sendable {
    case none = "both agree"
    case more = "allocinfo has its slabs and single pages, too, and the pages[] arrays"
    case less = "a part is charged to functions that were inlined into it, or to a wrapper"
    case elsewhere = "charged to another function: inlining, or a wrapper"
  }

  public var residue: Residue {
    guard let pageBytes else { return .more }
    guard let allocatedBytes else { return .elsewhere }
    let pages = Int64(clamping: pageBytes)
    return allocatedBytes == pages ? .none : allocatedBytes > pages ? .more : .less
  }
}

/// Both lists, joined.
public struct OwnerJoin: Sendable {
  /// Functions whose areas hold pages, most pages first.
  public private(set) var owners: [JoinedOwner] = []
  /// Bytes of functions that allocinfo alone names: memory that vmalloc did not map, for the most part.
  public private(set) var otherBytes: Int64 = 0
  public private(set) var otherFunctions = 0
  /// Address space that allocinfo cannot have: vmap, ioremap, vm_map_ram, per-CPU and unpurged areas.
  public private(set) var spaceWithoutPages: UInt64 = 0
  public private(set) var pageBytes: UInt64 = 0
  /// Bytes of the functions that both name.
  public private(set) var commonBytes: Int64 = 0

  public init(_ snapshot: Snapshot, _ info: Allocinfo) {
    var sites: [String: JoinedOwner] = [:]
    for site in info.sites {
      let key = Self.key(site.function, site.module)
      var owner = sites[key] ?? JoinedOwner(function: site.function, module: site.module)
      owner.allocatedBytes = Self.sum(owner.allocatedBytes ?? 0, site.bytes)
      sites[key] = owner
    }
    for group in snapshot.groups(by: .symbol) {
      let bytes = group.sums.pages.clampedMultiply(snapshot.pageSize)
      if bytes == 0 {
        spaceWithoutPages = spaceWithoutPages.clampedAdd(group.sums.space)
        continue
      }
      var owner = JoinedOwner(function: group.name, module: group.module, pageBytes: bytes)
      owner.allocatedBytes = sites.removeValue(forKey: Self.key(group.name, group.module))?.allocatedBytes
      pageBytes = pageBytes.clampedAdd(bytes)
      commonBytes = Self.sum(commonBytes, owner.allocatedBytes ?? 0)
      owners.append(owner)
    }
    owners.sort { ($1.pageBytes ?? 0, $0.function) < ($0.pageBytes ?? 0, $1.function) }
    otherFunctions = sites.count
    otherBytes = sites.values.reduce(0) { Self.sum($0, $1.allocatedBytes ?? 0) }
  }

  private static func key(_ function: String, _ module: String) -> String { function + "\u{0}" + module }

  private static func sum(_ a: Int64, _ b: Int64) -> Int64 {
    let (total, over) = a.addingReportingOverflow(b)
    return over ? (b < 0 ? .min : .max) : total
  }
}
