public import KernelMemory

// Loads, stores and instruction fetches. An access that crosses a page boundary is two translations;
// both succeed before a byte moves, as for a single instruction (SDM vol. 3A, 6.6: faults are
// restartable). A byte range is many accesses, one a page. Addresses wrap at 2^64, as they do in 64-bit
// mode.
//
// The CPU is that of the calling thread unless another one is named; where several threads run, none
// may name another's. Each access is a step: other CPUs may run before it, and none runs within it,
// because interrupts are taken between instructions only.

extension SimulatedMachine {
  /// Reads an integer of up to 64 bits, in any alignment; little-endian.
  /// - Throws: `Fault`; its address is the lowest byte in the page that failed.
  @inlinable
  public func load<Value: FixedWidthInteger>(
    _ type: Value.Type = Value.self, at address: VirtualAddress, cpu: Int = SimulatedMachine.currentCPU
  ) throws(Fault) -> Value {
    precondition(Value.bitWidth <= 64, "loads are of up to 64 bits")
    return Value(truncatingIfNeeded: try loadBits(at: address, byteCount: Value.bitWidth / 8, cpu: cpu))
  }

  /// Writes an integer of up to 64 bits, in any alignment; little-endian. A store that faults changes
  /// nothing.
  /// - Throws: `Fault`; its address is the lowest byte in the page that failed.
  @inlinable
  public func store<Value: FixedWidthInteger>(
    _ value: Value, at address: VirtualAddress, cpu: Int = SimulatedMachine.currentCPU
  ) throws(Fault) {
    precondition(Value.bitWidth <= 64, "stores are of up to 64 bits")
    try storeBits(
      UInt64(truncatingIfNeeded: value), at: address, byteCount: Value.bitWidth / 8, cpu: cpu)
  }

  /// Fetches the first byte of an instruction.
  /// - Throws: `Fault`.
  @discardableResult
  public func fetch(at address: VirtualAddress, cpu: Int = SimulatedMachine.currentCPU) throws(Fault) -> UInt8
  {
    Step.access.take()
    let request = Request(address: address.rawValue, access: .execute)
    return try unsafe pointer(for: request, byteCount: 1, cpu).load(as: UInt8.self)
  }

  /// Reads bytes into all of `bytes`. O(bytes). What lies below the address of a fault was read.
  /// - Throws: `Fault`.
  public func load(
    into bytes: inout MutableRawSpan, at address: VirtualAddress, cpu: Int = SimulatedMachine.currentCPU
  ) throws(Fault) {
    var done = 0
    while done < bytes.byteCount {
      Step.access.take()
      let piece = Piece(of: bytes.byteCount, after: done, at: address)
      let source = try unsafe pointer(to: piece, .read, cpu)
      unsafe bytes.withUnsafeMutableBytes { target in
        unsafe target.baseAddress.unsafelyUnwrapped.advanced(by: done)
          .copyMemory(from: source, byteCount: piece.byteCount)
      }
      done += piece.byteCount
    }
  }

  /// Reads `byteCount` bytes. O(bytes).
  /// - Throws: `Fault`.
  public func load(
    byteCount: Int, at address: VirtualAddress, cpu: Int = SimulatedMachine.currentCPU
  ) throws(Fault) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: byteCount)
    var span = bytes.mutableSpan
    var raw = unsafe span.mutableBytes
    try load(into: &raw, at: address, cpu: cpu)
    return bytes
  }

  /// Writes `bytes`. O(bytes). What lies below the address of a fault was written.
  /// - Throws: `Fault`.
  public func store(_ bytes: RawSpan, at address: VirtualAddress, cpu: Int = SimulatedMachine.currentCPU)
    throws(Fault)
  {
    var done = 0
    while done < bytes.byteCount {
      Step.access.take()
      let piece = Piece(of: bytes.byteCount, after: done, at: address)
      let target = try unsafe pointer(to: piece, .write, cpu)
      unsafe bytes.withUnsafeBytes { source in
        unsafe target.copyMemory(
          from: source.baseAddress.unsafelyUnwrapped.advanced(by: done), byteCount: piece.byteCount)
      }
      done += piece.byteCount
    }
  }

  /// Writes `bytes`. O(bytes). What lies below the address of a fault was written.
  /// - Throws: `Fault`.
  public func store(_ bytes: [UInt8], at address: VirtualAddress, cpu: Int = SimulatedMachine.currentCPU)
    throws(Fault)
  {
    try unsafe store(bytes.span.bytes, at: address, cpu: cpu)
  }
}

