import MachineSimulator
import Testing

@testable import KernelMemory

// MARK: - Allocating

extension VmallocOracle {
  mutating func allocate() throws {
    let range = ranges[random.oneIn(3) ? 1 : 0]
    try allocate(randomCount(), randomOptions(range), in: range.pages)
  }

  /// Frees an area and asks for another like it, after no more purges than let it fall asleep.
  mutating func renew() throws {
    let large = random.oneIn(3) ? areas.filter { $0.value.pages.count.rawValue % 512 == 0 }.keys.min() : nil
    guard let area = try free(large), let range = ranges.first(where: { $0.id == area.areas }) else { return }
    for _ in 0..<random.below(3) { test.manager.purge() }
    var options = VmallocOptions()
    options.areas = range.id
    options.tag = area.tag
    options.protection = area.protection
    options.guardPages = UInt16(area.guardPages.rawValue)
    try allocate(area.pages.count.rawValue, options, in: range.pages)
  }

  private mutating func allocate(_ count: UInt64, _ options: VmallocOptions, in range: PageRange) throws {
    let byteCount = Int(count * pageBytes - random.below(pageBytes))
    let isZeroed = random.oneIn(3)
    let left = framesLeft(upTo: options.zone) + framesRetained()
    let kept = framesKeptByOthers()
    defer { if framesKeptByOthers() < kept { takenFromOthers += 1 } }
    let inUse = test.framesInUse
    let before = test.recount()
    let pointer: UnsafeMutableRawPointer
    do {
      pointer =
        isZeroed ? try test.manager.vzalloc(byteCount, options) : try test.manager.vmalloc(byteCount, options)
    } catch {
      try check(error, count, options, range, left: left)
      if error.isOfFrames { shortages += 1 }
      // It may have freed what was kept.
      let kept = mode == .strict ? inUse : min(inUse, test.framesInUse)
      try expect(test.framesInUse == kept, "a failed allocation kept frames")
      return
    }
    let area = try newArea(at: VirtualAddress(pointer), count, byteCount, options, in: range)
    try expect(options.address.map { isFree($0, count, options) } ?? true, "a place was handed out twice")
    areas[area.pages.first.rawValue] = area
    noteWoken(area.pages.first.rawValue, before)
    for page in area.guardRange.first.rawValue..<area.guardRange.end.rawValue {
      try expect(pages[page] == nil && guards[page] == nil, "guard \(page) was handed out twice")
      guards[page] = area.pages.first.rawValue
    }
    for page in area.pages.first.rawValue..<area.pages.end.rawValue {
      try fill(page, of: area, zone: options.zone, isZeroed: isZeroed)
    }
  }

  private mutating func randomCount() -> UInt64 {
    // Whole large leaves.
    if limits.pages >= 1024, random.oneIn(6) { return 512 * (1 + random.below(2)) }
    return random.oneIn(3) ? 1 : random.below(random.oneIn(4) ? limits.pages : min(16, limits.pages)) + 1
  }

  mutating func noteWoken(_ first: UInt64, _ before: RetainedRecount) {
    for kind in AreaKind.all where before.asleep[kind]?.contains(first) ?? false {
      woken[kind, default: 0] += 1
    }
  }

  private mutating func randomOptions(_ range: (id: ArenaID, pages: PageRange)) -> VmallocOptions {
    var options = VmallocOptions()
    options.areas = range.id
    options.tag = random.element(of: tags)
    options.guardPages = UInt16(random.below(4))
    if random.oneIn(4) { options.alignment = 1 << random.below(13 + pageShift) }
    if random.oneIn(5) { options.protection = random.oneIn(2) ? .readOnly : .readExecute }
    if random.oneIn(8) { options.zone = .dma }
    if random.oneIn(8) {
      let page = range.pages.first.rawValue + random.below(600)
      options.address = address(page)
      options.alignment = 1
    }
    return options
  }

  /// Checks what the manager says of a new area.
  private func newArea(
    at address: VirtualAddress, _ count: UInt64, _ byteCount: Int, _ options: VmallocOptions,
    in range: PageRange
  ) throws -> Area {
    guard let area = test.manager.area(containing: address) else {
      throw Failure(description: "a new area is not found")
    }
    let expected = Area(
      address: address, pages: PageRange(unchecked: address.number(format.pageSize), count: PageCount(count)),
      guardPages: PageCount(UInt64(options.guardPages)), byteCount: UInt64(byteCount),
      protection: options.protection, cache: options.cache, tag: options.tag,
      areas: options.areas ?? test.manager.vmallocAreas)
    try expect(area == expected, "\(area) is not \(expected)")
    try expect(range.contains(area.pages), "an area outside its range")
    try expect(area.guardRange.end <= range.end, "a guard outside its range")
    try expect(address.rawValue % options.alignment == 0, "an unaligned area")
    return area
  }

