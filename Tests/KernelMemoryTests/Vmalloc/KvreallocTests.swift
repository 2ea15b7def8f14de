import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct KvreallocTests {
  private static let secret: UInt64 = 0x9e37_79b9_7f4a_7c15
  private static let hardenings: [SlabHardening] = [
    .none, .hardened(secret: secret), .checked(secret: secret),
  ]

  /// Its frames are its caller's, and its size is the frames'.
  @Test func anAreaOfVmapIsRefused() throws {
    let test = try TestMachine()
    var frames: [FrameNumber] = []
    try test.manager.allocateFrames(count: 2) { frames.append($0) }
    let pointer = try frames.withUnsafeBufferPointer { try test.manager.vmap($0) }
    for byteCount in [1, 5_000, 8_192, 20_000] {
      test.expectRefused(.badFree(.foreign)) { _ = try test.manager.kvrealloc(pointer, byteCount) }
    }
    try test.withFramesLeft(0) {
      _ = #expect(throws: MemoryError.badFree(.foreign)) { try test.manager.kvrealloc(pointer, 20_000) }
    }
    #expect(test.manager.area(containing: VirtualAddress(pointer))?.byteCount == 8_192)
    #expect(test.manager.side(of: pointer) == nil)
    try test.manager.vunmap(pointer)
  }

  /// On both sides; an address is a multiple of three by chance.
  @Test func anAlignmentThatIsNoneIsRefused() throws {
    let test = try TestMachine()
    let pointers = [try test.manager.vmalloc(8_192), try test.manager.kmalloc(8_192)]
    var policy = KvmallocPolicy()
    for alignment: UInt64 in [0, 3, 12, .max] {
      policy.alignment = alignment
      for (pointer, byteCount) in pointers.flatMap({ [($0, 5_000), ($0, 8_192), ($0, 100_000)] }) {
        test.expectRefused(.badAlignment(alignment)) {
          _ = try test.manager.kvrealloc(pointer, byteCount, policy)
        }
      }
    }
    for pointer in pointers { try test.manager.kvfree(pointer) }
  }

  @Test func whatIsNoAreaIsNamedAsAFreeNamesIt() throws {
    let test = try TestMachine()
    let pointer = try test.manager.vmalloc(8_192)
    let cases: [(Int, BadFree)] = [
      (1, .unaligned), (4_096, .interior), (4_097, .interior), (8_192, .guardPage), (8_193, .guardPage),
    ]
    for (offset, problem) in cases {
      test.expectRefused(.badFree(problem)) { _ = try test.manager.kvrealloc(pointer + offset, 100) }
      test.expectRefused(.badFree(problem)) { try test.manager.vfree(pointer + offset) }
    }
    try test.manager.vfree(pointer)
    test.expectRefused(.badFree(.alreadyFree)) { _ = try test.manager.kvrealloc(pointer, 100) }
  }

  @Test(arguments: [(8_192, 1), (200_000, 100), (1 << 20, 100_000), (64, 8), (16_384, 5_000), (3_000, 2_999)])
  func shrinkingTakesNoMemory(old: Int, new: Int) throws {
    for hardening in Self.hardenings {
      let test = try TestMachine(ram: [.small], hardening: hardening)
      let pointer = try test.manager.kvmalloc(old)
      try test.withFramesLeft(0) {
        // What fits is not moved either.
        for byteCount in [new, new + 1] {
          let moved = try test.manager.kvrealloc(pointer, byteCount)
          #expect(moved == pointer)
        }
        test.expectValid()
      }
      if let area = test.manager.area(containing: VirtualAddress(pointer)) {
        #expect(area.byteCount == UInt64(new) + 1)
      } else if hardening.padding != 0 && old < 8_192 {
        #expect(test.manager.ksize(of: pointer) == new + 1)
      }
      try test.manager.kvfree(pointer)
      test.expectValid()
      #expect(test.manager.usage(of: .untagged).liveBytes == 0)
    }
  }

  /// The same for krealloc, with what is at the address.
  @Test(arguments: [(8_000, 1), (64, 8), (16_384, 100), (100, 50)])
  func kreallocShrinksInPlace(old: Int, new: Int) throws {
    for hardening in Self.hardenings {
      let test = try TestMachine(ram: [.small], hardening: hardening)
      let pointer = try test.manager.kmalloc(old)
      pointer.initializeMemory(as: UInt8.self, repeating: 0x5a, count: old)
      let moved = try test.withFramesLeft(0) { try test.manager.krealloc(pointer, new) }
      #expect(moved == pointer)
      #expect(UnsafeRawBufferPointer(start: pointer, count: new).allSatisfy { $0 == 0x5a })
      if hardening.padding != 0 && old <= 8_000 {
        // The new end is watched.
        pointer.storeBytes(of: 1, toByteOffset: new, as: UInt8.self)
        try test.manager.kfree(pointer)
        #expect(test.manager.counters[.slabViolations] == 1)
      } else {
        try test.manager.kfree(pointer)
      }
      test.expectValid()
    }
  }
}
