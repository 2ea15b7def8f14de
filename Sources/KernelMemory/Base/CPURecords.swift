/// Records for each CPU, on cache lines of its own: CPUs fetch neighbouring lines in pairs, and some have
/// lines of 128 bytes, so that a record that shared one would be taken away at each write of another CPU's.
@safe
struct CPURecords<Element: ~Copyable> {
  private let first: UInt
  private let stride: UInt

  /// - Parameters:
  ///   - memory: cleared, `byteCount(_:each:)` bytes, at a multiple of 128.
  ///   - each: how many a CPU has, one behind the other.
  init(_ memory: Stable<UInt8>, each: Int = 1) {
    assert(memory.address & 127 == 0, "records of CPUs do not begin at a multiple of 128")
    first = memory.address
    stride = UInt(Self.stride(each))
  }

  private static func stride(_ each: Int) -> Int {
    (each &* MemoryLayout<Element>.stride &+ 127) & ~127
  }

  static func byteCount(_ cpus: Int, each: Int = 1) -> Int { cpus &* stride(each) }

  /// The first of a CPU's.
  subscript(cpu: Int) -> Stable<Element> {
    Stable(bitPattern: first &+ UInt(bitPattern: cpu) &* stride)
  }
}
