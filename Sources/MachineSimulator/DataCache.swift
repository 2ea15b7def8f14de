// A write-back cache that accesses of other types go round
//
// On x86-64 processors that snoop themselves an access finds what caches hold, whatever its memory type. On
// others, and on Arm (Arm ARM, B2.16, mismatched attributes), an uncached access reads and writes memory, and
// what a cache holds of the line stays as it was: dirty, to be written back over memory some day, or clean,
// to hide what memory holds by then.
//
// Where this is switched on, RAM as the process has it is what the cache holds: the accesses of the memory
// manager itself, and those of CPUs through write-back leaves. For each frame that was reached in another way
// there are two copies besides: what memory holds, and what the cache held when it last agreed with memory. A
// line in which the cache differs from the latter is dirty. When a frame is first reached past the cache, its
// clean lines are made unlike anything that was stored: so who reads them without a cleaning in between reads
// something wrong, and who writes to them makes them dirty, even by a store of what was there. Nothing is
// written back or dropped by itself: `evictCaches` is the adversary's.
//
// One cache for all CPUs: caches of several agree among each other.
//
// That shows a mistake to who reads what it has spoilt. With `typeConflictsAreFaults` the access itself fails
// that hardware makes no promise for: each frame has a type from its first access past the cache on until it
// is cleaned, and an access of another type, write-back included, is a conflict; so is that first access
// where a line is dirty. A second mapping of another type, such as that of the linear map, is none as long as
// nobody uses it.

internal import CHost
internal import KernelMemory
internal import Synchronization

@safe
final class DataCache: Sendable {
  private static let lineSize = 64
  private static let lines = Int(PageSize.size4K.bytes) / lineSize

  /// What is kept of a frame besides what the cache holds.
  @safe
  struct Frame {
    let memory: UnsafeMutableRawPointer
    let agreed: UnsafeMutableRawPointer
    /// Whether memory was reached past the cache since the last cleaning.
    var isOut = false
    /// The type of these accesses, by its number in leaves; not forgotten where lines go by themselves.
    var type: UInt8?
  }

  /// Whether accesses of types that do not agree fail. Changed while no CPU runs.
  let typesMustAgree = Atomic<Bool>(false)

  private let frames = Mutex<[UInt64: Frame]>([:])
  /// The process address of physical address zero.
  private let base: UInt

  init(base: VirtualAddress) { self.base = UInt(base.rawValue) }

  deinit {
    frames.withLock { frames in
      for frame in frames.values {
        unsafe frame.memory.deallocate()
        unsafe frame.agreed.deallocate()
      }
    }
  }

  /// Where memory has a byte, behind the cache.
  func memory(at address: UInt64) -> UnsafeMutableRawPointer {
    unsafe frames.withLock { frames in
      let number = address >> 12
      let frame = frame(&frames, number)
      if !frame.isOut {
        spoil(frame, number)
        frames[number]?.isOut = true
      }
      return unsafe frame.memory + Int(address & PageSize.size4K.offsetMask)
    }
  }

  /// Whether an access of a type does not agree with those before it. O(bytes of a page) for the first past
  /// the cache.
  func conflicts(at address: UInt64, _ memoryType: UInt8, isCached: Bool) -> Bool {
    guard typesMustAgree.load(ordering: .relaxed) else { return false }
    return frames.withLock { frames in
      let number = address >> 12
      if isCached { return frames[number]?.type != nil }
      let frame = frame(&frames, number)
      if let type = frame.type { return type != memoryType }
      if isDirty(frame, number) { return true }
      frames[number]?.type = memoryType
      return false
    }
  }

  private func isDirty(_ frame: Frame, _ number: UInt64) -> Bool {
    guard let cached = unsafe UnsafeMutableRawPointer(bitPattern: base + UInt(number << 12)) else {
      return false
    }
    return unsafe !chost_are_equal(cached, frame.agreed, Int(PageSize.size4K.bytes))
  }

  /// Makes the clean lines of a frame unlike anything that was stored.
  private func spoil(_ frame: Frame, _ number: UInt64) {
    guard let cached = unsafe UnsafeMutableRawPointer(bitPattern: base + UInt(number << 12)) else { return }
    for offset in stride(from: 0, to: Self.lines * Self.lineSize, by: Self.lineSize)
    where unsafe !differ(cached + offset, frame.agreed + offset) {
      unsafe (cached + offset).initializeMemory(as: UInt8.self, repeating: 0x5c, count: Self.lineSize)
      unsafe (frame.agreed + offset).initializeMemory(as: UInt8.self, repeating: 0x5c, count: Self.lineSize)
    }
  }

  /// Writes back what is dirty, and drops every line, from `start` to `last`, both included; of all frames
  /// where memory was never reached behind the cache, too.
  func clean(from start: UInt64, through last: UInt64) {
    frames.withLock { frames in
      for number in start >> 12...last >> 12 {
        clean(frame(&frames, number), number)
        frames[number]?.isOut = false
        frames[number]?.type = nil
      }
    }
  }

  func evict() {
    frames.withLock { frames in
      for number in Array(frames.keys) {
        clean(frame(&frames, number), number)
        frames[number]?.isOut = false
      }
    }
  }

