import Testing

/// Swift's own objects in the kernel: classes, arrays, dictionaries, strings, closures.
@Suite(.enabled(if: Emulator.isPresent, Comment(rawValue: Emulator.absence)), .serialized)
struct SwiftHeapTests {
  /// Each CPU uses all of them, hands objects to another one, and nothing is left at the end.
  @Test(arguments: [(1, "strict"), (2, "lazy"), (4, "strict"), (4, "warm")])
  func workOnEveryCPUAndLeaveNothing(_ cpus: Int, _ mode: String) throws {
    let boot = try Boot.run(Setup(options: "test=swift-heap mode=\(mode)", trace: nil, cpus: cpus))
    #expect(boot.status == 33, "\(boot.serial)")
    #expect(boot.values["verdict"] == "pass", "\(boot.serial)")
    #expect(boot.values["heap.cpus"] == "\(cpus)")
    #expect(boot.values["heap.exercises"] == "\(cpus * 1_800)")
    #expect(boot.values["heap.wrong"] == "0")
    #expect(boot.values["heap.handed"] == "\(cpus == 1 ? 0 : cpus * 200)")
    #expect(boot.values["heap.made"] == "\(cpus * 7_900)")
    #expect(boot.values["heap.ended"] == boot.values["heap.made"])
    #expect(boot.values["heap.allocations"].flatMap { Int($0) } ?? 0 > cpus * 50_000)
    #expect(boot.values["heap.frees"] == boot.values["heap.allocations"])
    #expect(boot.values["heap.live.objects"] == "0")
    #expect(boot.values["heap.live.bytes"] == "0")
  }
}
