import Testing

/// A kernel that runs on all CPUs of its machine.
@Suite(.boots(.x86_64), .serialized)
struct ProcessorTests {
  /// Each CPU frees what another one has allocated, and sees that nobody else has written there.
  @Test(arguments: [
    (2, "pc", "strict"), (4, "q35", "strict"), (4, "pc", "lazy"), (2, "q35", "warm"), (4, "pc", "warm"),
  ])
  func handAreasToEachOther(_ cpus: Int, _ board: String, _ mode: String) throws {
    let boot = try Boot.run(Setup(options: "stress=4000 mode=\(mode)", cpus: cpus, board: board))
    boot.expectHandedOver(cpus: cpus, pairs: 4000, mode: mode)
    #expect(boot.number("notifications.sent") > 0)
    #expect(boot.number("notifications.taken") > 0)
  }

  @Test
  func oneCPUAloneNotifiesNobody() throws {
    let boot = try Boot.run(Setup(options: "stress=1000"))
    #expect(boot.status == 33, "\(boot.serial)")
    #expect(boot.values["stress.cpus"] == "1")
    #expect(boot.values["stress.pairs"] == "1000")
    #expect(boot.values["stress.handed"] == "0")
    #expect(boot.values["notifications.sent"] == "0")
  }

  @Test(arguments: [1, 4], ["strict", "lazy", "warm"])
  func allocateAndFreeInAnInterruptHandler(_ cpus: Int, _ mode: String) throws {
    let boot = try Boot.run(Setup(options: "test=interrupt mode=\(mode)", cpus: cpus))
    boot.expectInterrupts(cpus: cpus)
  }

  /// The replay runs on one CPU; that the others idle shows nowhere but in which frames it gets.
  @Test
  func replayAsOneDoes() throws {
    let one = try Boot.run(Setup(options: "listing=all"))
    let four = try Boot.run(Setup(options: "listing=all", cpus: 4))
    #expect(four.status == 33, "\(four.serial)")
    let isCommon = { (name: String) in !name.hasPrefix("frames.") }
    #expect(one.values.filter { isCommon($0.key) } == four.values.filter { isCommon($0.key) })
    let rows = { (boot: Boot) in boot.serial.split(separator: "\n").filter { $0.contains(" vmalloc N0=") } }
    #expect(rows(one) == rows(four))
  }

  /// Without the interval timer the delays of a CPU's start come from the time-stamp counter.
  @Test
  func startWithoutAnIntervalTimer() throws {
    let boot = try Boot.run(Setup(options: "stress=1000", cpus: 4, board: "pc,pit=off"))
    #expect(boot.status == 33, "\(boot.serial)")
    #expect(boot.values["stress.cpus"] == "4")
  }

  /// When one CPU says why the run ends, the others have stopped, though they have interrupts off.
  @Test(arguments: [2, 4])
  func stopWhenOneHasSomethingToSay(_ cpus: Int) throws {
    let boot = try Boot.run(Setup(options: "test=others-stopped", cpus: cpus))
    #expect(boot.status == 33, "\(boot.serial)")
    #expect(boot.number("stopped.turns.before") >= 1_000)
    #expect(boot.values["stopped.turns.after"] == boot.values["stopped.turns.before"])
  }

  /// An interrupt handler may compute: what was interrupted finds its own numbers in the x87 unit.
  @Test(arguments: [1, 2])
  func keepTheFloatingPointUnitInInterrupts(_ cpus: Int) throws {
    let boot = try Boot.run(Setup(options: "test=floating", cpus: cpus))
    boot.expectFloating()
  }

  @Test
  func runOnOneWithoutALocalAPIC() throws {
    let boot = try Boot.run(Setup(processor: "max,-apic"))
    #expect(boot.status == 33, "\(boot.serial)")
  }

  @Test
  func runOnOneWithoutACPI() throws {
    let boot = try Boot.run(Setup(cpus: 2, board: "pc,acpi=off"))
    #expect(boot.status == 33, "\(boot.serial)")
    #expect(boot.serial.hasPrefix("warning: only one CPU is used: "), "\(boot.serial)")
  }
}
