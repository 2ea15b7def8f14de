// Live areas by address
//
// Whether an area overlaps another one that is live is a question of order, which a hash table cannot answer.
// This is a treap (Seidel and Aragon, Randomized search trees, 1996): a search tree by address and a heap by
// priority, whose shape is that of a tree with entries inserted at random, so it is some two dozen steps deep
// for a hundred thousand areas. The priority is the address, scrambled. No two areas in the tree overlap, so
// the one area that begins last before the end of a range is the one that could overlap it. Nodes lie in
// memory of the caller's and lead to each other by their numbers; zero is none.

/// An area with its line, as the tree keeps it.
public struct OrderedArea: BitwiseCopyable, Sendable {
  public let address: UInt64
  public let byteCount: UInt64
  public let line: UInt64
  fileprivate var left: UInt32 = 0
  fileprivate var right: UInt32 = 0

  public init(address: UInt64, byteCount: UInt64, line: UInt64) {
    self.address = address
    self.byteCount = byteCount
    self.line = line
  }

  fileprivate var priority: UInt64 {
    let mixed = (address ^ address >> 32) &* 0x9e37_79b9_7f4a_7c15
    return (mixed ^ mixed >> 29) &* 0xbf58_476d_1ce4_e5b9
  }

  /// Whether a byte of this area is from `start` up to `end`, which is not before it.
  fileprivate func reaches(_ start: UInt64) -> Bool { address >= start || start - address < byteCount }
}

/// Areas that do not overlap, by address, in memory that somebody else owns.
@safe
public struct AreaTree {
  /// The place where a node's number is written.
  private enum Link {
    case root
    case left(UInt32)
    case right(UInt32)
  }

  private let nodes: UnsafeMutablePointer<OrderedArea>
  private let capacity: Int
  private var root: UInt32 = 0
  /// Nodes that were removed, linked by `left`; and how many were ever taken.
  private var vacant: UInt32 = 0
  private var taken = 0

  /// The bytes for `capacity` areas; 2^32 − 2 are the most.
  public static func byteCount(capacity: Int) -> Int { capacity * MemoryLayout<OrderedArea>.stride }

  /// Takes the first bytes of `memory`, which must be aligned for an area, and leaves the rest there; nil
  /// where they are too few.
  @unsafe
  public init?(capacity: Int, in memory: inout UnsafeMutableRawBufferPointer) {
    let bytes = Self.byteCount(capacity: capacity)
    guard capacity >= 0, capacity < Int(UInt32.max), bytes <= memory.count, let base = memory.baseAddress,
      UInt(bitPattern: base) % UInt(MemoryLayout<OrderedArea>.alignment) == 0
    else { return nil }
    unsafe nodes = base.bindMemory(to: OrderedArea.self, capacity: capacity)
    unsafe memory = UnsafeMutableRawBufferPointer(rebasing: memory[bytes...])
    self.capacity = capacity
  }

  /// The area that has a byte from `address` on, for so many bytes; one at least.
  public func area(overlapping address: UInt64, byteCount: UInt64) -> OrderedArea? {
    let (end, overflow) = address.addingReportingOverflow(max(1, byteCount) - 1)
    let last = overflow ? UInt64.max : end
    var found: OrderedArea?
    var number = root
    while number != 0 {
      let node = self[number]
      if node.address <= last {
        found = node
        number = node.right
      } else {
        number = node.left
      }
    }
    return found?.reaches(address) == true ? found : nil
  }

  /// Adds an area that overlaps no other; false where the tree is full.
  public mutating func insert(_ area: OrderedArea) -> Bool {
    guard let number = takeNode() else { return false }
    self[number] = area
    var link = Link.root
    while self[link] != 0, self[self[link]].priority >= area.priority {
      link = area.address < self[self[link]].address ? .left(self[link]) : .right(self[link])
    }
    // What hangs there is cut in two by the address, below the new node.
    var rest = self[link]
    self[link] = number
    var (below, above) = (Link.left(number), Link.right(number))
    while rest != 0 {
      if self[rest].address < area.address {
        self[below] = rest
        below = .right(rest)
        rest = self[rest].right
      } else {
        self[above] = rest
        above = .left(rest)
        rest = self[rest].left
      }
    }
    self[below] = 0
    self[above] = 0
    return true
  }

  /// Removes the area that begins at `address`.
  public mutating func remove(_ address: UInt64) -> OrderedArea? {
    var link = Link.root
    while self[link] != 0, self[self[link]].address != address {
      link = address < self[self[link]].address ? .left(self[link]) : .right(self[link])
    }
    let number = self[link]
    guard number != 0 else { return nil }
    let area = self[number]
    var (below, above) = (area.left, area.right)
    while below != 0, above != 0 {
      if self[below].priority > self[above].priority {
        self[link] = below
        link = .right(below)
        below = self[below].right
      } else {
        self[link] = above
        link = .left(above)
        above = self[above].left
      }
    }
    self[link] = below != 0 ? below : above
    self[number].left = vacant
    vacant = number
    return area
  }

  private mutating func takeNode() -> UInt32? {
    if vacant != 0 {
      let number = vacant
      vacant = self[number].left
      return number
    }
    guard taken < capacity else { return nil }
    taken += 1
    return UInt32(taken)
  }

  private subscript(number: UInt32) -> OrderedArea {
    get { unsafe nodes[index(number)] }
    nonmutating set { unsafe nodes[index(number)] = newValue }
  }

  private func index(_ number: UInt32) -> Int {
    precondition(number > 0 && number <= capacity)
    return Int(number) - 1
  }

  private subscript(link: Link) -> UInt32 {
    get {
      switch link {
      case .root: root
      case .left(let number): self[number].left
      case .right(let number): self[number].right
      }
    }
    set {
      switch link {
      case .root: root = newValue
      case .left(let number): self[number].left = newValue
      case .right(let number): self[number].right = newValue
      }
    }
  }
}
