internal import CMachine

// Contents, and the caches between them and memory
//
// All RAM is mapped write-back in the linear map (and in other windows on all memory), and stays so. An area
// or a mapping of another type is a second way to its frames, which goes round the caches. That is right as
// long as
//
//   - nobody takes the first way meanwhile: the caller uses the area, or the window, and nothing else; and
//   - no cache holds anything of the frames when the way changes, in either direction. Going out, a line that
//     is dirty would be written back over what the caller has stored since; coming back, a line that was
//     fetched before, by speculation if by nothing else, would hide it.
//
// So frames are cleaned (`Machine.cleanMemory`) in five places: here, before `vmalloc` returns an area of
// another type than write-back whose frames are new, or were cleared by the first way; where such an area's
// entries are cleared (`Vmalloc.clear`); before `vmap` and `map` make, and `vunmap` and `unmap` end, a
// mapping of another type; and before `unmapMemory` ends the first way, by which alone they are cleaned. An
// area that stays mapped in a warm cache stays out. A machine whose caches answer every access, whatever its
// type, has no such function, and all of this is a test of a pointer.

extension MemoryManager {
  /// Allocates an area whose bytes are all zero, up to the end of its last page.
  public func vzalloc(
    _ byteCount: Int, _ options: VmallocOptions = VmallocOptions()
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    let memory = unsafe try vmalloc(byteCount, options)
    unsafe clearNew(VirtualAddress(memory), byteCount, options.cache)
    return unsafe memory
  }

  /// Clears an area that was just handed out. Nobody else has the address yet, so this needs no protection,
  /// and runs with interrupts as they are.
  private func clearNew(_ address: VirtualAddress, _ byteCount: Int, _ cache: CacheType) {
    #if Ablations
    if Ablation.forgetToClear.isOn { return }
    #endif
    let pages = PageRange(
      unchecked: address.number(pageSize), count: PageCount(bytes: UInt64(byteCount), pageSize))
    clear(pages)
    if cache != .writeBack { cleanMemory(of: pages) }
  }

  /// Clears and cleans an area that needs it, before its address is returned.
  func prepare(_ made: Vmalloc.Allocation, _ request: Vmalloc.Request) {
    let traits = request.area.traits
    guard traits.needsPreparing else { return }
    let pages = PageRange(unchecked: made.first, count: request.area.pages)
    prepare(pages, traits, crossesTags: made.crossesTags, isNew: made.isNew)
  }

  /// Makes the contents of an area that was just handed out what they are to be. Nobody else has the address
  /// yet, so this runs with interrupts as they are. O(pages).
  /// - Parameters:
  ///   - pages: the area's.
  ///   - traits: what it is like.
  ///   - crossesTags: whether another tag may have written what is there.
  ///   - isNew: whether the frames were not the area's before.
  @inline(never)
  func prepare(_ pages: PageRange, _ traits: AreaTraits, crossesTags: Bool, isNew: Bool) {
    let isCleared = traits.isCleared && crossesTags
    if isCleared { clear(pages) }
    if traits.cache != .writeBack && (isCleared || isNew) { cleanMemory(of: pages) }
  }

  /// Clears the frames behind the pages of an area, by way of the linear map. O(pages).
  func clear(_ pages: PageRange) {
    tables.visit(pages) { leaf in
      for offset in 0..<leaf.pages.count.rawValue {
        frames.table.zero(FrameNumber(leaf.frame.rawValue &+ offset))
      }
    }
  }

  /// Cleans the frames behind pages. O(pages).
  func cleanMemory(of pages: PageRange) {
    guard hasIncoherentCaches else { return }
    forEachLeaf(of: pages) { leaf in cleanMemory(leaf.frames) }
  }

  /// Cleans the frames behind those pages that are not mapped write-back.
  func cleanUncached(_ pages: PageRange) {
    guard hasIncoherentCaches else { return }
    forEachLeaf(of: pages) { leaf in
      if leaf.attributes.cache != .writeBack { cleanMemory(leaf.frames) }
    }
  }

  /// Cleans frames, as far as the linear map has them write-back: a device's, which may be mapped in one of
  /// its holes, are in no cache. O(frames).
  func cleanMemory(_ run: FrameRange) {
    #if Ablations
    if Ablation.forgetToClean.isOn { return }
    #endif
    let machine = machine
    guard let clean = unsafe machine.value.cleanMemory, windows.count > 0 else { return }
    let pages = windows.pages(of: run, in: 0)
    forEachLeaf(of: pages) { leaf in
      guard leaf.attributes.cache == .writeBack else { return }
      let (first, end) = (max(leaf.pages.first, pages.first), min(leaf.pages.end, pages.end))
      unsafe clean(
        machine.value.context,
        cmachine_range(
          start: UInt(first.address(pageSize).rawValue), end: UInt(end.address(pageSize).rawValue)))
    }
  }

  private var hasIncoherentCaches: Bool { unsafe machine.value.cleanMemory != nil }
}

extension MappedRange {
  /// The frames that the leaf maps to.
  var frames: FrameRange { FrameRange(unchecked: frame, count: pages.count) }
}
