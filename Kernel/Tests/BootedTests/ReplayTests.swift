import ComputerSimulation
import Foundation
import KernelMemory
import Testing

@testable import BootReplay

/// The main job on the real MMU.
@Suite(.boots(.x86_64), .serialized)
struct ReplayTests {
  @Test
  func countsWhatTheSimulatedMachineCounts() throws {
    let boot = try Boot.run(Setup(options: "laps=2"))
    let simulated = try Self.simulated(laps: 2)
    #expect(boot.values.count > 20, "\(boot.serial)")
    // How scattered the frames are depends on the machine's memory map.
    let isCommon = { (name: String) in !name.hasPrefix("frames.") }
    #expect(boot.values.filter { isCommon($0.key) } == simulated.filter { isCommon($0.key) })
  }

  private static func simulated(laps: UInt64) throws -> [String: String] {
    struct Text: TextSink {
      var bytes: [UInt8] = []
      mutating func write(_ byte: UInt8) { bytes.append(byte) }
    }
    var computer = try SimulatedComputer(memory: 1 << 30)
    var options = JobOptions()
    options.laps = laps
    var text = Text()
    _ = computer.run([UInt8](try Data(contentsOf: Emulator.trace)), options, reportingTo: &text)
    return Boot(status: 0, serial: String(decoding: text.bytes, as: UTF8.self), monitor: "").values
  }

  /// The smallest of these has one frame zone, the largest RAM above 4 GiB, out of the boot code's reach.
  @Test(arguments: [64, 3072, 5120])
  func runsInAnyMemory(_ mebibytes: Int) throws {
    let boot = try Boot.run(Setup(mebibytes: mebibytes))
    #expect(boot.status == 33, "\(boot.serial)")
  }

  @Test
  func listsEveryLiveAreaWhenAsked() throws {
    let boot = try Boot.run(Setup(options: "listing=all"))
    let rows = boot.serial.split(separator: "\n").filter { $0.contains(" vmalloc N0=") }
    #expect(rows.count == 281)
  }

  @Test
  func saysThatMemoryIsShort() throws {
    let boot = try Boot.run(Setup(mebibytes: 16))
    #expect(boot.status == 35, "\(boot.serial)")
    #expect(boot.serial.contains(" was refused: "))
  }
}
