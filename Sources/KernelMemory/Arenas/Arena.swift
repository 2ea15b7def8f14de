// Arenas: which virtual ranges are taken
//
// One arena manages one range of addresses: the vmalloc range, the module range, a test's. It cuts
// its range into pieces, areas and holes, that cover it without a gap. Everything that a request does
// is constant in the number of areas and holes:
//
//   reserve   the smallest hole that will do, from the bins; cut the area out of it
//   release   merge with the holes on either side, which the address-order links name
//   find      the index, from any address to its area
//
// Invariants, checked by `validate()`:
//   - the pieces, in link order, start where the one before ends, and cover the range;
//   - no two holes are neighbours, and every hole is in the bin of its size;
//   - the index names an area for exactly the pages that it and its guard have.

/// Names an arena in its manager.
@frozen
public struct ArenaID: Equatable, Hashable, Sendable {
  let index: UInt8

  init(index: UInt8) { self.index = index }
}

@safe
struct Arena {
  /// In cleared memory, and written there field by field: a whole value would take its bins through the
  /// stack.
  struct State: ~Copyable {
    fileprivate(set) var pool: DescriptorPool
    fileprivate(set) var index: AreaIndex
    fileprivate(set) var range: PageRange
    fileprivate(set) var id: ArenaID
    var bins: HoleBins
    /// Areas in whatever state.
    var areaCount: Int
    /// The piece with the lowest address.
    var firstPiece: UInt32
  }

  /// What a caller asks of a range.
  struct Request {
    var pages: PageCount
    /// The guard, the alignment, and all else that is said of an area.
    var traits: AreaTraits
    var place: PageNumber?
    /// log2 of the pages that it is to begin at a multiple of where that wastes little.
    var bestAlignment = 0
  }

  let state: Stable<State>

  init(_ state: Stable<State>) { self.state = state }

  /// Starts with a range that is all one hole; its descriptor was stocked.
  func start(_ range: PageRange, id: ArenaID, index: AreaIndex, pool: DescriptorPool) {
    let hole = pool.take(as: .hole)
    pool[hole].value.place(range.first.rawValue, range.count.rawValue, before: 0, after: 0)
    state.value.pool = pool
    state.value.index = index
    state.value.range = range
    state.value.id = id
    state.value.firstPiece = hole
    state.value.bins.insert(hole, pool)
  }

  var range: PageRange { state.value.range }
  var isEmpty: Bool { state.value.areaCount == 0 }
  var pool: DescriptorPool { state.value.pool }
  var index: AreaIndex { state.value.index }
}

// MARK: - Reserving

extension Arena {
  /// Reserves a range of pages with its guard: O(bits of a size), whatever the number of holes. A named place
  /// is found in O(levels × slots of a node of the index). An aligned request finds every hole of its size
  /// and alignment together; of smaller ones, which serve it if they lie well, it tries a few.
  /// - Returns: the number of a descriptor in state `preparing`; going live, or `release`, ends that.
  /// - Throws: `rangeExhausted`, `placeTaken`, `metadataExhausted`, with nothing reserved.
  func reserve(_ request: Request, _ cpu: borrowing CPU) throws(MemoryError) -> UInt32 {
    let place = try findPlace(for: 1, request, cpu)
    return make(1, at: place, request)
  }

  /// Reserves `count` such ranges, one behind the other.
  /// - Parameters:
  ///   - count: how many; 1 where the request names a place.
  ///   - request: what each is to be like.
  ///   - isWanted: whether all the pages together serve, which have nobody yet; called once at the most.
  ///   - cpu: this CPU.
  /// - Returns: the number of the first, whose `after` is the next one; nil, with nothing reserved, where
  ///   they do not serve.
  func reserve(
    _ count: Int, _ request: Request, _ cpu: borrowing CPU, where isWanted: (PageRange) -> Bool
  ) throws(MemoryError) -> UInt32? {
    let place = try findPlace(for: count, request, cpu)
    return isWanted(place.pages) ? make(count, at: place, request) : nil
  }

  /// Pages in a hole.
  private struct Place {
    let hole: UInt32
    let pages: PageRange
  }

  /// Where `count` ranges, one behind the other, can be; with all in stock that it takes to make them.
  private func findPlace(
    for count: Int, _ request: Request, _ cpu: borrowing CPU
  ) throws(MemoryError) -> Place {
    guard let span = request.pages.adding(PageCount(UInt64(request.traits.guardPages)))?.rawValue,
      span <= HoleBins.largestSize
    else { throw .sizeOverflow }
    // The areas, and a hole in front of them where alignment or the place leaves one.
    try pool.stock(count &+ 1, cpu)
    try index.stock(cpu)
    let all = span &* UInt64(truncatingIfNeeded: count)
    let (hole, start) = try find(all, request)
    return Place(hole: hole, pages: PageRange(unchecked: PageNumber(start), count: PageCount(all)))
  }

