import Testing

/// Swift's own objects in the kernel: classes, arrays, dictionaries, strings, closures.
@Suite(.boots(.x86_64), .serialized)
struct SwiftHeapTests {
  /// Each CPU uses all of them, hands objects to another one, and nothing is left at the end.
  @Test(arguments: [(1, "strict"), (2, "lazy"), (4, "strict"), (4, "warm")])
  func workOnEveryCPUAndLeaveNothing(_ cpus: Int, _ mode: String) throws {
    let boot = try Boot.run(Setup(options: "test=swift-heap mode=\(mode)", trace: nil, cpus: cpus))
    boot.expectSwiftObjects(cpus: cpus)
  }
}
