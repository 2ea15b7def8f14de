import KernelMemory

/// Single frames that are taken from the machine, in a list in an area of its own.
@safe
struct TakenFrames {
  private let manager: MemoryManager
  private let numbers: UnsafeMutablePointer<UInt32>
  private var count = 0

  /// - Parameters:
  ///   - limit: at most so many.
  ///   - manager: where they come from.
  init(limit: Int, on manager: MemoryManager) throws(MemoryError) {
    self.manager = manager
    let memory = unsafe try manager.vmalloc(limit * MemoryLayout<UInt32>.stride)
    unsafe numbers = memory.bindMemory(to: UInt32.self, capacity: limit)
  }

  /// Takes frames until so many are in use, whoever has them.
  mutating func take(upToUsed limit: UInt64) throws(MemoryError) {
    for _ in manager.usedFrames.rawValue..<limit {
      let frame = try manager.allocateFrames()
      unsafe numbers[count] = UInt32(frame.rawValue)
      count += 1
    }
  }

  /// Gives frames back, any of them, until so many are in use or none is left here.
  mutating func giveBack(
    downToUsed limit: UInt64, _ random: inout RandomNumbers
  ) throws(MemoryError) {
    let used = manager.usedFrames.rawValue
    guard used > limit else { return }
    for _ in 0..<min(used - limit, UInt64(count)) {
      let index = random.next(below: count)
      let frame = unsafe FrameNumber(UInt64(numbers[index]))
      count -= 1
      unsafe numbers[index] = numbers[count]
      try manager.freeFrames(frame)
    }
  }

  /// Gives back all frames, and the list.
  consuming func end(_ random: inout RandomNumbers) throws(MemoryError) {
    try giveBack(downToUsed: 0, &random)
    unsafe try manager.vfree(numbers)
  }
}
