import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// Every refusal of the functions that allocate: its own error, and nothing changed.
@Suite struct VmallocErrorsTests {
  enum Function: CaseIterable {
    case vmalloc, vzalloc

    func callAsFunction(
      _ test: TestMachine, _ byteCount: Int, _ options: VmallocOptions = VmallocOptions()
    ) throws -> UnsafeMutableRawPointer {
      switch self {
      case .vmalloc: try test.manager.vmalloc(byteCount, options)
      case .vzalloc: try test.manager.vzalloc(byteCount, options)
      }
    }
  }

  private func options(_ change: (inout VmallocOptions) -> Void) -> VmallocOptions {
    var options = VmallocOptions()
    change(&options)
    return options
  }

  // MARK: What is asked for

  @Test(arguments: Function.allCases)
  func sizeZero(allocate: Function) throws {
    let test = try TestMachine(ram: [.small])
    test.expectRefused(.sizeIsZero) { _ = try allocate(test, 0) }
  }

  @Test(arguments: Function.allCases, [-1, -4096, .min])
  func negativeSize(allocate: Function, byteCount: Int) throws {
    let test = try TestMachine(ram: [.small])
    test.expectRefused(.sizeOverflow) { _ = try allocate(test, byteCount) }
  }

  @Test(arguments: [(Int.max, 2), (1 << 32, 1 << 32), (-1, 8), (-1, -8), (8, -1), (.min, -1), (.min, .min)])
  func aProductThatOverflowsOrIsNegative(count: Int, stride: Int) throws {
    let test = try TestMachine(ram: [.small])
    test.expectRefused(.sizeOverflow) { _ = try test.manager.vmalloc(count: count, stride: stride) }
  }

  @Test(arguments: [(0, 8), (8, 0), (0, -8), (0, 0)])
  func aProductOfZero(count: Int, stride: Int) throws {
    let test = try TestMachine(ram: [.small])
    test.expectRefused(.sizeIsZero) { _ = try test.manager.vmalloc(count: count, stride: stride) }
  }

  @Test(arguments: Function.allCases)
  func aSizeOverAllMemory(allocate: Function) throws {
    let test = try TestMachine(ram: [.small])
    let all = test.manager.frames.managed
    let more = PageCount(all.rawValue + 1)
    test.expectRefused(.sizeTooLarge(pages: more, limit: all)) {
      _ = try allocate(test, Int(all.rawValue) * 4096 + 1)
    }
    test.expectRefused(.sizeTooLarge(pages: PageCount(1 << 51), limit: all)) {
      _ = try allocate(test, .max)
    }
  }

  @Test(arguments: Function.allCases, [0, 3, 4097, 6 << 20, 1 << 57, 1 << 63, .max] as [UInt64])
  func badAlignment(allocate: Function, alignment: UInt64) throws {
    let test = try TestMachine(ram: [.small])
    test.expectRefused(.badAlignment(alignment)) {
      _ = try allocate(test, 1, options { $0.alignment = alignment })
    }
  }

  @Test(arguments: Function.allCases)
  func unknownTag(allocate: Function) throws {
    let test = try TestMachine(ram: [.small])
    _ = try test.manager.makeTag(named: "known")
    for index in [2, 255, 256, .max] as [UInt16] {
      test.expectRefused(.tagUnavailable) {
        _ = try allocate(test, 1, options { $0.tag = Tag(index: index) })
      }
    }
  }

  @Test(arguments: Function.allCases)
  func unknownRange(allocate: Function) throws {
    let test = try TestMachine(ram: [.small])
    for index in [1, 7, 8, .max] as [UInt8] {
      test.expectRefused(.areasUnavailable) {
        _ = try allocate(test, 1, options { $0.areas = ArenaID(index: index) })
      }
    }
  }

  // MARK: Where it is to lie

  @Test(arguments: Function.allCases)
  func exhaustedRange(allocate: Function) throws {
    let test = try TestMachine(ram: [.small], vmallocPages: 20)
    _ = try test.manager.vmalloc(4 * 4096)
    let middle = try test.manager.vmalloc(6 * 4096)
    _ = try test.manager.vmalloc(7 * 4096)
    try test.manager.vfree(middle)
    test.expectRefused(.rangeExhausted(largestHole: PageCount(7))) { _ = try allocate(test, 7 * 4096) }
    test.expectRefused(.rangeExhausted(largestHole: PageCount(7))) {
      _ = try allocate(test, 1, options { $0.guardPages = 7 })
    }
    test.expectRefused(.rangeExhausted(largestHole: PageCount(7))) {
      _ = try allocate(test, 1, options { $0.alignment = 1 << 40 })
    }
    #expect(try allocate(test, 6 * 4096) == middle)
    test.expectRefused(.rangeExhausted(largestHole: .zero)) { _ = try allocate(test, 1) }
  }

