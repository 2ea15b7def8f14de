internal import CHost
internal import KernelMemory

// The manager's own accesses
//
// A manager reaches RAM by the linear map, which is memory of the process here: no simulated MMU sees its
// loads and stores, so that one which uses what it has freed goes unpunished. So frames that it frees are
// hidden: the process may not touch them. Who does is interrupted (SIGSEGV), on its own thread and in the
// middle of its access, and the frame is looked at. Either the manager has taken it again meanwhile: it is
// opened, and nothing has happened. Or it is free: that is noted, and becomes a violation. The access is made
// all the same, so that the run goes on to where that can be said; what it has changed is nobody's.
//
// Frames that must stay as they are, since they are handed out as zero, are hidden from writes alone: checks
// may read them.
//
// What the process may do with pages is a matter of whole threads, and of memory that holds what it holds. So
// nothing is hidden where CPUs run freely, where stores are seen late, or behind a cache that is not
// coherent. Each run of frames of a kind is a mapping of the process, of which it may have 65,530
// (vm.max_map_count): in machines with more than 64 MiB nothing is hidden either.

/// Which frames of a machine the process may not touch.
@safe
final class HiddenFrames {
  enum Cover: UInt8 {
    case none
    /// Whoever writes is seen.
    case writes
    /// Whoever reads, too.
    case all
  }

  /// A use of a free frame.
  struct Touch {
    let frame: FrameNumber
    let cpu: Int
    var isWrite: Bool
  }

  private static let largest = UInt64(64) << 20

  private let start: UnsafeMutableRawPointer
  private let regions: [RAMRegion]
  /// Pages of the process in a frame.
  private let pagesEach: Int
  /// By the number of a page of the process; all of a frame are alike. Not committed before it is
  /// touched: RAM may begin far up.
  private let covers: UnsafeMutablePointer<UInt8>
  private var isAnyHidden = false
  private var touch: Touch?

  /// Nil for a machine that is too large.
  init?(_ memory: PhysicalMemory) {
    guard memory.regions.reduce(0, { $0 + $1.byteCount }) <= Self.largest,
      let start = unsafe UnsafeMutableRawPointer(bitPattern: UInt(memory.base.rawValue)),
      let covers = unsafe chost_make_zeros(Int(memory.limit.rawValue >> 12))
    else { return nil }
    unsafe self.start = start
    regions = memory.regions
    pagesEach = Int(memory.pageSize.bytes >> 12)
    unsafe self.covers = covers.assumingMemoryBound(to: UInt8.self)
  }

  deinit { unsafe chost_free_zeros(covers) }

  /// Hides frames, whatever they were. O(frames).
  func hide(_ first: FrameNumber, count: Int, _ cover: Cover) {
    isAnyHidden = true
    set(Int(first.rawValue) * pagesEach, count * pagesEach, cover)
  }

  /// Makes a frame an ordinary one: whoever is about to touch it has a right to.
  func show(_ address: UInt64) {
    if isAnyHidden { set(Int(address >> 12) / pagesEach * pagesEach, pagesEach, .none) }
  }

  func showAll() {
    guard isAnyHidden else { return }
    isAnyHidden = false
    for region in regions {
      let first = Int(region.start.rawValue >> 12)
      set(first, Int((region.start.rawValue + region.byteCount + 4095) >> 12) - first, .none)
    }
  }

  /// The first use of a free frame since the last call.
  func takeTouch() -> Touch? {
    defer { touch = nil }
    return touch
  }

  /// An access has come to a page that it may not touch.
  /// - Parameters:
  ///   - frame: where.
  ///   - isFree: whether nobody has the frame by now.
  /// - Returns: whether it may be made again.
  func meet(_ frame: FrameNumber, isFree: (FrameNumber) -> Bool) -> Bool {
    let page = Int(frame.rawValue) * pagesEach
    let cover = unsafe Cover(rawValue: covers[page]) ?? .none
    guard cover != .none else { return false }
    guard isFree(frame) else {
      set(page, pagesEach, .none)
      return true
    }
    // What only reads comes through now, and what writes comes again.
    let isWrite = cover == .writes
    if touch == nil {
      touch = Touch(frame: frame, cpu: SimulatedMachine.currentCPU, isWrite: isWrite)
    } else if isWrite, touch?.frame == frame {
      touch?.isWrite = true
    }
    set(page, pagesEach, isWrite ? .none : .writes)
    return true
  }

  /// Changes the pages of a run that are of another kind, neighbours at once.
  private func set(_ first: Int, _ count: Int, _ cover: Cover) {
    var at = first
    while at < first + count {
      let begin = at
      while at < first + count, unsafe covers[at] != cover.rawValue {
        unsafe covers[at] = cover.rawValue
        at += 1
      }
      if at > begin { protect(begin, at - begin, cover) } else { at += 1 }
    }
  }

  private func protect(_ first: Int, _ count: Int, _ cover: Cover) {
    let rights =
      switch cover {
      case .none: chost_rights_write
      case .writes: chost_rights_read
      case .all: chost_rights_none
      }
    let error = unsafe chost_set_rights(start + first << 12, count << 12, rights)
    if error != 0 { stop("the process cannot hide frames: errno \(error)") }
  }
}
