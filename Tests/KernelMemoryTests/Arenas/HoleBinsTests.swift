import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct HoleBinsTests {
  /// The smallest size of each bin, found by asking for every size.
  private static let lowerBounds: [UInt64] = {
    var bounds: [UInt64] = [0]
    for size in 1...UInt64(1 << 20) where HoleBins.bin(holding: size) == bounds.count { bounds.append(size) }
    return bounds
  }()

  @Test func binsFollowOneAnotherWithoutAGap() {
    var last = 0
    for size in 1...UInt64(1 << 20) {
      let bin = HoleBins.bin(holding: size)
      if bin != last && bin != last + 1 { Issue.record("size \(size): bin \(bin) after \(last)") }
      last = bin
    }
    #expect(last == Self.lowerBounds.count - 1)
    #expect(
      Self.lowerBounds[..<20] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 22])
  }

  @Test(arguments: 3...51)
  func bordersOfLargeSizes(exponent: Int) {
    let power = UInt64(1) << UInt64(exponent)
    let step = power / 8
    for eighth in 0..<UInt64(8) {
      let bound = power + eighth * step
      let bin = (exponent - 2) * 8 + Int(eighth)
      #expect(HoleBins.bin(holding: bound) == bin)
      #expect(HoleBins.bin(holding: bound - 1) == bin - 1)
      #expect(HoleBins.bin(holding: bound + 1) == (step == 1 ? bin + 1 : bin))
    }
    #expect(HoleBins.bin(holding: 2 * power - 1) < HoleBins.count)
  }

  /// Holes of random sizes, beside a sorted list of them.
  private struct Oracle: ~Copyable {
    let pool: DescriptorPool
    var bins = HoleBins()
    var holes: [UInt32] = []
    var sizes: [UInt32: UInt64] = [:]

    init(_ pool: DescriptorPool) { self.pool = pool }

    mutating func add(_ size: UInt64) {
      let hole = pool.take(as: .hole)
      pool[hole].value.span = size
      bins.insert(hole, pool)
      holes.append(hole)
      sizes[hole] = size
    }

    mutating func remove(at index: Int) {
      holes.swapAt(index, holes.count - 1)
      let hole = holes.removeLast()
      bins.remove(hole, pool)
      sizes[hole] = nil
      pool.put(hole)
    }

    mutating func resize(_ hole: UInt32, to size: UInt64) {
      bins.resize(hole, to: size, pool)
      sizes[hole] = size
    }

    mutating func expectValid() {
      let count = bins.validate(pool)
      #expect(count == holes.count)
    }

    /// What is found from a size up and from it down, and in how many steps.
    mutating func check(_ size: UInt64) {
      let before = bins.steps
      let (above, below) = (bins.smallest(from: size, pool), bins.largest(upTo: size, pool))
      let (sizes, visits) = (sizes, bins.steps - before)
      let (least, greatest) = (
        sizes.values.filter { $0 >= size }.min(), sizes.values.filter { $0 <= size }.max()
      )
      if sizes[above] != least { Issue.record("from \(size) up: \(above), not \(String(describing: least))") }
      if sizes[below] != greatest {
        Issue.record("from \(size) down: \(below), not \(String(describing: greatest))")
      }
      // Two walks of each search, as deep as the sizes of a bin have bits.
      if visits > 4 * 50 { Issue.record("\(visits) holes were looked at") }
    }
  }

  /// Few sizes, many sizes, sizes of every width, and sizes that differ in high bits or in low ones.
  static let kinds: [(name: String, size: @Sendable (inout Randomness) -> UInt64)] = [
    ("small", { $0.below(20) + 1 }), ("in one bin", { $0.below(64) + 512 }),
    ("near", { (1 << 40) + $0.below(1000) }), ("any", { (($0.next() >> 12) >> $0.below(52)) | 1 }),
    ("far", { (1 << 40) + $0.below(128) << 30 }),
  ]

  @Test(arguments: 0..<5) func whatIsFoundIsTheNearest(kind: Int) throws {
    let fixture = try AreasFixture(pages: 1)
    let pool = fixture.areas.pool
    var oracle = Oracle(pool)
    let size = Self.kinds[kind].size
    try fixture.test.manager.cpus.with { (cpu) throws(MemoryError) in try pool.stock(1_000, cpu) }
    var random = Randomness(seed: UInt64(kind))
    oracle.check(1)
    for step in 0..<4_000 {
      if oracle.holes.isEmpty { oracle.add(size(&random)) }
      let index = Int(random.below(UInt64(oracle.holes.count)))
      let hole = oracle.holes[index]
      switch random.below(oracle.holes.count < 300 ? 4 : 8) {
      case 0, 1: if oracle.holes.count < 900 { oracle.add(size(&random)) }
      case 2: oracle.resize(hole, to: size(&random))
      case 3: oracle.resize(hole, to: max(1, (oracle.sizes[hole] ?? 1) - 1))
      default: oracle.remove(at: index)
      }
      oracle.check(size(&random))
      if step % 100 == 0 { oracle.expectValid() }
    }
    oracle.check(0)
    oracle.check(.max)
    while !oracle.holes.isEmpty { oracle.remove(at: 0) }
    oracle.expectValid()
    oracle.check(1)
  }
}

/// Every order of a few elements.
func permutations<Element>(of elements: [Element]) -> [[Element]] {
  guard elements.count > 1 else { return [elements] }
  return elements.indices.flatMap { index in
    var rest = elements
    let first = rest.remove(at: index)
    return permutations(of: rest).map { [first] + $0 }
  }
}

extension HoleBins {
  /// Holes that were looked at; none in optimised builds, which do not count them.
  var steps: Int {
    #if DEBUG
    return visits
    #else
    return 0
    #endif
  }
}
