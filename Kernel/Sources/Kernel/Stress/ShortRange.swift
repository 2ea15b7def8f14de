import KernelMemory

// Addresses that run short, in a context that must not wait: a range has room for eight areas of a page and
// its guard, and twice as many places want one. A refusal says that waiting would have helped or that the
// range is exhausted; when all is over, the range is one hole again, so none has left anything in it.

/// Areas of a range that is too small, allocated and freed in an interrupt handler.
struct ShortRange {
  private let areas: ArenaID
  private var random = RandomNumbers(seed: 2_000)
  /// Zero where a place has no area.
  private var words = InlineArray<16, UInt>(repeating: 0)
  private var tally = StressTally()
  /// Refused because the answer would have taken waiting, or because no address was left.
  private(set) var wouldHaveWaited: UInt64 = 0
  private(set) var exhausted: UInt64 = 0

  init(on manager: MemoryManager) throws(MemoryError) {
    areas = try manager.makeAreas(AddressSpace.shortRange)
  }

  var served: UInt64 { tally.freed }
  /// Refusals for any other reason, and of frees.
  var wronglyRefused: UInt64 { tally.refused }
  var wrongPages: UInt64 { tally.wrongPages }

  private var options: VmallocOptions {
    var options = VmallocOptions()
    options.areas = areas
    options.mayWait = false
    return options
  }

  /// Frees the area of some place, or allocates one for it.
  mutating func tick(_ manager: MemoryManager) {
    let place = random.next(below: words.count)
    if words[place] != 0 { return free(place, manager) }
    do throws(MemoryError) {
      words[place] = try CheckedArea(pages: 1, stamp: UInt(place), on: manager, options).word
      tally.allocated += 1
    } catch .wouldWait {
      wouldHaveWaited += 1
    } catch .rangeExhausted {
      exhausted += 1
    } catch {
      tally.refuse("allocate in a range that is too small", error)
    }
  }

  private mutating func free(_ place: Int, _ manager: MemoryManager) {
    guard words[place] != 0 else { return }
    tally.finish(CheckedArea(word: words[place]), on: manager)
    words[place] = 0
  }

  /// Frees what is left, where waiting is legal.
  /// - Returns: whether the range is one hole then.
  mutating func empty(_ manager: MemoryManager) -> Bool {
    for place in words.indices { free(place, manager) }
    Verdict.flushRetired(manager)
    var whole = VmallocOptions()
    whole.areas = areas
    do throws(MemoryError) {
      let pages = AddressSpace.shortRange.count.rawValue - 1
      try unsafe manager.vfree(try manager.vmalloc(Int(pages * Platform.pageSize.bytes), whole))
      return true
    } catch {
      tally.refuse("allocate all of a range", error)
      return false
    }
  }
}
