import LinuxMemory
import Testing

@testable import VmallocTool

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

@Suite struct AllocinfoTests {
  static let file = """
    allocinfo - version: 2.0
    #     <size>  <calls> <tag info>
         2105344      513 mm/mm_init.c:2500 func:alloc_large_system_hash 
               8        1 drivers/block/zram/zram_drv.c:1200 [zram] func:load 
          -16384        2 kernel/fork.c:310 func:kernel_clone  accurate:no
       104857600    25600 mm/slub.c:3059 func:alloc_slab_page 

    """

  @Test func rowsHaveSignsModulesAndLosses() throws {
    let info = try Lists.read(Self.file).allocinfo
    #expect(info.form == .file(version: "2.0"))
    #expect(info.sites.map(\.bytes) == [2_105_344, 8, -16384, 104_857_600])
    #expect(info.sites.map(\.module) == ["", "zram", "", ""])
    #expect(info.sites.map(\.isAccurate) == [true, true, false, true])
    #expect(info.sites.map(\.line) == [2500, 1200, 310, 3059])
    #expect(info.sites.map(\.calls) == [513, 1, 2, 25600])
    #expect(info.totalBytes == 106_946_568)
  }

  @Test func aFileWithoutHeaderAndALogOfAnOutOfMemoryReportAreRead() throws {
    let bare = Self.file.split(separator: "\n").dropFirst(2).joined(separator: "\n")
    #expect(try Lists.read(bare).allocinfo.sites.count == 4)
    let log = """
      [ 12.3] Mem-Info:
      [ 12.3] Memory allocations (profiling is currently turned off):
      [ 12.3]     38.4 MiB     9830 mm/slub.c:3059 func:alloc_slab_page
      [ 12.3]     1.00 GiB        3 mm/x.c:1 [zram] func:load
      [ 12.3]         0 B        0 mm/y.c:2 func:g
      """
    let info = try Lists.read(log).allocinfo
    #expect(info.form == .outOfMemory && info.isProfilingOn == false)
    #expect(info.sites.map(\.bytes) == [40_265_318, 1 << 30, 0])
    #expect(try Lists.table(log).contains("the numbers are from before it was turned off"))
  }

  @Test(arguments: [
    "func:f", "12 func:f", "a b mm/x.c:1 func:f", "1 2 mm/x.c func:f", "99999999999999999999 1 a.c:1 func:f",
    "1 2 a.c:1 func:",
  ])
  func brokenRowsAreCountedNotBelieved(_ row: String) throws {
    let snapshot = try Lists.read(" " + row + "\n")
    #expect(snapshot.allocinfo.sites.isEmpty && snapshot.report[.unread] == 1)
  }

  @Test func aJoinKeepsTheResidueApart() throws {
    let join = OwnerJoin(try Lists.read(Lists.morning), try Lists.read(Self.file).allocinfo)
    #expect(join.owners.map(\.function) == ["alloc_large_system_hash", "kernel_clone", "load"])
    #expect(join.owners.map(\.residue) == [.more, .less, .less])
    #expect(join.owners.map(\.allocatedBytes) == [2_105_344, -16384, 8])
    #expect(join.pageBytes == 2_142_208 && join.commonBytes == 2_088_968)
    #expect(join.otherBytes == 104_857_600 && join.otherFunctions == 1)
    #expect(join.spaceWithoutPages == 2_097_152 + 8192 + 20480 + 8192)
    let report = JoinReport(try Lists.read(Lists.morning), try Lists.read(Self.file).allocinfo, top: 0)
    let text = report.lines(Paint(.never), width: nil).joined(separator: "\n")
    #expect(text.contains("Residue: -52.0 KiB") && text.contains("100.0 MiB of 1 functions"))
  }

  @Test func watchFollowsAllocinfo() throws {
    let usage = Usage(try Lists.read(Self.file), AreaFilter())
    #expect(!usage.isAreas && usage.bytes == 106_946_568 && usage.owners["load [zram]"]?.bytes == 8)
  }

