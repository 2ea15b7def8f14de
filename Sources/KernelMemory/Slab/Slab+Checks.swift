internal import Synchronization

// The checks of hardened and checked mode
//
// A free object's link is followed only to a free object of the same cache; where it leads elsewhere, what
// hangs on it is given up: objects are abandoned rather than handed out.
//
// In checked mode the last eight bytes of an object note the size that was asked for and who asked, hidden as
// a link is (`LinkKey`); the bytes between the size and the note are a red zone. A free object is filled
// with a pattern, but for its link and its note. What fails a check is never handed out again.

private let redzoneByte: UInt8 = 0xbb
private let poisonByte: UInt8 = 0x6b

extension Slab {
  /// The last object of a magazine in checked mode, with its size noted.
  /// - Returns: zero where it was written to after it was freed, and is abandoned.
  @inline(never)
  func popChecked(_ number: Int, _ asked: UInt, _ tag: Tag, _ cpu: borrowing CPU) -> UInt {
    let cache = caches[number]
    let magazine = cpu.perCPU.magazines[number]
    let object = magazine.value.last.value.address
    magazine.value.pop()
    guard cache.value.hasConstructor || isPoisoned(object, cache) else {
      report(.writeAfterFree, number, noteTag(object, cache), object, cpu)
      abandon(1, number, cpu)
      return 0
    }
    // Before the red zone is made, which the link of an object with a constructor lies in.
    wipeLink(object, cache)
    note(asked, tag, object, cache)
    owner(of: object, cache).value.store(UInt8(tag.index &+ 1), ordering: .releasing)
    return object
  }

  /// Checks an object that is freed, and poisons it.
  /// - Returns: false where it was given up.
  @inline(never)
  func mayTakeBack(_ object: UInt, _ number: Int, _ tag: Tag, _ cpu: borrowing CPU) -> Bool {
    let cache = caches[number]
    guard let size = notedSize(of: object, cache), isRedzoneWhole(object, size, cache) else {
      report(.overflow, number, tag, object, cpu)
      abandon(1, number, cpu)
      return false
    }
    if !cache.value.hasConstructor { poison(object, cache) }
    return true
  }

  /// Whether a link may lead there: nowhere at the end of a chain, else to a free object of the cache.
  func isChained(_ object: UInt, _ number: Int, isLast: Bool = false) -> Bool {
    guard !isLast else { return object == 0 }
    let offset = object &- base
    guard let metadata = table.metadata(of: FrameNumber(UInt64(offset &>> pageShift))) else { return false }
    let state = metadata.value.state
    guard state.kind == .slab, state.cache == number else { return false }
    let cache = caches[number]
    let (index, isFirst) = cache.value.layout.grid.object(at: object)
    guard isFirst, index < UInt(cache.value.layout.capacity) else { return false }
    return owner(of: object, cache).value.load(ordering: .relaxed) == 0
  }

  /// Wipes the link of an object that leaves its slab: its user is not to read it.
  func wipeLink(_ object: UInt, _ cache: Stable<CacheBlock>) {
    if cache.value.hidesLinks { Stable<UInt>(bitPattern: object &+ cache.value.linkOffset).value = 0 }
  }

  private func abandon(_ count: Int, _ number: Int, _ cpu: borrowing CPU) {
    withLock(number, cpu) { $0.value.abandoned &+= count }
  }
}

// MARK: - The note, the red zone, the poison

extension Slab {
  private func noteWord(_ object: UInt, _ cache: Stable<CacheBlock>) -> Stable<UInt> {
    Stable(bitPattern: object &+ cache.value.layout.stride &- 8)
  }

  /// The size, and above it the tag; nil where that was overwritten.
  private func noted(_ object: UInt, _ cache: Stable<CacheBlock>) -> UInt? {
    let place = noteWord(object, cache)
    let note = cache.value.key.reveal(place.value, at: place.address)
    return note &>> 24 == 0 && note & 0xffff <= cache.value.layout.stride &- 8 ? note : nil
  }

