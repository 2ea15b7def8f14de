import Foundation
import Testing

/// Machines of every kind, each with one CPU and with four: the recorded boot is replayed, and with four CPUs
/// areas go from CPU to CPU. What a kind of machine has of its own is tested beside.
struct MatrixTests {
  struct Row: CustomTestStringConvertible, Sendable {
    let processor: String
    let board: String
    let words: String

    init(_ processor: String, board: String = "", _ words: String) {
      self.processor = processor
      self.board = board
      self.words = words
    }

    var testDescription: String {
      [processor, board, words].filter { !$0.isEmpty }.joined(separator: " ")
    }
  }

  /// Without large leaves of 1 GiB, as older CPUs; and with all there is.
  static let x86_64 = ["max,-pdpe1gb", "max"].flatMap { processor in
    [4, 5].map { Row(processor, "levels=\($0)") }
  }

  /// A CPU without pages of 16 KiB, atomic instructions, PAN, and TLBI by range; and one that has all. Both
  /// interrupt controllers; entered at EL1 and at EL2.
  static let aarch64 =
    ["cortex-a72", "max"].flatMap { processor in
      ["gic-version=2", "gic-version=3", "gic-version=3,virtualization=on"].map {
        Row(processor, board: $0, "granule=4K")
      }
    } + [
      Row("cortex-a76", board: "gic-version=3", "granule=16K"),
      Row("max", board: "gic-version=2", "granule=16K"),
      Row("cortex-a72", board: "gic-version=2", "granule=64K"),
      Row("max", board: "gic-version=3,virtualization=on", "granule=64K"),
    ]

  /// With each number of levels, and with each of the extensions that change what entries mean.
  static let riscv64 =
    [3, 4, 5].flatMap { levels in
      ["rv64", "rv64,svnapot=on,svpbmt=on"].map { Row($0, "levels=\(levels)") }
    } + ["rv64,svnapot=on", "rv64,svpbmt=on"].map { Row($0, "levels=4") }

  private static let modes = ["strict", "lazy", "warm"]

  /// The mode in which areas are handed over differs from row to row.
  private static func boot(_ row: Row, in rows: [Row], _ cpus: Int, _ setup: Setup) throws {
    var setup = setup
    (setup.processor, setup.cpus, setup.options) = (row.processor, cpus, row.words)
    try Boot.run(setup).expectReplay()
    guard cpus > 1 else { return }
    let place = rows.firstIndex { $0.testDescription == row.testDescription } ?? 0
    let mode = modes[place % modes.count]
    setup.options += " stress=1000 mode=\(mode)"
    try Boot.run(setup).expectHandedOver(cpus: cpus, pairs: 1000, mode: mode)
  }

  @Suite(.boots(.x86_64), .serialized) struct X86 {
    @Test(arguments: x86_64, [1, 4]) func doesTheMainJob(_ row: Row, _ cpus: Int) throws {
      try boot(row, in: x86_64, cpus, Setup())
    }
  }

  @Suite(.boots(.aarch64), .serialized) struct AArch64 {
    @Test(arguments: aarch64, [1, 4]) func doesTheMainJob(_ row: Row, _ cpus: Int) throws {
      try boot(row, in: aarch64, cpus, .aarch64(board: row.board))
    }
  }

  @Suite(.boots(.riscv64), .serialized) struct RISCV64 {
    @Test(arguments: riscv64, [1, 4]) func doesTheMainJob(_ row: Row, _ cpus: Int) throws {
      try boot(row, in: riscv64, cpus, .riscv64())
    }
  }
}