  /// Cuts `count` areas of equal size out of a place.
  /// - Returns: the first one.
  private func make(_ count: Int, at place: Place, _ request: Request) -> UInt32 {
    let span = request.pages.rawValue &+ UInt64(request.traits.guardPages)
    let first = cut(place.pages.count.rawValue, at: place.pages.first.rawValue, outOf: place.hole)
    divide(first, into: span)
    var next = first
    index.insert(place.pages, each: span) {
      let area = next
      pool[area].value.traits = request.traits
      next = pool[area].value.after
      return area
    }
    state.value.areaCount &+= count
    return first
  }

  /// Makes an area of several of `span` pages each, which no index leads to yet.
  private func divide(_ area: UInt32, into span: UInt64) {
    let end = pool[area].value.end
    pool[area].value.span = span
    var last = area
    while pool[last].value.end != end {
      let next = pool.take(as: .preparing)
      link(next, pool[last].value.end, span, before: last, after: pool[last].value.after)
      pool[next].value.previous = next
      last = next
    }
  }

  private func find(_ span: UInt64, _ request: Request) throws(MemoryError) -> (hole: UInt32, start: UInt64) {
    if let place = request.place {
      guard place.isAligned(toOrder: request.traits.alignment), range.contains(place),
        span <= range.end.rawValue &- place.rawValue
      else { throw .placeTaken(place.address(pool.pageSize)) }
      let hole = piece(containing: place.rawValue)
      guard pool[hole].value.state == .hole, place.rawValue &+ span <= pool[hole].value.end else {
        let address = place.address(pool.pageSize)
        throw isOnItsWayBack(hole, upTo: place.rawValue &+ span) ? .placeBusy(address) : .placeTaken(address)
      }
      return (hole, place.rawValue)
    }
    if request.bestAlignment > request.traits.alignment, isMostlyOneHole,
      let found = fit(span, alignment: request.bestAlignment)
    {
      return found
    }
    if let found = fit(span, alignment: request.traits.alignment) { return found }
    throw .rangeExhausted(largestHole: PageCount(largestHole))
  }

  /// Whether three quarters of the range are one hole: what alignment wastes until then is no more than an
  /// eighth of the range.
  private var isMostlyOneHole: Bool {
    let pages = range.count.rawValue
    return largestHole >= pages &- pages &>> 2
  }

  /// A hole, and where in it an area of `span` pages can start: the smallest hole in which every place would
  /// do.
  private func fit(_ span: UInt64, alignment: Int) -> (hole: UInt32, start: UInt64)? {
    let mask = (UInt64(1) &<< UInt64(truncatingIfNeeded: alignment)) &- 1
    let (padded, overflow) = span.addingReportingOverflow(mask)
    let first = overflow ? 0 : state.value.bins.smallest(from: padded, pool)
    guard first == 0 else {
      // Of holes of one size, take one behind the tree's: removing it leaves the tree alone.
      let hole = pool[first].value.next != 0 ? pool[first].value.next : first
      return (hole, (pool[hole].value.first &+ mask) & ~mask)
    }
    return mask == 0 ? nil : search(span, mask, below: overflow ? .max : padded)
  }

  /// How many holes an aligned request tries, and how many pieces a step of a walk passes: a bound on how
  /// long the lock is held, some 64 cache misses.
  fileprivate static var tries: Int { 64 }

  /// The fallback of an aligned request when the range is nearly full: holes that are large enough if they
  /// lie well, the largest of them first. O(`tries` × bits of a size).
  private func search(_ span: UInt64, _ mask: UInt64, below end: UInt64) -> (hole: UInt32, start: UInt64)? {
    var left = Self.tries
    var first = state.value.bins.largest(upTo: end &- 1, pool)
    while first != 0, pool[first].value.span >= span {
      var hole = first
      while hole != 0 {
        guard left > 0 else { return nil }
        left &-= 1
        #if DEBUG
        state.value.bins.visits += 1
        #endif
        let start = (pool[hole].value.first &+ mask) & ~mask
        if start &+ span <= pool[hole].value.end { return (hole, start) }
        hole = pool[hole].value.next
      }
      first = state.value.bins.largest(upTo: pool[first].value.span &- 1, pool)
    }
    return nil
  }

  private func piece(containing page: UInt64) -> UInt32 {
    let area = index.lastArea(notAfter: page)
    return area == 0 ? state.value.firstPiece : pool[area].value.end > page ? area : pool[area].value.after
  }

  /// Whether the pieces up to a page are free, or will be after a flush: `placeBusy` instead of `placeTaken`.
  /// Checks 16 pieces at most, since it only chooses the error.
  private func isOnItsWayBack(_ first: UInt32, upTo end: UInt64) -> Bool {
    var piece = first
    for _ in 0..<16 {
      guard piece != 0, pool[piece].value.first < end else { return true }
      if pool[piece].value.state.isHeld { return false }
      piece = pool[piece].value.after
    }
    return true
  }

