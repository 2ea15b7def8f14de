import LinuxMemory
import Testing

@testable import VmallocTool

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
    let text = JoinReport(join: join, top: 0).lines(Paint(.never), width: nil).joined(separator: "\n")
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
}
