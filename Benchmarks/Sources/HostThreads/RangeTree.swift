/// Ranges of pages in a balanced tree by their starts. Each node knows the longest range below it, so that
/// the lowest one that is long enough is found in O(log n). Balanced by random priorities (a treap: Seidel
/// and Aragon, 1996).
struct RangeTree {
  private struct Node {
    var start: Int
    var count: Int
    var longest: Int
    var priority: UInt64
    var left = 0
    var right = 0
  }

  /// Node 0 is "none"; those that are free are linked through `left`.
  private var nodes = [Node(start: 0, count: 0, longest: 0, priority: 0)]
  private var root = 0
  private var unused = 0
  private var random: UInt64 = 0x9e37_79b9_7f4a_7c15

  /// The start of the lowest range of at least `count` pages.
  func lowest(atLeast count: Int) -> Int? {
    var at = root
    guard nodes[at].longest >= count else { return nil }
    while true {
      if nodes[nodes[at].left].longest >= count {
        at = nodes[at].left
      } else if nodes[at].count >= count {
        return nodes[at].start
      } else {
        at = nodes[at].right
      }
    }
  }

  /// The last range that starts at or below `page`.
  func last(upTo page: Int) -> (start: Int, count: Int)? {
    var (at, found) = (root, 0)
    while at != 0 {
      if nodes[at].start <= page {
        found = at
        at = nodes[at].right
      } else {
        at = nodes[at].left
      }
    }
    return found == 0 ? nil : (nodes[found].start, nodes[found].count)
  }

  mutating func insert(_ start: Int, _ count: Int) {
    let node = makeNode(start, count)
    let (below, above) = split(root, at: start)
    root = join(join(below, node), above)
  }

  /// Takes out the range that starts at `start`.
  /// - Returns: its length; nil where there is none.
  mutating func remove(_ start: Int) -> Int? {
    let (below, rest) = split(root, at: start)
    let (node, above) = split(rest, at: start + 1)
    root = join(below, above)
    guard node != 0 else { return nil }
    nodes[node].left = unused
    unused = node
    return nodes[node].count
  }

  private mutating func makeNode(_ start: Int, _ count: Int) -> Int {
    random ^= random << 13
    random ^= random >> 7
    random ^= random << 17
    let new = Node(start: start, count: count, longest: count, priority: random)
    guard unused != 0 else {
      nodes.append(new)
      return nodes.count - 1
    }
    let node = unused
    unused = nodes[node].left
    nodes[node] = new
    return node
  }

  private mutating func renew(_ at: Int) {
    nodes[at].longest = max(
      nodes[at].count, nodes[nodes[at].left].longest, nodes[nodes[at].right].longest)
  }

  /// What starts below `page`, and the rest.
  private mutating func split(_ at: Int, at page: Int) -> (Int, Int) {
    if at == 0 { return (0, 0) }
    if nodes[at].start < page {
      let (below, above) = split(nodes[at].right, at: page)
      nodes[at].right = below
      renew(at)
      return (at, above)
    }
    let (below, above) = split(nodes[at].left, at: page)
    nodes[at].left = above
    renew(at)
    return (below, at)
  }

  /// All of `below` starts below all of `above`.
  private mutating func join(_ below: Int, _ above: Int) -> Int {
    if below == 0 || above == 0 { return below | above }
    if nodes[below].priority > nodes[above].priority {
      let right = join(nodes[below].right, above)
      nodes[below].right = right
      renew(below)
      return below
    }
    let left = join(below, nodes[above].left)
    nodes[above].left = left
    renew(above)
    return above
  }
}

/// Free ranges in one tree, from which the lowest that fits is taken, and areas in another, to find again
/// what is freed. The published shape of vmalloc in Linux before 6.9.
struct TreeAllocator: RangeAllocator {
  private var holes = RangeTree()
  private var areas = RangeTree()

  init(pages: Int) { holes.insert(0, pages) }

  mutating func allocate(_ count: Int) -> Int? {
    guard let start = holes.lowest(atLeast: count), let length = holes.remove(start) else { return nil }
    if length > count { holes.insert(start + count, length - count) }
    areas.insert(start, count)
    return start
  }

  /// The pages go back together with the holes on both sides.
  mutating func free(_ start: Int, _ count: Int) -> Bool {
    guard let length = areas.remove(start), length == count else { return false }
    var (first, end) = (start, start + count)
    if let above = holes.remove(end) { end += above }
    if let below = holes.last(upTo: first), below.start + below.count == first {
      _ = holes.remove(below.start)
      first = below.start
    }
    holes.insert(first, end - first)
    return true
  }
}
