import BareMetal
import KernelMemory

/// What one CPU did, or all of them.
struct StressTally {
  var allocated: UInt64 = 0
  var freed: UInt64 = 0
  /// Of those freed, the areas that another CPU had allocated.
  var handedOver: UInt64 = 0
  var wrongPages: UInt64 = 0
  var refused: UInt64 = 0

  mutating func add(_ other: StressTally) {
    allocated += other.allocated
    freed += other.freed
    handedOver += other.handedOver
    wrongPages += other.wrongPages
    refused += other.refused
  }

  /// Checks an area and frees it.
  mutating func finish(_ area: CheckedArea, on manager: MemoryManager) {
    let wrong = area.wrongPages()
    if wrong > 0 {
      wrongPages += UInt64(wrong)
      var console = SerialPort.console
      console.write("wrong pattern in an area at 0x")
      console.write(hex: area.address.rawValue, width: 16)
      console.newline()
    }
    do throws(MemoryError) {
      try area.free(on: manager)
      freed += 1
    } catch {
      refuse("free", error)
    }
  }

  mutating func refuse(_ what: StaticString, _ error: MemoryError) {
    refused += 1
    // The first says enough, and a million of them would say no more.
    guard refused == 1 else { return }
    var console = SerialPort.console
    console.write("refused to ")
    console.write(what)
    console.write(": ")
    console.write(error)
    console.newline()
  }
}

extension SerialPort {
  /// A line `name=value`.
  mutating func write(_ name: StaticString, equals value: UInt64) {
    write(name)
    write("=")
    write(decimal: value)
    newline()
  }
}
