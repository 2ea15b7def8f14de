import Testing

/// What a boot's report must say, the same on every architecture.
extension Boot {
  /// The number of a line `name=number`, which must be there.
  func number(_ name: String, _ location: SourceLocation = #_sourceLocation) -> Int {
    let value = values[name].flatMap { Int($0) }
    #expect(value != nil, "no number \(name) in\n\(serial)", sourceLocation: location)
    return value ?? 0
  }

  func expectEnd(_ location: SourceLocation, status expected: Int32 = 33) {
    #expect(status == expected, "\(serial)\n\(monitor)", sourceLocation: location)
  }

  /// That there are lines `name=value`.
  func expectLines(_ lines: KeyValuePairs<String, Int>, _ location: SourceLocation) {
    for (name, value) in lines {
      #expect(values[name] == "\(value)", "\(name) in\n\(serial)", sourceLocation: location)
    }
  }

  /// That the job, whatever it was, found everything right.
  func expectPass(_ location: SourceLocation = #_sourceLocation) {
    expectEnd(location)
    #expect(values["verdict"] == "pass", "\(serial)", sourceLocation: location)
  }

  /// That the whole recorded boot was replayed. All of this depends on the recording alone.
  func expectReplay(_ location: SourceLocation = #_sourceLocation) {
    expectPass(location)
    expectLines(
      [
        "areas.total": 707, "areas.freed": 426, "areas.live": 281, "bytes.peak": 23_318_528, "violations": 0,
        "words.read": 72_320, "touches.guard": 2_828,
      ], location)
  }

  /// That areas went from CPU to CPU.
  func expectHandedOver(
    cpus: Int, pairs: Int, mode: String, _ location: SourceLocation = #_sourceLocation
  ) {
    expectPass(location)
    expectLines(
      ["stress.cpus": cpus, "stress.pairs": pairs, "stress.wrong": 0, "stress.refused": 0], location)
    let (sent, taken) = (number("notifications.sent", location), number("notifications.taken", location))
    let (handed, hits) = (number("stress.handed", location), number("warm.hits", location))
    let everything = number("flushes.everything", location)
    #expect(taken <= sent, sourceLocation: location)
    #expect(handed > pairs / 4, "\(handed) of \(pairs)", sourceLocation: location)
    #expect((hits > pairs / 40) == (mode == "warm"), "\(hits) hits", sourceLocation: location)
    if mode != "strict" { #expect(everything < pairs / 10, "\(everything)", sourceLocation: location) }
  }

  /// That the manager was used in an interrupt handler while the main loops used it too.
  func expectInterrupts(cpus: Int, _ location: SourceLocation = #_sourceLocation) {
    expectPass(location)
    expectLines(["interrupt.cpus": cpus, "interrupt.ticks": 4000, "wrong": 0], location)
    for (name, least) in ["interrupt.pairs": 0, "loop.pairs": 0, "short.pairs": 100] {
      let found = number(name, location)
      #expect(found > least, "\(name) is \(found)", sourceLocation: location)
    }
    // What it must not wait for there is refused, with the reason.
    let exhausted = number("short.exhausted", location), wouldWait = number("short.wouldwait", location)
    #expect((exhausted > 100) == (cpus == 1), "\(exhausted)", sourceLocation: location)
    #expect((wouldWait > 100) == (cpus > 1), "\(wouldWait)", sourceLocation: location)
  }

  /// That each CPU used all kinds of Swift's objects, handed some to another one, and nothing is left.
  func expectSwiftObjects(cpus: Int, _ location: SourceLocation = #_sourceLocation) {
    expectPass(location)
    expectLines(
      [
        "heap.cpus": cpus, "heap.exercises": cpus * 1_800, "heap.wrong": 0,
        "heap.handed": cpus == 1 ? 0 : cpus * 200, "heap.made": cpus * 7_900, "heap.ended": cpus * 7_900,
        "heap.live.objects": 0, "heap.live.bytes": 0,
      ], location)
    let allocations = number("heap.allocations", location)
    #expect(allocations > cpus * 50_000, "\(allocations)", sourceLocation: location)
    #expect(number("heap.frees", location) == allocations, sourceLocation: location)
  }

  /// That what was interrupted found its own numbers in the floating-point unit.
  func expectFloating(_ location: SourceLocation = #_sourceLocation) {
    expectEnd(location)
    #expect(number("floating.ticks", location) >= 200, sourceLocation: location)
    expectLines(["floating.right": 1], location)
  }

  /// That each type of memory, in the order of `CacheType`, was used, or refused.
  func expectCacheTypes(_ areUsed: [Bool], _ location: SourceLocation = #_sourceLocation) {
    expectEnd(location)
    for (type, isUsed) in areUsed.enumerated() {
      #expect(
        values["cache.type.\(type)"] == (isUsed ? "used" : "refused"), "\(serial)", sourceLocation: location)
    }
  }

