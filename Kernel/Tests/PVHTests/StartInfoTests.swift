import KernelMemory
import Testing

@testable import PVH

@Suite struct StartInfoTests {
  @Test
  func readsWhatTheLoaderWrote() throws {
    let memory = LoaderMemory.complete()
    let info = try memory.startInfo()
    #expect(info.moduleCount == 1)
    #expect(try info.module(0) == StartInfo.Module(start: PhysicalAddress(0x3000), byteCount: 77))
    let map = MemoryMap(rows: 128)
    try info.addMemory(to: map)
    let words = try memory.words()
    #expect(words.count == 2)
    #expect(words.first?.equals("hold") == true)
    #expect(words.last?.dropping("laps=")?.decimal == 12)
  }

  @Test
  func findsNothingWhereThereIsNothing() {
    let memory = LoaderMemory.complete()
    #expect(throws: StartInfoError.notStartInfo(magic: 0)) { try memory.startInfo(at: 0) }
    #expect(throws: StartInfoError.notStartInfo(magic: 0)) { try memory.startInfo(at: 0x3000) }
    let end = UInt64(LoaderMemory.byteCount)
    for address in [end - 55, end, UInt64.max - 3] {
      #expect(throws: StartInfoError.unreachable(.startInfo, PhysicalAddress(address))) {
        try memory.startInfo(at: address)
      }
    }
  }

  @Test
  func needsAVersionWithAMemoryMap() {
    let memory = LoaderMemory.complete()
    memory.put(UInt32(0), at: Layout.startInfo + 4)
    #expect(throws: StartInfoError.versionTooOld(0)) { try memory.startInfo() }
    memory.put(UInt32(1), at: Layout.startInfo + 4)
    memory.put(UInt32(0), at: Layout.startInfo + 48)
    #expect(throws: StartInfoError.noMemoryMap) { try memory.startInfo() }
    memory.put(UInt32(3), at: Layout.startInfo + 48)
    memory.put(UInt64(0), at: Layout.startInfo + 40)
    #expect(throws: StartInfoError.noMemoryMap) { try memory.startInfo() }
  }

  @Test
  func followsNoPointerOutOfTheWindow() throws {
    let outside = PhysicalAddress(UInt64(LoaderMemory.byteCount) - 8)
    let memory = LoaderMemory.complete()
    memory.put(outside.rawValue, at: Layout.startInfo + 40)
    #expect(throws: StartInfoError.unreachable(.memoryMap, outside)) { try memory.startInfo() }
    memory.put(Layout.memoryMap, at: Layout.startInfo + 40)
    memory.put(outside.rawValue, at: Layout.startInfo + 16)
    #expect(throws: StartInfoError.unreachable(.moduleList, outside)) { try memory.startInfo() }
    memory.put(UInt64(0), at: Layout.startInfo + 16)
    #expect(throws: StartInfoError.unreachable(.moduleList, PhysicalAddress(0))) { try memory.startInfo() }
    memory.put(UInt32(0), at: Layout.startInfo + 12)
    #expect(try memory.startInfo().moduleCount == 0)
  }

  @Test
  func entryCountsDoNotWrap() {
    let memory = LoaderMemory.complete()
    memory.put(UInt32.max, at: Layout.startInfo + 48)
    #expect(throws: StartInfoError.unreachable(.memoryMap, PhysicalAddress(Layout.memoryMap))) {
      try memory.startInfo()
    }
  }

  @Test
  func refusesAMemoryMapThatCannotBeKept() throws {
    let memory = LoaderMemory.complete()
    memory.put(UInt32(128), at: Layout.startInfo + 48)
    for index in 0..<128 { memory.putRange(UInt64(index), at: UInt64(index) << 20, byteCount: 4096, type: 1) }
    let map = MemoryMap(rows: 128)
    try memory.startInfo().addMemory(to: map)
    #expect(map.count == 128)
    let fuller = MemoryMap(rows: 128)
    try fuller.add(.reserved, at: PhysicalAddress(0), byteCount: 4096)
    #expect(throws: StartInfoError.memoryMapTooLong(entries: 128, limit: 128)) {
      try memory.startInfo().addMemory(to: fuller)
    }
  }

  @Test
  func refusesAMemoryMapWithoutRAM() {
    let memory = LoaderMemory.complete()
    memory.put(UInt32(2), at: Layout.startInfo + 48)
    memory.putRange(0, at: 0, byteCount: 0, type: 1)
    #expect(throws: StartInfoError.noUsableMemory) {
      try memory.startInfo().addMemory(to: MemoryMap(rows: 128))
    }
  }

  @Test
  func refusesAModuleThatWraps() throws {
    let memory = LoaderMemory.complete()
    memory.putModule(0, at: .max - 7, byteCount: 8)
    let info = try memory.startInfo()
    #expect(throws: StartInfoError.malformedModule(PhysicalAddress(.max - 7))) { try info.module(0) }
  }

  @Test
  func passesOnWhereACPIsRootPointerIs() throws {
    let memory = LoaderMemory.complete()
    #expect(try memory.startInfo().acpiRootPointer == PhysicalAddress(0))
    memory.put(UInt64(0xf_5b70), at: Layout.startInfo + 32)
    #expect(try memory.startInfo().acpiRootPointer == PhysicalAddress(0xf_5b70))
  }
}

