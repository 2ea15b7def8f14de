import Checks
import Testing

@Suite struct ModelSearchTests {
  @Test func linesThatAreAskedForAreSearched() {
    let tsv = """
      # model\twhen
      Flush\tusual\tsafety\tholds\tOPERATIONS=3\t2 CPUs
      Epoch\tlong\tprogress\tcycle\tX_A X_B\tno wake
      Flush\tusual\tsafety\tframeIsTranslated\t\tnothing is defined
      """
    let usual = ModelSearch.all(tsv: tsv, long: false)
    #expect(usual.map(\.expected) == ["holds", "frameIsTranslated"])
    #expect(usual.map(\.options) == [["OPERATIONS=3"], []])
    let all = ModelSearch.all(tsv: tsv, long: true)
    #expect(all.count == 3 && all[1].isOfProgress && all[1].options == ["X_A", "X_B"])
  }

  private func log(_ first: String, _ errors: Int, _ more: String = "") -> SearchLog {
    SearchLog(
      """
      \(first)
      State-vector 148 byte, depth reached 1234, errors: \(errors)
          56789 states, stored
      \(more)
      pan: elapsed time 0.25 seconds
      """)
  }

  @Test func verdictsAreThoseOfTheTable() {
    #expect(log("", 0).verdict == "holds")
    #expect(log("", 0).figures == ["56789", "1234", "0.25"])
    #expect(
      log("pan:1: assertion violated  !(frameIsTranslated) (at depth 56)", 1).verdict == "frameIsTranslated")
    #expect(log("pan:1: acceptance cycle (at depth 8)", 1).verdict == "cycle")
    #expect(log("pan:1: invalid end state (at depth 8)", 1).verdict == "invalid end state")
    #expect(log("", 0, "Warning: Search not completed").verdict == "unfinished")
    #expect(log("error: max search depth too small", 0).verdict == "unfinished")
    #expect(SearchLog("").verdict == "unfinished")
  }
}