  /// Below, above, across either end, and not on a page; then taken, in a guard, and with a guard that is.
  @Test(arguments: Function.allCases)
  func badPlace(allocate: Function) throws {
    let test = try TestMachine(ram: [.small], vmallocPages: 100)
    let start = TestMachine.vmallocStart.rawValue << 12
    let taken = try test.manager.vmalloc(4096 * 2, options { $0.address = VirtualAddress(start + 10 << 12) })
    defer { #expect(throws: Never.self) { try test.manager.vfree(taken) } }
    for (offset, pages) in [
      (-4096, 1), (-4096, 2), (100 << 12, 1), (99 << 12, 1), (98 << 12, 3), (1, 1), (4095, 1), (.min, 1),
      (10 << 12, 1), (11 << 12, 1), (12 << 12, 1), (9 << 12, 1), (8 << 12, 2), (8 << 12, 7),
    ] as [(Int64, Int)] {
      let address = VirtualAddress(start &+ UInt64(bitPattern: offset))
      test.expectRefused(.placeTaken(address)) {
        _ = try allocate(test, pages * 4096, options { $0.address = address })
      }
    }
    let unaligned = VirtualAddress(start + 5 << 12)
    test.expectRefused(.placeTaken(unaligned)) {
      _ = try allocate(
        test, 1,
        options {
          $0.address = unaligned
          $0.alignment = 8192
        })
    }
  }

  // MARK: Memory

  @Test(arguments: Function.allCases)
  func exhaustedFrames(allocate: Function) throws {
    let test = try TestMachine(ram: [.small])
    try test.manager.vfree(try test.manager.vmalloc(1))
    for left in [0, 1, 10, 199] as [UInt64] {
      try test.withFramesLeft(left) {
        test.expectRefused(.framesExhausted(got: PageCount(left), of: PageCount(200))) {
          _ = try allocate(test, 200 * 4096)
        }
      }
    }
    try test.manager.vfree(try allocate(test, 200 * 4096))
  }

  @Test(arguments: Function.allCases)
  func exhaustedTables(allocate: Function) throws {
    let test = try TestMachine(ram: [.small])
    try test.manager.vfree(try test.manager.vmalloc(1))
    for left in [0, 1] as [UInt64] {
      try test.withFramesLeft(30 + left) {
        test.expectRefused(.tablesExhausted(got: PageCount(left), of: PageCount(2))) {
          _ = try allocate(test, 30 * 4096)
        }
      }
    }
    try test.withFramesLeft(32) { try test.manager.vfree(try allocate(test, 30 * 4096)) }
  }

  @Test(arguments: Function.allCases)
  func exhaustedMetadata(allocate: Function) throws {
    let test = try TestMachine(ram: [.small])
    try test.withFramesLeft(0) { test.expectRefused(.metadataExhausted) { _ = try allocate(test, 1) } }
    try test.manager.vfree(try allocate(test, 1))
  }

  @Test(arguments: Function.allCases)
  func anExhaustedZone(allocate: Function) throws {
    let test = try TestMachine()
    // As many as the zone has, and somebody has one.
    _ = try test.manager.allocateFrames(zone: .dma)
    let free = test.manager.usage(of: .dma).free.rawValue + test.manager.usage(of: .dma).cached.rawValue
    let more = PageCount(free + 1)
    test.expectRefused(.framesExhausted(got: PageCount(free), of: more)) {
      _ = try allocate(test, Int(more.rawValue) * 4096, options { $0.zone = .dma })
    }
  }

  @Test func failuresAreCounted() throws {
    let test = try TestMachine(ram: [.small])
    _ = try? test.manager.vmalloc(0)
    _ = try? test.manager.vmalloc(count: .max, stride: 2)
    _ = try? test.manager.vzalloc(.max)
    _ = try? test.manager.vmalloc(1, options { $0.alignment = 3 })
    try test.withFramesLeft(0) { _ = try? test.manager.vmalloc(1) }
    #expect(test.manager.counters[.allocationsFailed] == 5)
    _ = try test.manager.vmalloc(1)
    #expect(test.manager.counters[.allocationsFailed] == 5)
  }
}