@Suite struct UsableFrameTests {
  /// RAM ends at 0x9_fc00, inside frame 0x9f.
  @Test
  func isTheHighestWholeFrame() throws {
    let info = try LoaderMemory.complete().startInfo()
    #expect(try info.highestUsableFrame(below: FrameNumber(0xa0)) == FrameNumber(0x9e))
    #expect(try info.highestUsableFrame(below: FrameNumber(0x10)) == FrameNumber(0xf))
    #expect(try info.highestUsableFrame(below: FrameNumber(1)) == nil)
    #expect(try info.highestUsableFrame(below: FrameNumber(0)) == nil)
  }

  @Test
  func isNotInAModule() throws {
    let memory = LoaderMemory.complete()
    memory.putModule(0, at: 0x9_d001, byteCount: 0x1fff)
    #expect(
      try memory.startInfo().highestUsableFrame(below: FrameNumber(0xa0)) == FrameNumber(0x9c))
  }

  /// What is read later must not be overwritten: the start info lies in frame 0, the memory map in frame 1,
  /// the command line in frame 2, the module in frame 3.
  @Test
  func isNotWhereTheLoaderLeftItsData() throws {
    let memory = LoaderMemory.complete()
    #expect(try memory.startInfo().highestUsableFrame(below: FrameNumber(4)) == nil)
    // The frame of each becomes free when it lies elsewhere.
    memory.put("hold\0", at: 0x400)
    memory.put(UInt64(0x400), at: Layout.startInfo + 24)
    #expect(try memory.startInfo().highestUsableFrame(below: FrameNumber(4)) == FrameNumber(2))
    memory.put(Layout.memoryMap + 0xff0, at: Layout.startInfo + 16)
    #expect(try memory.startInfo().highestUsableFrame(below: FrameNumber(3)) == nil)
    memory.put(UInt64(0x2ff0), at: Layout.startInfo + 24)
    memory.put(UInt32(0), at: Layout.startInfo + 12)
    #expect(try memory.startInfo().highestUsableFrame(below: FrameNumber(4)) == FrameNumber(3))
    #expect(try memory.startInfo().highestUsableFrame(below: FrameNumber(3)) == nil)
    // The start info itself, in the last bytes of frame 2 and the first ones of frame 3.
    for offset in 0..<56 as Range<UInt64> {
      memory.put(memory.byte(at: Layout.startInfo + offset), at: 0x2fe0 + offset)
    }
    memory.put(UInt64(0x400), at: 0x2fe0 + 24)
    #expect(try memory.startInfo(at: 0x2fe0).highestUsableFrame(below: FrameNumber(4)) == nil)
  }

  @Test
  func isNotWhereAnyEntrySaysOtherwise() throws {
    let memory = LoaderMemory.complete()
    memory.putRange(1, at: 0x9_0fff, byteCount: .max, type: 2)
    #expect(
      try memory.startInfo().highestUsableFrame(below: FrameNumber(0xa0)) == FrameNumber(0x8f))
    memory.putRange(0, at: 0, byteCount: 0x1000, type: 1)
    #expect(try memory.startInfo().highestUsableFrame(below: FrameNumber(0xa0)) == nil)
  }
}

extension MemoryMap {
  /// An empty map in memory of the process, which is never given back.
  fileprivate init(rows: Int) {
    let count = MemoryMap.byteCount(rows: rows)
    self.init(in: .allocate(byteCount: count, alignment: MemoryLayout<UInt64>.alignment))
  }
}
