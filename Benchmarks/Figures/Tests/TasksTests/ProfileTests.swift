import Testing

@testable import Tasks

@Suite struct ProfileTests {
  private let symbols = Symbol.all(
    """
    0000000000000100 T first
    0000000000000140 d data
    0000000000000180 t second
    0000000000000200 T kernel_profile_mark
    0000000000000300 W memcpy
    0000000000000300 T memmove
    0000000000000340 T third
                     U undefined
    """)

  private func count(_ addresses: UInt64...) -> [ProfileCounter.Site: Int] {
    var counter = ProfileCounter(symbols)
    for address in addresses { counter.count(address) }
    return counter.counts
  }

  @Test func onlyWhatIsBetweenTheMarksCounts() {
    let counts = count(0x100, 0x200, 0x104, 0x104, 0x180, 0x200, 0x108, 0x200, 0x10C)
    #expect(counts == [.init(address: 0x104): 2, .init(address: 0x180): 1])
  }

  /// Also where it comes back by another way than it went in, and where two names are one function.
  @Test func whatCopiesCountsForWhatCalledIt() {
    let counts = count(0x200, 0x104, 0x300, 0x304, 0x304, 0x108, 0x33C, 0x340)
    #expect(
      counts == [
        .init(address: 0x104): 1, .init(address: 0x104, callee: "memcpy"): 3, .init(address: 0x108): 1,
        .init(address: 0x108, callee: "memcpy"): 1, .init(address: 0x340): 1,
      ])
  }

  @Test func anAddressIsTheSecondNumberOfALine() {
    let line = "Trace 0: 0x7f63c0000100 [00000000/00000000001001a0/000000b0/ff000201] _start\n"
    #expect(ProfileCounter.address(line) == 0x1001A0)
    #expect(ProfileCounter.address("Stopped execution of TB chain before 0x7f [x]\n") == nil)
    #expect(ProfileCounter.address("a/b c\n") == nil)
  }

  @Test func anAddressBelongsToTheFunctionBeforeIt() {
    let functions = symbols.filter(\.isFunction)
    func name(_ address: UInt64, _ callee: Substring = "") -> String {
      Profile.name(.init(address: address, callee: callee), among: functions)
    }
    #expect(name(0x100) == "first" && name(0x17F) == "first" && name(0x180) == "second")
    #expect(name(0x1F0, "memset") == "second, memset" && name(0x9999) == "third" && name(0xFF) == "?")
  }

  @Test func placesAreThoseOfWhatIsInlinedFirst() {
    let text = "$s1aF\nA.swift:12:3\n$s1bF\nB.swift:1:1\n\n??\n??:0:0\n\n"
    #expect(Profile.places(text, byLine: false) == ["A.swift $s1aF", "?? ??"])
    #expect(Profile.places(text, byLine: true) == ["A.swift:12 $s1aF", "??:0 ??"])
  }

  @Test func whatTakesMostComesFirst() {
    let table = Profile.table([("a", 5), ("b", 40), ("a", 15)], pairs: 10)
    #expect(
      table == ["       6.0  a pair, of all", "       4.0  b", "       2.0  a"])
  }

  @Test func countsAreReadAsTheyAreWritten() {
    let counts = Profile.read("1a0 7 \nff 2 memcpy\n\nbad\n")
    #expect(counts.map(\.site) == [.init(address: 0x1A0), .init(address: 0xFF, callee: "memcpy")])
    #expect(counts.map(\.count) == [7, 2])
  }

  @Test(arguments: [
    (["lazy", "1", "x"], [:]), (["lazy", "1", "2", "3"], [:]), ([], ["BY": "file"]), ([], ["ROWS": "0"]),
  ])
  func whatMakesNoSenseIsRefused(_ arguments: [String], _ variables: [String: String]) {
    let error = #expect(throws: Failure.self) { try Profile(arguments, Variables(variables)) }
    #expect(error?.status == 2)
  }
}
