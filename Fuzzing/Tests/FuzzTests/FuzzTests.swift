import FuzzBody
import Testing

@Suite struct FuzzTests {
  @Test(arguments: 0..<20) func randomInputsFindNothing(batch: UInt64) {
    for seed in batch * 100 + 1...batch * 100 + 100 {
      var bytes = SeededBytes(seed: seed)
      let problem = fuzz(bytes.input(upTo: 200))
      #expect(problem == nil, "seed \(seed)")
    }
  }

  @Test func emptyAndTrivialInputsFindNothing() {
    #expect(fuzz([]) == nil)
    for byte in UInt8.min...UInt8.max { #expect(fuzz([byte, byte, byte, byte]) == nil) }
  }
}
