import BareMetal
import CKernel
import KernelMemory

// What a process cannot show, since the memory of a simulated machine has no address there: that the spans of
// a `VirtualBuffer` lead, through the tables and the TLB, to the frames that the manager says it has.

extension Scenario {
  private static var spanBytes: Int { 10_000 }

  /// Writes every byte of a buffer through one span, reads it through another one and through the linear
  /// map, and looks for the buffer once it is gone.
  static func useSpans(_ manager: MemoryManager) throws(MemoryError) -> Never {
    var buffer = try VirtualBuffer(zeroedByteCount: spanBytes, from: manager)
    let start = buffer.address
    let zeros = count(in: buffer.bytes) { _ in 0 }
    fill(&buffer)
    let same = count(in: buffer.bytes, byte(at:))
    let beneath = countInLinearMap(start, manager)
    report("10000 bytes zero at first", zeros)
    report("read back", same)
    report("found in the linear map", beneath)
    probeLoad(start)
    let pages = PageCount(bytes: UInt64(spanBytes), Platform.pageSize).rawValue
    probeLoad(VirtualAddress(start.rawValue + pages * Platform.pageSize.bytes))
    try buffer.vfree()
    probeLoad(start)
    exit(zeros + same + beneath == 3 * spanBytes ? .success : .jobFailed)
  }

  /// Differs from page to page, and is zero nowhere that matters: a page that is mapped twice shows.
  private static func byte(at offset: Int) -> UInt8 { UInt8(truncatingIfNeeded: offset % 251 + 1) }

  private static func fill(_ buffer: inout VirtualBuffer) {
    var span = buffer.mutableBytes
    for offset in 0..<span.byteCount {
      span.storeBytes(of: byte(at: offset), toByteOffset: offset, as: UInt8.self)
    }
  }

  /// How many bytes are as expected at their offsets.
  private static func count(in span: RawSpan, _ expected: (Int) -> UInt8) -> Int {
    var count = 0
    for offset in 0..<span.byteCount {
      let found = unsafe span.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
      if found == expected(offset) { count += 1 }
    }
    return count
  }

  /// The same of the frames behind the addresses.
  private static func countInLinearMap(_ start: VirtualAddress, _ manager: MemoryManager) -> Int {
    var count = 0
    for offset in 0..<spanBytes {
      let page = VirtualAddress(start.rawValue + UInt64(offset) & ~Platform.pageSize.offsetMask)
      guard let frame = manager.frame(at: page) else { continue }
      let address = manager.linearAddress(of: frame)
      let inPage = offset & Int(Platform.pageSize.offsetMask)
      let found = unsafe address.pointer?.load(fromByteOffset: inPage, as: UInt8.self)
      if found == byte(at: offset) { count += 1 }
    }
    return count
  }

  private static func report(_ what: StaticString, _ count: Int) {
    var console = SerialPort.console
    console.write("spans: ")
    console.write(what)
    console.write(": ")
    console.write(decimal: UInt64(count))
    console.newline()
  }

  private static func probeLoad(_ address: VirtualAddress) {
    var value: UInt = 0
    show("load", unsafe kernel_probe_load(UInt(address.rawValue), &value))
  }
}