  /// The size that was asked for; nil where its note was overwritten.
  func notedSize(of object: UInt, _ cache: Stable<CacheBlock>) -> UInt? {
    noted(object, cache).map { $0 & 0xffff }
  }

  /// Who has, or had last, an object, as far as that is known.
  func noteTag(_ object: UInt, _ cache: Stable<CacheBlock>) -> Tag {
    guard cache.value.padding != 0, let note = noted(object, cache) else { return .untagged }
    return Tag(index: UInt16(truncatingIfNeeded: note &>> 16))
  }

  /// Notes the size and the tag of an object that nobody else has, and makes a red zone of the rest.
  func note(_ size: UInt, _ tag: Tag, _ object: UInt, _ cache: Stable<CacheBlock>) {
    let place = noteWord(object, cache)
    place.value = cache.value.key.hide(size | UInt(tag.index) &<< 16, at: place.address)
    let count = Int(cache.value.layout.stride &- 8 &- size)
    unsafe Stable<UInt8>(bitPattern: object &+ size).pointer.initialize(repeating: redzoneByte, count: count)
  }

  private func isRedzoneWhole(_ object: UInt, _ size: UInt, _ cache: Stable<CacheBlock>) -> Bool {
    isFilled(object &+ size, object &+ cache.value.layout.stride &- 8, with: redzoneByte)
  }

  /// Fills a free object.
  func poison(_ object: UInt, _ cache: Stable<CacheBlock>) {
    let count = Int(cache.value.layout.stride &- 8)
    unsafe Stable<UInt8>(bitPattern: object).pointer.initialize(repeating: poisonByte, count: count)
  }

  private func isPoisoned(_ object: UInt, _ cache: Stable<CacheBlock>) -> Bool {
    let link = object &+ cache.value.linkOffset
    let end = object &+ cache.value.layout.stride &- 8
    return isFilled(object, link, with: poisonByte) && isFilled(link &+ 8, end, with: poisonByte)
  }

  private func isFilled(_ start: UInt, _ end: UInt, with byte: UInt8) -> Bool {
    var place = start
    while place < end {
      if Stable<UInt8>(bitPattern: place).value != byte { return false }
      place &+= 1
    }
    return true
  }
}

// MARK: - Reports

extension Slab {
  func withReports<Result>(_ cpu: borrowing CPU, _ body: (inout SlabReports) -> Result) -> Result {
    reportsLock.value.with(.reports, cpu) { body(&reports.value) }
  }

  func report(
    _ kind: SlabReport.Kind, _ cache: Int?, _ tag: Tag, _ address: UInt, _ cpu: borrowing CPU
  ) {
    cpu.count(.slabViolations)
    // Memory has the number of its tag, which may have been removed since.
    let tag = tags.tag(numbered: Int(tag.index)) ?? .untagged
    let report = SlabReport(
      kind: kind, cache: cache, tag: tag, address: VirtualAddress(UInt64(address)))
    withReports(cpu) { $0.add(report) }
  }

  /// Reports a free that was refused.
  @inline(never)
  func reportRefusal(_ problem: BadFree, _ address: UInt, _ cpu: borrowing CPU) {
    let kind: SlabReport.Kind =
      switch problem {
      case .alreadyFree: .doubleFree
      case .interior: .interiorFree
      default: .foreignFree
      }
    let offset = address &- base
    let frame = FrameNumber(UInt64(offset &>> pageShift))
    guard let state = table.metadata(of: frame)?.value.state, state.kind == .slab else {
      return report(kind, nil, .untagged, address, cpu)
    }
    let cache = caches[state.cache]
    let layout = cache.value.layout
    let index = layout.grid.object(at: address).index
    guard index < UInt(layout.capacity) else { return report(kind, state.cache, .untagged, address, cpu) }
    let object = address & ~layout.mask &+ index &* layout.stride
    let owner = owner(of: object, cache).value.load(ordering: .relaxed)
    let tag = owner == 0 ? noteTag(object, cache) : Tag(index: UInt16(owner &- 1))
    report(kind, state.cache, tag, address, cpu)
  }
}
