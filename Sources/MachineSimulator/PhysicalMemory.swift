// The memory bus of a simulated machine: RAM at some physical addresses, nothing at the others.
//
// The physical address space up to the end of RAM is one reservation of the process, without swap
// space behind it, so that a machine of any size costs what is touched. Pages of it that
// hold no RAM are inaccessible, which catches code that strays into a hole through the linear map; the
// simulated CPUs ask the list of regions, to the byte.

internal import CHost
internal import KernelMemory
internal import Synchronization

@safe
final class PhysicalMemory {
  /// By address; no two overlap or meet.
  let regions: [RAMRegion]
  /// The process address of physical address zero.
  let base: VirtualAddress
  /// The first physical address that the reservation does not reach.
  let limit: PhysicalAddress
  let physicalAddressBits: Int
  /// Of the frames that the manager has.
  let pageSize: PageSize
  var isFrameFree: ((FrameNumber) -> Bool)?
  /// Nil where an access finds what was written last, whatever its memory type.
  var dataCache: DataCache?
  /// Whether frames that are free may be read at their addresses in the linear map.
  var freeFramesAreReadable = false
  /// Frames that the process may not touch; nil where it may touch all.
  var hidden: HiddenFrames?
  var devices: [Device] = []
  /// The addresses of entries that were absent, and that no walker sees otherwise before a barrier of the CPU
  /// that has stored them.
  var pendingEntries: [UInt64: Int] = [:]

  private let reservation: Reservation

  /// - Parameter addressBits: how many bits of an address the CPUs translate, of which the upper half is not
  ///   the process'.
  init(
    _ ram: [RAMRegion], physicalAddressBits: Int, pageSize: PageSize, addressBits: UInt64
  ) throws(SimulatedMachineError) {
    self.physicalAddressBits = physicalAddressBits
    self.pageSize = pageSize
    regions = try Self.sorted(ram, below: 1 &<< UInt64(physicalAddressBits))
    guard let end = regions.last?.end else { throw .noRAM }
    limit = PhysicalAddress((end + pageSize.offsetMask) & ~pageSize.offsetMask)
    reservation = try Reservation(byteCount: limit.rawValue, below: 1 &<< (addressBits &- 1))
    base = unsafe VirtualAddress(reservation.start)
    for region in regions { try reservation.open(region) }
  }

  /// In order; regions that meet become one, so that an access may lie across the seam.
  private static func sorted(
    _ ram: [RAMRegion], below top: UInt64
  ) throws(SimulatedMachineError) -> [RAMRegion] {
    var regions: [RAMRegion] = []
    for region in ram.sorted(by: { $0.start < $1.start }) {
      guard region.byteCount > 0, let end = region.end, end <= top else { throw .badRegion(region) }
      guard let previous = regions.last, let previousEnd = previous.end else {
        regions.append(region)
        continue
      }
      guard region.start.rawValue >= previousEnd else { throw .overlappingRegion(region) }
      if region.start.rawValue == previousEnd {
        regions[regions.count - 1].byteCount += region.byteCount
      } else {
        regions.append(region)
      }
    }
    return regions
  }
}

extension PhysicalMemory {
  /// Where the process has `byteCount` bytes of RAM that lie within one page frame. O(regions).
  /// - Throws: the fault `busError` or `freedFrame`, for `request` and `level`.
  func pointer(
    to address: UInt64, byteCount: Int, for request: Request, level: Int
  ) throws(Fault) -> UnsafeMutableRawPointer {
    guard isRAM(address, byteCount: UInt64(byteCount)) else {
      throw request.fault(.busError, level: level, at: address)
    }
    let isLinear = request.access == .read && level == 0 && request.address == base.rawValue &+ address
    if let isFrameFree, !(isLinear && freeFramesAreReadable),
      isFrameFree(PhysicalAddress(address).number(pageSize))
    {
      throw request.fault(.freedFrame, level: level, at: address)
    }
    hidden?.show(address)
    return unsafe reservation.start + Int(address)
  }

  private func isRAM(_ address: UInt64, byteCount: UInt64) -> Bool {
    for region in regions where address >= region.start.rawValue {
      let offset = address &- region.start.rawValue
      if offset < region.byteCount && byteCount <= region.byteCount &- offset { return true }
    }
    return false
  }
}

extension PhysicalMemory {
  /// What all RAM holds. O(RAM).
  var contents: [[UInt8]] {
    regions.map { region in
      unsafe [UInt8](UnsafeRawBufferPointer(start: start(of: region), count: Int(region.byteCount)))
    }
  }

  func fill(with byte: UInt8) {
    for region in regions {
      unsafe start(of: region).initializeMemory(as: UInt8.self, repeating: byte, count: Int(region.byteCount))
    }
  }

  /// Makes RAM hold that again; writes only what differs. O(RAM).
  func restore(_ contents: [[UInt8]]) {
    for (region, bytes) in zip(regions, contents) {
      let target = unsafe start(of: region)
      unsafe bytes.withUnsafeBytes { source in
        for offset in stride(from: 0, to: source.count, by: Int(PageSize.size4K.bytes)) {
          let count = min(Int(PageSize.size4K.bytes), source.count - offset)
          let old = unsafe source.baseAddress.unsafelyUnwrapped + offset
          if unsafe !chost_are_equal(target + offset, old, count) {
            unsafe (target + offset).copyMemory(from: old, byteCount: count)
          }
        }
      }
    }
  }

  private func start(of region: RAMRegion) -> UnsafeMutableRawPointer {
    unsafe reservation.start + Int(region.start.rawValue)
  }
}

extension PhysicalMemory {
  /// What an entry at an address of RAM holds, whoever has its frame; nil elsewhere.
  func peek(_ address: UInt64) -> UInt64? {
    guard isRAM(address, byteCount: 8) else { return nil }
    let entry = unsafe (reservation.start + Int(address)).assumingMemoryBound(to: Atomic<UInt64>.self)
    return unsafe entry.pointee.load(ordering: .acquiring)
  }

  /// Reads a table entry, in one access. Acquiring, since a walker sees a table that an entry references
  /// as it was when the entry was written (SDM 4.10.2.3, and the ordering of stores, vol. 3A, 8.2).
  func entry(at address: UInt64, for request: Request, level: Int) throws(Fault) -> UInt64 {
    let pointer = try unsafe pointer(to: address, byteCount: 8, for: request, level: level)
    if !pendingEntries.isEmpty && pendingEntries[address] != nil { return 0 }
    let entry = unsafe pointer.assumingMemoryBound(to: Atomic<UInt64>.self)
    return unsafe entry.pointee.load(ordering: .acquiring)
  }

  /// Changes `flags`, accessed or dirty, in a table entry that was read as `expected`; leaves it alone where
  /// more than these flags has changed since. One locked access, as SDM 4.8 demands.
  func update(
    entryAt address: UInt64, expecting expected: UInt64, but flags: UInt64, _ change: (UInt64) -> UInt64,
    for request: Request, level: Int
  ) throws(Fault) {
    let pointer = try unsafe pointer(to: address, byteCount: 8, for: request, level: level)
    let entry = unsafe pointer.assumingMemoryBound(to: Atomic<UInt64>.self)
    var current = unsafe entry.pointee.load(ordering: .relaxed)
    while (current ^ expected) & ~flags == 0 && change(current) != current {
      let result = unsafe entry.pointee.compareExchange(
        expected: current, desired: change(current), ordering: .relaxed)
      if result.exchanged { return }
      current = result.original
    }
  }
}
