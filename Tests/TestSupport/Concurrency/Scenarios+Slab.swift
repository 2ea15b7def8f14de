import MachineSimulator

@testable import KernelMemory

/// Frees and resizes that go on when what they have found is somebody else's by then.
extension Scenarios {
  /// Two CPUs free one object. The one that comes first returns the object's slab, takes every free frame and
  /// writes to it, while the other has found the object's owner and has not gone on.
  static func freeAcrossReturnOfSlab(_ hardening: SlabHardening) throws -> Play {
    var object: UnsafeMutableRawPointer?
    let stage = try Stage(.warm, hardening: hardening) { stage in
      object = try stage.manager.kmalloc(64)
      // Nothing else of the slab is out.
      stage.test.drainSlabsOfThisCPU()
    }
    var (refusals, taken): (Int, [FrameNumber]) = (0, [])
    let free: () throws -> Void = {
      do throws(MemoryError) {
        try stage.manager.kfree(object)
      } catch {
        refusals += 1
        try stage.expect(error == .badFree(.alreadyFree), "the second free was refused with \(error)")
      }
    }
    return Play(
      stage: stage,
      cpus: [
        free,
        {
          try free()
          taken = try stage.takeFreeFrames(after: stage.test.drainSlabsOfThisCPU)
        },
      ],
      atEnd: {
        try stage.expect(refusals == 1, "\(refusals) of two frees of one object were refused")
        for frame in taken {
          try stage.expect(stage.isFilled(frame), "a free has changed frame \(frame), which is another's")
          try stage.manager.freeFrames(frame)
        }
        (refusals, taken) = (0, [])
      }, validatesEach: 1)
  }

  /// A CPU frees an object that was freed long ago, while its frame, which others have written to since,
  /// becomes a slab of the same cache again: the object is nobody's, and the free is refused at any moment.
  static func lateFreeInANewSlab(_ hardening: SlabHardening) throws -> Play {
    var object: UnsafeMutableRawPointer?
    let stage = try Stage(.warm, hardening: hardening) { stage in
      let manager = stage.manager
      // The last of its slab, which is not handed out first.
      let objects = try (0..<8).map { _ in try manager.kmalloc(64) }
      object = objects[6]
      for pointer in objects { try manager.kfree(pointer) }
      stage.test.drainSlabsOfThisCPU()
      try manager.flushRetired()
      let taken = try stage.takeFreeFrames {
        manager.cpus.attempt(orElse: ()) { manager.frames.drainCaches($0) }
      }
      // What is freed last is taken first.
      let last = (UInt64(UInt(bitPattern: object)) - manager.linearAddress(of: FrameNumber(0)).rawValue) >> 12
      for frame in taken where frame.rawValue != last { try manager.freeFrames(frame) }
      try stage.expect(taken.contains { $0.rawValue == last }, "the slab's frame is not free")
      try manager.freeFrames(FrameNumber(last))
    }
    var isSlab = false
    return Play(
      stage: stage,
      cpus: [
        {
          let other = try stage.manager.kmalloc(64)
          isSlab = UInt(bitPattern: other) >> 12 == UInt(bitPattern: object) >> 12
          try stage.expect(other != object, "the object was handed out again")
          try stage.manager.kfree(other)
        },
        {
          do throws(MemoryError) {
            try stage.manager.kfree(object)
          } catch {
            return try stage.expect(
              error == .badFree(.alreadyFree), "the late free was refused with \(error)")
          }
          throw Mistake("an object that nobody has was freed")
        },
      ],
      atEnd: {
        try stage.expect(isSlab, "the slab has another frame")
      }, validatesEach: 1)
  }

  /// An area is given another size while another CPU frees it and gets two others.
  static func resizeOfReusedArea(_ mode: FreeMode) throws -> Play {
    let (stage, block) = try stageWithBlock(mode, pages: 2)
    // From here on the address may be somebody else's, and a resize that begins is his.
    var isReplaced = false
    return Play(
      stage: stage,
      cpus: [
        {
          guard !isReplaced else { return }
          var pointer: UnsafeMutableRawPointer? = block.pointer
          do throws(MemoryError) {
            pointer = try stage.manager.kvrealloc(pointer, 5_000)
          } catch {
            try stage.expect(error == .badFree(.alreadyFree), "the resize was refused with \(error)")
          }
          try stage.expect(pointer == block.pointer, "what fits was moved")
        },
        {
          try stage.free(block)
          isReplaced = true
          for _ in 0..<2 {
            let other = try stage.allocate(2)
            try stage.expect(
              stage.manager.area(containing: other.address)?.byteCount == 8_192,
              "another's area has the size that was asked for the old one")
          }
        },
      ]
    ) { isReplaced = false }
  }
}

extension Stage {
  private static let pattern: UInt8 = 1

  /// Takes every frame that is in the zones' lists, and fills it.
  func takeFreeFrames(after body: () -> Void) throws -> [FrameNumber] {
    body()
    var taken: [FrameNumber] = []
    while manager.frames.hasFree(0) { taken.append(try manager.allocateFrames()) }
    for frame in taken {
      manager.linearAddress(of: frame).pointer?.initializeMemory(
        as: UInt8.self, repeating: Self.pattern, count: 4_096)
    }
    return taken
  }

  func isFilled(_ frame: FrameNumber) -> Bool {
    let bytes = UnsafeRawBufferPointer(start: manager.linearAddress(of: frame).pointer, count: 4_096)
    return bytes.allSatisfy { $0 == Self.pattern }
  }
}