extension SimulatedMachine {
  @usableFromInline
  func loadBits(at address: VirtualAddress, byteCount: Int, cpu: Int) throws(Fault) -> UInt64 {
    Step.access.take()
    let first = Piece(of: byteCount, after: 0, at: address)
    let request = Request(address: first.address, access: .read)
    if let (device, offset) = try device(for: request, byteCount: byteCount, cpu) {
      return device.read(offset, byteCount)
    }
    let low = try unsafe pointer(to: first, .read, cpu)
    guard first.byteCount < byteCount else { return unsafe bits(at: low, byteCount: byteCount) }
    let second = Piece(of: byteCount, after: first.byteCount, at: address)
    let high = try unsafe pointer(to: second, .read, cpu)
    return unsafe bits(at: low, byteCount: first.byteCount)
      | bits(at: high, byteCount: second.byteCount) << UInt64(8 * first.byteCount)
  }

  @usableFromInline
  func storeBits(
    _ value: UInt64, at address: VirtualAddress, byteCount: Int, cpu: Int
  ) throws(Fault) {
    Step.access.take()
    let first = Piece(of: byteCount, after: 0, at: address)
    let request = Request(address: first.address, access: .write)
    if let (device, offset) = try device(for: request, byteCount: byteCount, cpu) {
      return device.write(offset, byteCount, value)
    }
    let low = try unsafe pointer(to: first, .write, cpu)
    guard first.byteCount < byteCount else {
      return unsafe setBits(value, at: low, byteCount: byteCount)
    }
    let second = Piece(of: byteCount, after: first.byteCount, at: address)
    let high = try unsafe pointer(to: second, .write, cpu)
    unsafe setBits(value, at: low, byteCount: first.byteCount)
    unsafe setBits(value >> UInt64(8 * first.byteCount), at: high, byteCount: second.byteCount)
  }

  private func pointer(
    to piece: Piece, _ access: Fault.Access, _ cpu: Int
  ) throws(Fault) -> UnsafeMutableRawPointer {
    try unsafe pointer(
      for: Request(address: piece.address, access: access), byteCount: piece.byteCount, cpu)
  }

  private func pointer(
    for request: Request, byteCount: Int, _ cpu: Int
  ) throws(Fault) -> UnsafeMutableRawPointer {
    releaseStores()
    do {
      let pointer = try unsafe cpus[cpu].pointer(for: request, byteCount: byteCount)
      speculateAfterAccess(cpu, at: request.address, nil)
      return unsafe pointer
    } catch {
      speculateAfterAccess(cpu, at: request.address, error)
      throw error
    }
  }
}

/// The part of an access that lies within one page.
private struct Piece {
  let address: UInt64
  let byteCount: Int

  /// The first part of an access of `whole` bytes from `start` of which `done` are done.
  init(of whole: Int, after done: Int, at start: VirtualAddress) {
    address = start.rawValue &+ UInt64(done)
    let left = PageSize.size4K.bytes &- (address & PageSize.size4K.offsetMask)
    byteCount = min(whole - done, Int(left))
  }
}

/// The value of 1 to 8 bytes; of the sizes of an integer in one access, so that CPUs see all of it or
/// nothing.
private func bits(at source: UnsafeMutableRawPointer, byteCount: Int) -> UInt64 {
  switch byteCount {
  case 8: return unsafe source.loadUnaligned(as: UInt64.self)
  case 4: return UInt64(unsafe source.loadUnaligned(as: UInt32.self))
  case 2: return UInt64(unsafe source.loadUnaligned(as: UInt16.self))
  default:
    var value: UInt64 = 0
    for index in (0..<byteCount).reversed() {
      value = value << 8 | UInt64(unsafe source.load(fromByteOffset: index, as: UInt8.self))
    }
    return value
  }
}

private func setBits(_ value: UInt64, at target: UnsafeMutableRawPointer, byteCount: Int) {
  switch byteCount {
  case 8: unsafe target.storeBytes(of: value, as: UInt64.self)
  case 4: unsafe target.storeBytes(of: UInt32(truncatingIfNeeded: value), as: UInt32.self)
  case 2: unsafe target.storeBytes(of: UInt16(truncatingIfNeeded: value), as: UInt16.self)
  default:
    for index in 0..<byteCount {
      let byte = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
      unsafe target.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
    }
  }
}
