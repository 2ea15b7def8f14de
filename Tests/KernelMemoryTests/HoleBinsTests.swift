import Testing

@testable import KernelMemory

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

  /// The lowest bin all of whose holes fit is the one that a request may take its first hole from.
  @Test func aFittingBinIsTheLowestWhoseEveryHoleFits() {
    var expected = 1
    for size in 1...UInt64(1 << 20) {
      while Self.lowerBounds[expected] < size { expected += 1 }
      if HoleBins.bin(fitting: size) != expected {
        Issue.record("size \(size): bin \(HoleBins.bin(fitting: size)), not \(expected)")
      }
    }
  }

  /// What the header promises of rounding: less than 12.5 %.
  @Test func roundingPassesOverLessThanAnEighth() {
    for size in 1...UInt64(1 << 20) {
      let bound = Self.lowerBounds[HoleBins.bin(fitting: size)]
      if bound < size || (bound - size) * 8 >= size { Issue.record("size \(size) is rounded up to \(bound)") }
    }
  }

  @Test(arguments: 3...51)
  func bordersOfLargeSizes(exponent: Int) {
    let power = UInt64(1) << UInt64(exponent)
    let step = power / 8
    for eighth in 0..<UInt64(8) {
      let bound = power + eighth * step
      let bin = (exponent - 2) * 8 + Int(eighth)
      #expect(HoleBins.bin(holding: bound) == bin)
      #expect(HoleBins.bin(fitting: bound) == bin)
      #expect(HoleBins.bin(holding: bound - 1) == bin - 1)
      // Below a power of two the steps are half as wide.
      let stepBelow = eighth == 0 ? step / 2 : step
      #expect(HoleBins.bin(fitting: bound - 1) == (stepBelow <= 1 ? bin - 1 : bin))
      #expect(HoleBins.bin(holding: bound + 1) == (step == 1 ? bin + 1 : bin))
      #expect(HoleBins.bin(fitting: bound + 1) == bin + 1)
    }
    #expect(HoleBins.bin(holding: 2 * power - 1) < HoleBins.count)
  }

  /// The scan for a bin crosses the words of its bit map.
  @Test func theFirstHoleIsTheLowestNonEmptyBins() throws {
    let fixture = try AreasFixture(pages: 1)
    let pool = fixture.areas.pool
    var bins = HoleBins()
    #expect(bins.firstHole(from: 0) == nil)
    #expect(bins.highestBin == nil)
    let sizes: [UInt64] = [1, 7, 63, 64, 1 << 10, 1 << 20, 1 << 30, 1 << 40, 1 << 51]
    var holes: [UInt32] = []
    try fixture.test.manager.cpus.with { (cpu) throws(MemoryError) in try pool.stock(sizes.count, cpu) }
    for size in sizes {
      let hole = pool.take(as: .hole)
      pool[hole].value.span = size
      holes.append(hole)
    }
    for hole in holes { bins.insert(hole, pool) }
    for kept in sizes.indices {
      let bin = HoleBins.bin(holding: sizes[kept])
      #expect(bins.firstHole(from: 0) == holes[kept])
      #expect(bins.firstHole(from: bin) == holes[kept])
      #expect(bins.firstHole(from: bin + 1) == (kept + 1 < sizes.count ? holes[kept + 1] : nil))
      #expect(bins.highestBin == HoleBins.bin(holding: 1 << 51))
      bins.remove(holes[kept], pool)
    }
    #expect(bins.firstHole(from: 0) == nil)
    #expect(bins.firstHole(from: HoleBins.count) == nil)
  }

  @Test func aBinGivesUpItsHolesInAnyOrder() throws {
    let fixture = try AreasFixture(pages: 1)
    let pool = fixture.areas.pool
    for order in permutations(of: [0, 1, 2]) {
      var bins = HoleBins()
      try fixture.test.manager.cpus.with { (cpu) throws(MemoryError) in try pool.stock(3, cpu) }
      let holes = (0..<3).map { _ in pool.take(as: .hole) }
      for hole in holes {
        pool[hole].value.span = 5
        bins.insert(hole, pool)
      }
      var left = Set(holes)
      for index in order {
        bins.remove(holes[index], pool)
        left.remove(holes[index])
        var listed: Set<UInt32> = []
        var hole = bins.head(of: 5)
        while hole != 0 {
          listed.insert(hole)
          hole = pool[hole].value.next
        }
        #expect(listed == left)
      }
      #expect(bins.firstHole(from: 0) == nil)
      for hole in holes { pool.put(hole) }
    }
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
