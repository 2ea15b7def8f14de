import MachineSimulator
import Testing

@testable import KernelMemory

extension TestMachine {
  /// Where Linux has its modules.
  static let moduleStart = PageNumber(0xffff_ffff_c000_0000 >> 12)

  /// What a simulated CPU says to a one-byte access; nil where it succeeds.
  func fault(_ access: Fault.Access, at address: VirtualAddress) -> Fault? {
    do throws(Fault) {
      switch access {
      case .read: _ = try simulated.load(UInt8.self, at: address)
      case .write: try simulated.store(UInt8(0xaa), at: address)
      case .execute: try simulated.fetch(at: address)
      }
      return nil
    } catch {
      return error
    }
  }

  func fault(_ access: Fault.Access, at page: PageNumber) -> Fault? {
    fault(access, at: page.address(format.pageSize))
  }

  /// What is wrong with the way from the linear map's addresses to frames of the manager.
  var linearMapProblem: String? {
    let table = manager.frames.table
    return simulated.linearMapProblem { frame in
      (table.metadata(of: frame)?.value.state.kind ?? .unmanaged) != .unmanaged
    }
  }

  /// Frames that anybody but the package itself holds: areas, tables, and what was allocated by number.
  var framesInUse: UInt64 { manager.usedFrames.rawValue - manager.frames.ownMetadata.rawValue }

  /// Frames that an allocation can still have.
  var framesLeft: UInt64 {
    [ZoneKind.dma, .dma32, .normal].reduce(0) { sum, zone in
      let usage = manager.usage(of: zone)
      return sum + usage.free.rawValue + usage.cached.rawValue
    }
  }

  /// Runs `body` while all frames but `count` are taken.
  func withFramesLeft<Result>(_ count: UInt64, _ body: () throws -> Result) throws -> Result {
    manager.cpus.with { cpu in manager.frames.drainCaches(cpu) }
    var held: [FrameNumber] = []
    if framesLeft > count {
      try manager.allocateFrames(count: Int(framesLeft - count)) { held.append($0) }
    }
    defer {
      for frame in held {
        #expect(throws: Never.self) { try manager.freeFrames(frame) }
      }
    }
    #expect(framesLeft == count)
    return try body()
  }

  /// Takes every frame, and gives back every second one: no block of more frames than one is left.
  func scatterFreeFrames() throws {
    var all: [FrameNumber] = []
    try manager.allocateFrames(count: Int(framesLeft)) { all.append($0) }
    for frame in all where frame.rawValue % 2 == 0 { try manager.freeFrames(frame) }
  }

  /// A pointer with this bit pattern; address zero has none.
  func pointer(_ address: UInt64) -> UnsafeMutableRawPointer? {
    UnsafeMutableRawPointer(bitPattern: UInt(address))
  }

  /// Expects that `body` is refused with `error` and that nothing has changed by it.
  func expectRefused(
    _ error: MemoryError, _ location: SourceLocation = #_sourceLocation, _ body: () throws -> Void
  ) {
    let before = Snapshot(of: manager)
    #expect(throws: error, sourceLocation: location) { try body() }
    expectUnchanged(since: before, location)
    expectValid(location)
  }
}

extension RAMRegion {
  /// Where the contents of frames do not matter: a machine of this size starts quickly.
  static let small = RAMRegion(PhysicalAddress(0), byteCount: 8 << 20)
}

extension CPUs {
  /// As `enter`, on a CPU that has joined and is not inside the package.
  func with<Result: ~Copyable, Failure: Error>(
    _ body: (borrowing CPU) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    var result: Result?
    var failure: Failure?
    do throws(MemoryError) {
      try enter { cpu in
        do throws(Failure) { result = try body(cpu) } catch { failure = error }
      }
    } catch {
      preconditionFailure("\(error)")
    }
    if let failure { throw failure }
    guard let value = result.take() else { preconditionFailure("neither a result nor an error") }
    return value
  }
}

extension FreeMode {
  static let all: [FreeMode] = [.strict, .lazy, .warm]
}

extension MemoryError {
  /// Whether frames are what was missing, for whatever use.
  var isOfFrames: Bool {
    switch self {
    case .framesExhausted, .tablesExhausted, .metadataExhausted: true
    default: false
    }
  }
}
