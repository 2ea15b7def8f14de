/// What can be said about the addresses of an area.
public enum AddressState: UInt8, Sendable, CaseIterable {
  /// The kernel's own addresses.
  case real
  /// Hashed by `%p`: no arithmetic, but equal addresses have equal hashes within a boot.
  case hashed
  /// All zero, as kptr_restrict=2 and some vendors print them.
  case zero
  /// Replaced by a word, such as `(ptrval)`.
  case hidden
  /// Not in the text: the line was cut.
  case absent
}

/// What an area is for, as its flags and its caller say.
public enum AreaKind: UInt8, Sendable, CaseIterable {
  /// Pages of memory, mapped by vmalloc.
  case vmalloc
  /// Pages that somebody else owns, mapped by vmap.
  case vmap
  /// Registers and memory of devices.
  case ioremap
  /// Coherent memory for devices.
  case dmaCoherent
  /// Address space reserved for per-CPU chunks; its pages are counted elsewhere.
  case percpu
  /// Short-lived mappings of vm_map_ram; nobody is named.
  case mapRAM
  /// Freed, but not yet flushed from the translation buffers: address space without memory.
  case unpurged
  /// No flag says.
  case other

  /// The name in tables and in every format.
  public var name: String {
    switch self {
    case .vmalloc: "vmalloc"
    case .vmap: "vmap"
    case .ioremap: "ioremap"
    case .dmaCoherent: "dma-coherent"
    case .percpu: "percpu"
    case .mapRAM: "vm_map_ram"
    case .unpurged: "unpurged"
    case .other: "other"
    }
  }

  /// Whether the kernel names no owner for areas of this kind.
  public var hasNoOwner: Bool { self == .mapRAM || self == .unpurged }

  /// The kind of that name.
  public init?(name: String) {
    guard let kind = AreaKind.allCases.first(where: { $0.name == name }) else { return nil }
    self = kind
  }
}

/// The words at the end of a line.
public struct AreaFlags: OptionSet, Sendable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  public static let ioremap = AreaFlags(rawValue: 1)
  public static let vmalloc = AreaFlags(rawValue: 2)
  public static let vmap = AreaFlags(rawValue: 4)
  public static let user = AreaFlags(rawValue: 8)
  public static let dmaCoherent = AreaFlags(rawValue: 16)
  /// The array of pages was itself allocated by vmalloc.
  public static let vpages = AreaFlags(rawValue: 32)
  public static let mapRAM = AreaFlags(rawValue: 64)
  public static let unpurged = AreaFlags(rawValue: 128)
  /// "freeing vm_area", an older wording of "unpurged vm_area".
  public static let freeing = AreaFlags(rawValue: 256)
}

/// Pages by NUMA node. One node is the usual case and needs no array.
public struct NodePages: Equatable, Sendable {
  /// The first node that was printed, and its pages.
  public private(set) var first: (node: UInt32, pages: UInt64)?
  /// The others.
  public private(set) var rest: [(node: UInt32, pages: UInt64)] = []

  public init() {}

  /// Adds `N<node>=<pages>`.
  public mutating func append(_ node: UInt32, _ pages: UInt64) {
    if first == nil { first = (node, pages) } else { rest.append((node, pages)) }
  }

  /// Every node in the order of the line.
  public func forEach(_ body: (UInt32, UInt64) -> Void) {
    guard let first else { return }
    body(first.node, first.pages)
    for entry in rest { body(entry.node, entry.pages) }
  }

  public var isEmpty: Bool { first == nil }

  public static func == (a: NodePages, b: NodePages) -> Bool {
    a.first?.node == b.first?.node && a.first?.pages == b.first?.pages
      && a.rest.elementsEqual(b.rest) { $0.node == $1.node && $0.pages == $1.pages }
  }
}

/// One line of /proc/vmallocinfo.
public struct Area: Equatable, Sendable {
  public var start: UInt64 = 0
  public var end: UInt64 = 0
  public var addresses = AddressState.absent
  /// The size that the line gives, in bytes; nil where the line was cut.
  public var size: UInt64?
  public var caller = CallerID.none
  public var flags: AreaFlags = []
  /// `pages=`: the page frames that the area holds.
  public var pages: UInt64?
  /// `phys=`: the physical address that it maps.
  public var physical: UInt64?
  public var nodes = NodePages()
  /// Words that no kernel known to this package prints, as they were.
  public var unknownWords: [String] = []

  public init() {}

  /// Address space in bytes: what the addresses span where they can be believed, or else the size.
  @inline(__always) public var space: UInt64 {
    if addresses == .real { return end &- start }
    return size ?? 0
  }

  /// Judges the addresses by themselves: a hash is not aligned to pages, and hides the distance.
  ///
  /// A size below the span is a size without guard, or one that was asked for; one that is far from the span
  /// belongs to hashes that happen to be aligned.
  mutating func judgeAddresses() {
    if start == 0 && end == 0 {
      addresses = .zero
    } else if (start | end) & 0xFFF == 0 && end > start {
      let span = end - start
      guard let size, size != span else {
        addresses = .real
        return
      }
      addresses = size < span && span - size <= 2 << 20 ? .real : .hashed
    } else {
      addresses = .hashed
    }
  }
}