  private mutating func fill(_ page: UInt64, of area: Area, zone: ZoneKind, isZeroed: Bool) throws {
    guard let frame = test.manager.frame(at: address(page)) else {
      throw Failure(description: "page \(page) of a new area has no frame")
    }
    try expect(
      ZoneKind(of: frame.address(format.pageSize)).rawValue <= zone.rawValue, "a frame of another zone")
    if isZeroed {
      let bytes = try test.simulated.load(byteCount: Int(pageBytes), at: address(page))
      try expect(bytes[...] == Self.zeroes[..<Int(pageBytes)], "vzalloc left dirt")
    }
    try add(
      page, owner: area.pages.first.rawValue, frame: frame, isWritable: area.protection.isWritable)
  }

  private static let zeroes = [UInt8](repeating: 0, count: 1 << 16)

  /// Frames that all CPUs keep, and an allocation that finds none gets; with the most that come of tables,
  /// which areas that are kept may have for themselves.
  private func framesRetained() -> UInt64 {
    if mode == .strict { return 0 }
    let counters = test.manager.counters
    return framesKept(by: 0..<cpuCount) + counters[.tablesMade] - counters[.tablesReturned]
  }

  private func framesKeptByOthers() -> UInt64 {
    framesKept(by: (0..<cpuCount).filter { $0 != SimulatedMachine.currentCPU })
  }

  private func framesKept(by cpus: some Sequence<Int>) -> UInt64 {
    cpus.reduce(0) { sum, cpu in
      let retained = test.simulated.onCPU(cpu) { test.manager.retained }
      return sum + retained.frames.rawValue + retained.cached.rawValue
    }
  }

  func framesLeft(upTo zone: ZoneKind) -> UInt64 {
    [ZoneKind.dma, .dma32, .normal].filter { $0.rawValue <= zone.rawValue }.reduce(0) { sum, zone in
      let usage = test.manager.usage(of: zone)
      return sum + usage.free.rawValue + usage.cached.rawValue
    }
  }

  private func isFree(_ address: VirtualAddress, _ count: UInt64, _ options: VmallocOptions) -> Bool {
    let first = address.number(format.pageSize).rawValue
    return (first..<first + count + UInt64(options.guardPages)).allSatisfy {
      pages[$0] == nil && guards[$0] == nil
    }
  }

  /// Whether an allocation had a reason to fail.
  private func check(
    _ error: MemoryError, _ count: UInt64, _ options: VmallocOptions, _ range: PageRange, left: UInt64
  ) throws {
    let isTrue: Bool
    switch error {
    case .placeTaken(let address):
      let end = address.number(format.pageSize).rawValue + count + UInt64(options.guardPages)
      isTrue = address == options.address && (!isFree(address, count, options) || end > range.end.rawValue)
    case .rangeExhausted(let largest):
      isTrue = largest.rawValue < count + UInt64(options.guardPages) || options.alignment > pageBytes
    case .framesExhausted(let got, let wanted):
      isTrue = wanted.rawValue == count && got < wanted && got.rawValue <= left
    // With so many frames beyond those of the pages there would have been tables and nodes.
    case .tablesExhausted, .metadataExhausted: isTrue = framesLeft(upTo: .normal) < count + 20
    default: isTrue = false
    }
    try expect(isTrue, "\(error) for \(count) pages of \(options), with \(left) frames left")
  }
}

// MARK: - Freeing

extension VmallocOracle {
  /// Frees any area, or the one whose first page is given.
  /// - Returns: the area; nil where there is none.
  @discardableResult
  mutating func free(_ chosen: UInt64? = nil) throws -> Area? {
    guard let first = chosen ?? areas.keys.sorted().randomElement(using: &random), let area = areas[first]
    else { return nil }
    for page in area.pages.first.rawValue..<area.pages.end.rawValue { try read(page) }
    try test.manager.vfree(test.pointer(area.address.rawValue))
    areas[first] = nil
    for page in area.pages.first.rawValue..<area.guardRange.end.rawValue {
      remove(page)
      guards[page] = nil
      try expectLeft(page)
      let found = test.manager.area(containing: address(page))
      try expect(found == nil, "a freed area is found")
    }
    freed.append(area.address.rawValue)
    if freed.count > 10 { freed.removeFirst() }
    return area
  }

