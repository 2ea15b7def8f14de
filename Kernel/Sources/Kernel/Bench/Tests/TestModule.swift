import BareMetal
import KernelMemory

/// Runs the tests one after the other. Of each it prints the line that the module prints, and its row.
struct TestModule {
  let manager: MemoryManager
  let mode: FreeMode

  /// In pages.
  private static var fixedSizes: InlineArray<5, Int> { [1, 4, 16, 64, 512] }

  /// - Returns: whether all ended as they should, under the rules of Figures.swift.
  func run() throws(MemoryError) -> Bool {
    var isRight = true
    switch mode {
    case .strict: break
    case .lazy:
      for index in Self.fixedSizes.indices {
        isRight = try run(FixedSizeTest(pages: Self.fixedSizes[index])) && isRight
      }
      isRight = try run(FullFitTest()) && isRight
      isRight = try run(LongBusyListTest()) && isRight
      isRight = try run(RandomSizeTest()) && isRight
      isRight = try run(FixedAlignmentTest()) && isRight
      isRight = try run(RandomAlignmentTest()) && isRight
      isRight = try run(AlignmentShiftTest()) && isRight
      isRight = try run(VmapTest(pages: 1)) && isRight
      isRight = try run(VmapTest(pages: 64)) && isRight
    case .warm:
      isRight = try run(FixedSizeTest(pages: 1)) && isRight
      isRight = try run(FullFitTest()) && isRight
      isRight = try run(RandomSizeTest()) && isRight
    }
    return isValid() && isRight
  }

  private func run<Test: VmallocTest>(_ fresh: Test) throws(MemoryError) -> Bool {
    var test = fresh
    var (figures, refusal) = try measure(&test)
    let isRight = test.isRight(refusal)
    writeSummary(test, figures, refusal)
    guard let name = test.row else { return isRight }
    figures.extremes = try examine(fresh)
    // A warm set-up leaves what it likes, and a warm loop writes entries where an area is too large to stay
    // mapped: the figure is what it is.
    guard mode == .lazy else { return Row(name, mode).write(figures, brokenRule: nil) && isRight }
    return Row(name).write(figures, brokenRule: figures.brokenRule(mode)) && isRight
  }

  /// Once, with everything that it leaves purged before the clock stops.
  private func measure<Test: VmallocTest>(
    _ test: inout Test
  ) throws(MemoryError) -> (figures: Figures, refusal: MemoryError?) {
    var refusal: MemoryError?
    var watcher = NoWatcher()
    try manager.flushRetired()
    var figures = Figures(operations: test.loops, from: manager)
    let start = Platform.instructions
    do throws(MemoryError) {
      try test.run(on: manager, &watcher)
    } catch {
      refusal = error
    }
    try manager.flushRetired()
    figures.instructions = Platform.instructions &- start
    figures.end(manager)
    return (figures, refusal)
  }

  private func examine<Test: VmallocTest>(_ test: Test) throws(MemoryError) -> Extremes {
    var test = test
    var extremes = Extremes()
    try test.run(on: manager, &extremes)
    try manager.flushRetired()
    return extremes
  }

  private func isValid() -> Bool {
    guard let problem = manager.validate() else { return true }
    var console = SerialPort.console
    console.write("an invariant of the manager does not hold: ")
    console.write(problem)
    console.newline()
    return false
  }

  /// In the module's words. A microsecond is a thousand instructions.
  private func writeSummary(_ test: some VmallocTest, _ figures: Figures, _ refusal: MemoryError?) {
    var console = SerialPort.console
    console.write("Summary: ")
    console.write(test.name)
    console.write(refusal == nil ? " passed: 1 failed: 0" : " passed: 0 failed: 1")
    console.write(" repeat: 1 loops: ")
    console.write(decimal: test.loops)
    console.write(" avg: ")
    console.write(decimal: figures.instructions / 1_000)
    console.write(" usec\n")
    guard let refusal else { return }
    console.write(test.isRight(refusal) ? "  refused, as it should be: " : "  refused: ")
    console.write(refusal)
    console.newline()
  }
}
