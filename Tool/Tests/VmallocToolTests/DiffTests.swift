import LinuxMemory
import Testing

@testable import VmallocTool

@Suite struct DiffTests {
  private func report(_ old: String, _ new: String) throws -> DiffReport {
    DiffReport(try Lists.read(old, "old"), try Lists.read(new, "new"), matching: nil)
  }

  @Test func aDayOnOneBootIsToldByAddresses() throws {
    let report = try report(Lists.morning, Lists.evening)
    #expect(report.difference.matching == .addresses)
    #expect(
      report.lines(top: 20, Paint(.never), width: nil).joined(separator: "\n") == """
        matched                 one boot: 6 areas have the same addresses in both
        areas               +2  8 before, 10 now
        pages        +16.0 KiB  2.0 MiB before, 2.1 MiB now
        owned space  +20.0 KiB  4.1 MiB before, 4.1 MiB now
        lazy space   +20.0 KiB  20.0 KiB before, 40.0 KiB now: freed, not yet flushed

            PAGES       NOW      SPACE  AREAS  CAME  WENT  NODES                   OWNER
        +16.0 KiB  48.0 KiB  +20.0 KiB     +1     2     1  N0=4 N1=4 → N0=8 N1=4   kernel_clone
        +12.0 KiB  12.0 KiB  +16.0 KiB     +1     1     0                          probe [other]
                -         -  +20.0 KiB     +1     1     0                          unpurged (no owner)
                -   2.0 MiB          0      0     0     0  N0=256 N1=256 → N0=512  alloc_large_system_hash
        -12.0 KiB         -  -16.0 KiB     -1     0     1                          load [zram]

        Leak suspects, the most likely first:
          1. kernel_clone: +16.0 KiB, 1 area more than before; 2 came and 1 went.
        """)
    #expect(report.advice.map(\.kind) == ["hash-tables-lost-spread", "caller-changed-module"])
  }

  @Test func hashedAddressesMatchWithinABootAndOthersDoNot() throws {
    let hashed = Lists.morning.split(separator: "\n").enumerated().map { index, line in
      let words = line.split(separator: " ").dropFirst()
      return
        "0x00000000\(String(0x1234_5671 + index * 77, radix: 16))-0x00000000\(String(0x2345_6789 + index, radix: 16)) \(words.joined(separator: " "))"
    }
    let same = try report(hashed.joined(separator: "\n"), hashed.dropLast().joined(separator: "\n"))
    #expect(same.difference.matching == .addresses && same.difference.common == 7)
    #expect(same.changed.map(\.name) == ["pcpu_get_vm_areas"] && same.changed.first?.vanished == 1)
    #expect(try report(hashed.joined(separator: "\n"), Lists.morning).difference.matching == .owners)
  }

  @Test func anAreaThatIsListedTwiceIsNoChange() throws {
    let twice = """
      0xffffc90000000000-0xffffc90000002000    8192 f+0x1/0x2 [a] pages=1 vmalloc
      0xffffc90000000000-0xffffc90000002000    8192 g+0x1/0x2 [b] pages=1 vmalloc
      """
    let report = try report(twice, twice)
    #expect(report.changed.isEmpty && report.advice.isEmpty)
  }

  @Test func anotherBootIsToldByOwnersAndSpreadThatWasLostIsNamed() throws {
    let before = """
      0xffffa00000000000-0xffffa00001001000 16781312 alloc_large_system_hash+0xf1/0x290 pages=4096 vmalloc N0=2048 N1=2048
      0xffffa00001001000-0xffffa00001006000    20480 f+0x1/0x9 pages=4 vmalloc N1=4
      """
    let after = """
      0xffffb00000000000-0xffffb00001001000 16781312 alloc_large_system_hash+0x18c/0x272 pages=4096 vmalloc N0=4096
      0xffffb00001001000-0xffffb00001006000    20480 f.constprop.0+0x1/0x9 pages=4 vmalloc N1=4
      """
    let report = try report(before, after)
    #expect(report.difference.matching == .owners && report.totalGrowth == 0)
    #expect(report.changed.map(\.name) == ["alloc_large_system_hash"])
    #expect(report.advice.map(\.kind) == ["hash-tables-lost-spread"])
  }

  @Test func whatOnlyGrewLazilyIsNoSuspect() throws {
    let more = Lists.morning + "0xffffc90000300000-0xffffc90000305000   20480 unpurged vm_area\n"
    let report = try report(Lists.morning, more)
    #expect(report.totalGrowth == 0 && report.suspects.isEmpty && report.changed.map(\.name) == ["unpurged"])
  }
}