  /// Cuts `span` pages from `start` out of a hole; what is left on either side stays a hole.
  private func cut(_ span: UInt64, at start: UInt64, outOf hole: UInt32) -> UInt32 {
    let old = pool[hole]
    let lead = start &- old.value.first
    let tail = old.value.end &- (start &+ span)
    let area: UInt32
    if lead == 0 && tail == 0 {
      state.value.bins.remove(hole, pool)
      old.value.renew(as: .preparing)
      area = hole
    } else {
      area = pool.take(as: .preparing)
      if lead == 0 {
        link(area, start, span, before: old.value.before, after: hole)
        state.value.bins.resize(hole, to: tail, pool)
        old.value.first = start &+ span
      } else {
        split(span, at: start, area, hole, lead: lead, tail: tail)
      }
    }
    pool[area].value.previous = area
    return area
  }

  /// Links an area that has a hole in front of it.
  private func split(
    _ span: UInt64, at start: UInt64, _ area: UInt32, _ hole: UInt32, lead: UInt64, tail: UInt64
  ) {
    let after = pool[hole].value.after
    state.value.bins.resize(hole, to: lead, pool)
    link(area, start, span, before: hole, after: after)
    guard tail > 0 else { return }
    let rest = pool.take(as: .hole)
    link(rest, start &+ span, tail, before: area, after: after)
    state.value.bins.insert(rest, pool)
  }

  private func link(_ piece: UInt32, _ first: UInt64, _ span: UInt64, before: UInt32, after: UInt32) {
    pool[piece].value.place(first, span, before: before, after: after)
    if before != 0 { pool[before].value.after = piece } else { state.value.firstPiece = piece }
    if after != 0 { pool[after].value.before = piece }
  }
}

// MARK: - Releasing

extension Arena {
  /// Gives an area's pages, guard included, back to the range. O(bits of a size).
  func release(_ area: UInt32) {
    let descriptor = pool[area]
    state.value.areaCount &-= 1
    index.remove(descriptor.value.spanRange)
    let (before, after) = (descriptor.value.before, descriptor.value.after)
    switch (isHole(before), isHole(after)) {
    case (true, true):
      state.value.bins.remove(after, pool)
      descriptor.value.span &+= pool[after].value.span
      unlink(after)
      extend(before, by: area)
    case (true, false): extend(before, by: area)
    case (false, true):
      pool[after].value.first = descriptor.value.first
      extend(after, by: area)
    case (false, false):
      descriptor.value.renew(as: .hole)
      state.value.bins.insert(area, pool)
    }
  }

  private func isHole(_ piece: UInt32) -> Bool { piece != 0 && pool[piece].value.state == .hole }

  /// Gives a neighbour's pages to a hole; most often that stays where it is in its bin.
  private func extend(_ hole: UInt32, by piece: UInt32) {
    state.value.bins.resize(hole, to: pool[hole].value.span &+ pool[piece].value.span, pool)
    unlink(piece)
  }

  /// Takes a piece out of the chain, whose pages another one has.
  private func unlink(_ piece: UInt32) {
    let (before, after) = (pool[piece].value.before, pool[piece].value.after)
    if before != 0 { pool[before].value.after = after } else { state.value.firstPiece = after }
    if after != 0 { pool[after].value.before = before }
    pool.put(piece)
  }
}

// MARK: - Asking

extension Arena {
  /// The number of the area that has `page`, its guard included, whatever its state; nil for a hole.
  /// O(1), lock-free.
  @inline(__always)
  func find(_ page: PageNumber) -> UInt32? {
    guard range.contains(page) else { return nil }
    let area = index.area(at: page.rawValue)
    guard area != 0, pool[area].value.spanRange.contains(page) else { return nil }
    return area
  }

  /// What a step of a walk through the pieces has come to.
  enum Step {
    case found(UInt32)
    /// Nothing yet: the next step begins here.
    case from(PageNumber)
    case end
  }

  /// The area with the lowest address at or above `page` that is wanted, if it is among the next few pieces:
  /// a walk holds the lock for no more of them at a time.
  func step(from page: PageNumber, where isWanted: (AreaState) -> Bool) -> Step {
    guard page < range.end else { return .end }
    var piece = page <= range.first ? 0 : index.lastArea(notAfter: page.rawValue)
    if piece == 0 { piece = state.value.firstPiece }
    for _ in 0..<Self.tries {
      if pool[piece].value.first >= page.rawValue && isWanted(pool[piece].value.state) {
        return .found(piece)
      }
      let after = pool[piece].value.after
      guard after != 0 else { return .end }
      piece = after
    }
    return .from(PageNumber(max(pool[piece].value.first, page.rawValue)))
  }

  /// The pages of the largest hole; zero where there is none. O(bits of a size).
  var largestHole: UInt64 {
    let hole = state.value.bins.largest(upTo: .max, pool)
    return hole == 0 ? 0 : pool[hole].value.span
  }
}

extension AreaDescriptor {
  fileprivate mutating func place(_ first: UInt64, _ span: UInt64, before: UInt32, after: UInt32) {
    self.first = first
    self.span = span
    self.before = before
    self.after = after
  }
}