  /// That no page was translated after its free, and how many of the flushes were of everything.
  func expectFlushed(everything: Int, _ location: SourceLocation = #_sourceLocation) {
    expectEnd(location)
    expectLines(["flush.stale": 0, "flush.everything": everything], location)
  }

  func expectStack(atMost limit: Int, _ location: SourceLocation = #_sourceLocation) {
    expectEnd(location)
    let bytes = number("start.stack.bytes", location)
    #expect((1_024...limit).contains(bytes), "\(bytes) bytes of stack", sourceLocation: location)
  }

  /// That the kernel ended with a status, and said nothing before this.
  func expectMessage(_ status: Int32, _ message: String, _ location: SourceLocation = #_sourceLocation) {
    expectEnd(location, status: status)
    #expect(kernelText.hasPrefix(message), "\(serial)", sourceLocation: location)
  }

  func expectStartRefused(_ message: String, _ location: SourceLocation = #_sourceLocation) {
    expectMessage(39, "panic: the memory manager does not start: \(message)", location)
  }

  func expectUnknown(_ word: String, _ location: SourceLocation = #_sourceLocation) {
    expectMessage(41, "error: \"\(word)\" is no option of this kernel", location)
  }

  /// That the fault, and nothing else, stopped the kernel, with a message that names the mistake.
  func expectFault(_ fault: FaultTests.Case, _ location: SourceLocation = #_sourceLocation) {
    #expect(status == 37, "the status of an unexpected exception", sourceLocation: location)
    for expected in fault.lines {
      #expect(
        kernelLines.contains { $0.hasPrefix(expected) }, "\(expected)\nis missing in\n\(serial)",
        sourceLocation: location)
    }
    #expect(!serial.contains("nothing faulted"), sourceLocation: location)
  }

  /// That probes came back, those behind the area with these error codes.
  func expectProbes(
    load: String, store: String, execute: String, _ location: SourceLocation = #_sourceLocation
  ) {
    expectEnd(location)
    #expect(
      kernelText == """
        probe: store done
        probe: load done
        probe: load, error code \(load) at 0xffffc90000003000
        probe: store, error code \(store) at 0xffffc90000003000
        probe: execute, error code \(execute) at 0xffffc90000000000

        """, sourceLocation: location)
  }

  /// That the spans of a buffer are its memory, byte for byte, and end with it: a load behind it has one
  /// error code, a load after the free one of some.
  func expectSpans(
    behind: String, afterFree: [String], _ location: SourceLocation = #_sourceLocation
  ) {
    expectEnd(location)
    let texts = afterFree.map { code in
      """
      spans: 10000 bytes zero at first: 10000
      spans: read back: 10000
      spans: found in the linear map: 10000
      probe: load done
      probe: load, error code \(behind) at 0xffffc90000003000
      probe: load, error code \(code) at 0xffffc90000000000

      """
    }
    #expect(texts.contains(String(kernelText)), "\(serial)", sourceLocation: location)
  }
}