  @Test func diffComparesSites() throws {
    let later = Self.file + "         4096        1 kernel/fork.c:311 func:kernel_clone\n"
    let report = AllocationDiff(try Lists.read(Self.file).allocinfo, try Lists.read(later).allocinfo)
    #expect(
      report.rows.map(\.name) == ["kernel_clone"] && report.rows.map(\.bytes) == [4096]
        && report.growth == 4096)
  }

  /// The file is gone in the middle of reading: what came before is no sum of anything, and is not printed.
  @Test func aFileThatVanishesInMidReadIsAnError() throws {
    // A terminal whose other end hangs up behaves so: bytes, and then EIO.
    let terminal = try PseudoTerminal()
    let result = try terminal.hangUp(after: Self.file, reading: ["inspect", "-"])
    #expect(result.status == 3 && result.output.isEmpty && result.errors.contains("Input/output error"))
    let sentence = InputError.system("/proc/allocinfo", EIO).description
    #expect(sentence.contains("vanished while it was read"))
  }

  /// Mode 0400, as the kernel's files have, for who is not root: root is made to respect it.
  @Test(.enabled(if: Self.canBeRefused, "setpriv is not installed"))
  func whoMayNotReadIsTold() throws {
    let path = "/tmp/vmalloc-secret-\(getpid())"
    try Program.write(Array(Self.file.utf8), to: path)
    chmod(path, 0)
    defer { unlink(path) }
    let launcher = geteuid() == 0 ? [Self.setpriv, "--bounding-set=-dac_override,-dac_read_search"] : []
    for arguments in [
      ["inspect", path], ["watch", path], ["explore", path], ["replay", path], ["diff", path, "-"],
    ] {
      let result = try Program.run(arguments, input: Array(Lists.morning.utf8), launcher: launcher)
      #expect(result.status == 3 && result.errors == "vmalloc: \(path): permission denied.\n", "\(arguments)")
    }
    #expect(
      InputError.notPermitted("/proc/allocinfo").description
        == "/proc/allocinfo: permission denied; the file has mode 0400: run as root.")
  }

  private static let setpriv = "/usr/bin/setpriv"
  private static let canBeRefused = geteuid() != 0 || canRead(setpriv)
  private static let isLive = canRead("/proc/allocinfo")

  private static func canRead(_ path: String) -> Bool { unsafe access(path, R_OK) == 0 }

  @Test(.enabled(if: !Self.isLive, "this kernel has /proc/allocinfo"))
  func aKernelWithoutProfilingIsTold() throws {
    for arguments in [["inspect", "/proc/allocinfo"], ["watch", "/proc/allocinfo"]] {
      let result = try Program.run(arguments)
      #expect(result.status == 3 && result.errors.contains("no memory allocation profiling, or it is off"))
    }
  }

  @Test func theJoinIsInEveryFormatThatCanHaveIt() throws {
    let path = "/tmp/vmalloc-join-\(getpid())"
    try Program.write(Array(Self.file.utf8), to: path)
    defer { unlink(path) }
    let list = Array(Lists.morning.utf8)
    let json = try Program.run(["inspect", "-", "--join", path, "-j"], input: list)
    #expect(
      json.output.contains("\"residue_bytes\": 8192,")
        && json.output.contains("\"allocinfo_bytes_of_others\": 104857600"))
    let metrics = try Program.run(["inspect", "-", "--join", path, "-p"], input: list)
    #expect(metrics.output.contains("vmalloc_allocinfo_owner_bytes{owner=\"load\",module=\"zram\"} 8\n"))
    #expect(metrics.output.contains("vmalloc_owner_pages_bytes{owner=\"load\",module=\"zram\"} 12288\n"))
    let diff = try Program.run(
      ["diff", path, "-", "--format", "csv"], input: Array((Self.file + "4096 1 a.c:1 func:g\n").utf8))
    #expect(diff.status == 0 && diff.output.contains("g,"))
  }
}
