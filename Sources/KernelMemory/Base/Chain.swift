internal import CMachine

/// Elements with numbers, each of which names the next one of the chain that it is on.
@usableFromInline
protocol ChainLinks {
  func next(after element: UInt32) -> UInt32
  /// Makes `next` the one after `element`, and changes nothing else in it.
  func link(_ element: UInt32, to next: UInt32)
}

/// A chain of numbered elements, frames or areas, through a word in each of them, so that one of any length
/// needs no memory. It cannot be copied, and a path that drops one does not link: its `deinit` calls a symbol
/// that no kernel defines.
@frozen
@usableFromInline
struct Chain<Links: ChainLinks>: ~Copyable {
  /// Meaningless in an empty chain, as is what its last element names.
  private var head: UInt32
  private var last: UInt32
  private(set) var count: Int

  init() { self.init(head: 0, last: 0, count: 0) }

  /// - Precondition: `head` to `last` is a chain of `count` elements.
  init(head: UInt32, last: UInt32, count: Int) {
    self.head = head
    self.last = last
    self.count = count
  }

  /// Ends an empty chain.
  consuming func end() {
    precondition(count == 0, "something is left on a chain that ends")
    discard self
  }

  /// Takes the elements out; whoever calls this answers for them.
  consuming func elements() -> (head: UInt32, last: UInt32, count: Int) {
    let elements = (head: head, last: last, count: count)
    discard self
    return elements
  }

  deinit { cmachine_dropped_memory() }
}

extension Chain {
  /// Puts an element in front. O(1).
  @inline(__always)
  mutating func push(_ element: UInt32, _ links: Links) {
    links.link(element, to: head)
    if count == 0 { last = element }
    head = element
    count &+= 1
  }

  /// Puts an element behind the others. O(1).
  @inline(__always)
  mutating func append(_ element: UInt32, _ links: Links) {
    append(Chain(head: element, last: element, count: 1), links)
  }

  /// Takes the first element. O(1).
  @inline(__always)
  mutating func pop(_ links: Links) -> UInt32? {
    guard count != 0 else { return nil }
    let element = head
    head = links.next(after: element)
    count &-= 1
    return element
  }

  /// Puts another chain behind this one. O(1).
  @inline(__always)
  mutating func append(_ other: consuming Chain, _ links: Links) {
    let other = other.elements()
    guard other.count != 0 else { return }
    if count == 0 { head = other.head } else { links.link(last, to: other.head) }
    last = other.last
    count &+= other.count
  }

  /// Puts another chain in front of this one. O(1).
  @inline(__always)
  mutating func prepend(_ other: consuming Chain, _ links: Links) {
    let other = other.elements()
    guard other.count != 0 else { return }
    if count == 0 { last = other.last } else { links.link(other.last, to: head) }
    head = other.head
    count &+= other.count
  }

  /// Calls `body` with each element. O(elements).
  func forEach(_ links: Links, _ body: (UInt32) -> Void) {
    _ = prefix(links) { element in
      body(element)
      return true
    }
  }

  /// How many elements it begins with of which `isIncluded` is true. O(those).
  func prefix(_ links: Links, _ isIncluded: (UInt32) -> Bool) -> Int {
    var (element, passed) = (head, 0)
    while passed < count, isIncluded(element) {
      element = links.next(after: element)
      passed &+= 1
    }
    return passed
  }

  /// Takes up to `limit` elements and gives them to `body`, the first one first. O(those).
  /// - Returns: how many.
  @inline(__always)
  mutating func drain(limit: Int = .max, _ links: Links, _ body: (UInt32) -> Void) -> Int {
    var taken = 0
    while taken < limit, let element = pop(links) {
      body(element)
      taken &+= 1
    }
    return taken
  }
}