  private func clean(_ frame: Frame, _ number: UInt64) {
    guard let cached = unsafe UnsafeMutableRawPointer(bitPattern: base + UInt(number << 12)) else { return }
    for line in 0..<Self.lines {
      let offset = line * Self.lineSize
      if unsafe differ(cached + offset, frame.agreed + offset) {
        unsafe (frame.memory + offset).copyMemory(from: cached + offset, byteCount: Self.lineSize)
      } else {
        unsafe (cached + offset).copyMemory(from: frame.memory + offset, byteCount: Self.lineSize)
      }
      unsafe (frame.agreed + offset).copyMemory(from: cached + offset, byteCount: Self.lineSize)
    }
  }

  private func differ(_ left: UnsafeMutableRawPointer, _ right: UnsafeMutableRawPointer) -> Bool {
    for offset in stride(from: 0, to: Self.lineSize, by: 8)
    where unsafe left.load(fromByteOffset: offset, as: UInt64.self)
      != right.load(fromByteOffset: offset, as: UInt64.self)
    { return true }
    return false
  }

  /// The copies of a frame. Memory that nobody has reached yet is zero, as at power-on: nothing was written
  /// back since.
  private func frame(_ frames: inout [UInt64: Frame], _ number: UInt64) -> Frame {
    if let frame = frames[number] { return frame }
    func zeros() -> UnsafeMutableRawPointer {
      let bytes = UnsafeMutableRawPointer.allocate(byteCount: Int(PageSize.size4K.bytes), alignment: 4096)
      unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0, count: Int(PageSize.size4K.bytes))
      return unsafe bytes
    }
    let new = unsafe Frame(memory: zeros(), agreed: zeros())
    frames[number] = new
    return new
  }
}

extension DataCache {
  /// What is kept of all frames, at one moment.
  struct Contents {
    fileprivate struct Copy {
      let memory: [UInt8]
      let agreed: [UInt8]
      let isOut: Bool
      let type: UInt8?
    }
    fileprivate var copies: [UInt64: Copy] = [:]
  }

  var contents: Contents {
    get {
      func bytes(_ place: UnsafeMutableRawPointer) -> [UInt8] {
        unsafe [UInt8](UnsafeRawBufferPointer(start: place, count: Int(PageSize.size4K.bytes)))
      }
      return frames.withLock { frames in
        Contents(
          copies: frames.mapValues { frame in
            unsafe Contents.Copy(
              memory: bytes(frame.memory), agreed: bytes(frame.agreed), isOut: frame.isOut, type: frame.type)
          })
      }
    }
    set {
      frames.withLock { frames in
        for frame in frames.values {
          unsafe frame.memory.deallocate()
          unsafe frame.agreed.deallocate()
        }
        frames = [:]
        for (number, copy) in newValue.copies {
          let frame = frame(&frames, number)
          unsafe frame.memory.copyMemory(from: copy.memory, byteCount: copy.memory.count)
          unsafe frame.agreed.copyMemory(from: copy.agreed, byteCount: copy.agreed.count)
          frames[number]?.isOut = copy.isOut
          frames[number]?.type = copy.type
        }
      }
    }
  }
}

extension SimulatedMachine {
  /// Whether RAM is behind a cache that accesses through leaves of other types than write-back go round, as
  /// on Arm; then `machine` has a `cleanMemory`. False at first, when an access finds what was written last,
  /// whatever its type, as on x86-64 processors that snoop themselves. Set before `machine` is asked for,
  /// while no CPU runs.
  public var hasIncoherentCache: Bool {
    get { memory.dataCache != nil }
    set {
      memory.hidden?.showAll()
      memory.dataCache = newValue ? memory.dataCache ?? DataCache(base: memory.base) : nil
    }
  }

  /// Whether an access fails, with `Fault.Cause.typeConflict`, whose memory type does not agree with that of
  /// accesses to the same frame since it was cleaned last; otherwise it reads, or leaves behind, what is
  /// wrong. Only for a machine that `hasIncoherentCache`. False at first; changed while no CPU runs.
  public var typeConflictsAreFaults: Bool {
    get { memory.dataCache?.typesMustAgree.load(ordering: .relaxed) ?? false }
    set { memory.dataCache?.typesMustAgree.store(newValue, ordering: .relaxed) }
  }

  /// Writes back, and drops, every line that the cache holds: what hardware may do at any time. Only for a
  /// machine that `hasIncoherentCache`, while no CPU runs.
  public func evictCaches() { memory.dataCache?.evict() }

  /// `Machine.cleanMemory`.
  func clean(from start: UInt64, upTo end: UInt64) {
    guard start & PageSize.size4K.offsetMask == 0, end & PageSize.size4K.offsetMask == 0, start < end,
      start >= memory.base.rawValue, end - memory.base.rawValue <= memory.limit.rawValue
    else { stop("cleanMemory: not pages of the linear map") }
    cleanedPages.add((end - start) >> 12)
    memory.dataCache?.clean(from: start - memory.base.rawValue, through: end - 1 - memory.base.rawValue)
  }
}

/// A sum that any thread adds to.
final class SharedCount: Sendable {
  private let word = Atomic<UInt64>(0)
  var value: UInt64 { word.load(ordering: .relaxed) }
  func add(_ amount: UInt64) { word.add(amount, ordering: .relaxed) }
}