  /// A free of any address that is not the first byte of an area: refused for the reason that the books
  /// give.
  mutating func freeBadly() throws {
    let start = format.vmallocRange.first.address(format.pageSize).rawValue
    var candidates =
      freed + [
        random.next(), start - 1 - random.below(1 << 20), start + random.below(1 << 30), start &+ 1 << 45,
        format.moduleStart.rawValue << pageShift + random.below(600 << pageShift),
        (loans.keys.min() ?? 0) << pageShift,
        test.simulated.linearMap.base.rawValue + random.below(1 << 24),
        format.windowStart.rawValue << pageShift,
      ]
    if let first = areas.keys.sorted().randomElement(using: &random), let area = areas[first] {
      let pages = area.pages.count.rawValue + area.guardPages.rawValue
      candidates += (0..<8).map { _ in area.address.rawValue + random.below(pages * pageBytes) }
    }
    let address = random.element(of: candidates)
    guard let reason = reason(toRefuse: address) else { return }
    do {
      try test.manager.vfree(test.pointer(address))
      throw Failure(description: "a free of \(address) succeeded, which is \(reason)")
    } catch let error as MemoryError {
      try expect(error == .badFree(reason), "a free of \(address): \(error), which is \(reason)")
    }
  }

  private func reason(toRefuse address: UInt64) -> BadFree? {
    let page = address >> pageShift
    guard address != 0, ranges.contains(where: { $0.pages.contains(PageNumber(page)) }) else {
      return address == 0 ? nil : .foreign
    }
    // Of borrowed frames the first byte alone is tried.
    if let loan = loans[guards[page] ?? pages[page]?.owner ?? 0] {
      return VirtualAddress(loan.pointer).rawValue == address ? .foreign : nil
    }
    if guards[page] != nil { return .guardPage }
    guard let owner = pages[page]?.owner else { return .alreadyFree }
    if owner != page { return .interior }
    return address == page << pageShift ? nil : .unaligned
  }
}

// MARK: - Mappings by hand

extension VmallocOracle {
  /// A block of frames at a random place, sometimes one that is taken; large leaves come out where both are
  /// aligned.
  mutating func map() throws {
    guard windows.count < 4 else { return try unmap(whole: true) }
    let order = random.oneIn(3) ? 9 : Int(random.below(9))
    let slot = random.below(6) * 1024
    let offset = random.oneIn(2) ? 0 : random.below(512)
    let first = PageNumber(format.windowStart.rawValue + slot + offset)
    let frame: FrameNumber
    do { frame = try test.manager.allocateFrames(order: order) } catch { return }
    let range = PageRange(unchecked: first, count: PageCount(1 << UInt64(order)))
    let isTaken = (range.first.rawValue..<range.end.rawValue).contains { pages[$0] != nil }
    do {
      try test.manager.map(range, to: frame, MappingAttributes(.readWrite))
    } catch {
      try test.manager.freeFrames(frame, order: order)
      if case .alreadyMapped(let address) = error {
        // Where a large leaf was to stand, the address is its own, and the page that is taken behind it.
        let page = address.number(format.pageSize).rawValue
        let isTrue = isTaken && (page..<page + format.largeLeaf).contains { pages[$0] != nil }
        return try expect(isTrue, "\(error)")
      }
      guard case .tablesExhausted = error else { throw error }
      return
    }
    try expect(!isTaken, "pages were mapped twice")
    windows.append(Window(pages: range, frame: frame, order: order))
    for step in 0..<range.count.rawValue {
      try add(
        first.rawValue + step, owner: first.rawValue, frame: FrameNumber(frame.rawValue + step),
        isWritable: true)
    }
  }

  /// Unmaps a part of a window, or, with the last of it, gives its frames back.
  mutating func unmap(whole: Bool = false) throws {
    guard let index = windows.indices.randomElement(using: &random) else { return }
    let window = windows[index]
    let count = window.pages.count.rawValue
    let start = whole ? 0 : random.below(count)
    let length = whole ? count : random.below(count - start) + 1
    let first = window.pages.first.rawValue + start
    do {
      try test.manager.unmap(PageRange(unchecked: PageNumber(first), count: PageCount(length)))
    } catch {
      // A large leaf that sticks out may not be split where that needs a flush in between.
      if case .breakBeforeMake = error, format.format.splitNeedsBreakBeforeMake, length < count { return }
      guard case .tablesExhausted = error else { throw error }
      return
    }
    for page in first..<first + length {
      remove(page)
      try expectGone(page)
    }
    let all = window.pages.first.rawValue..<window.pages.end.rawValue
    if !all.contains(where: { pages[$0] != nil }) {
      windows.remove(at: index)
      try test.manager.freeFrames(window.frame, order: window.order)
    }
  }
}
