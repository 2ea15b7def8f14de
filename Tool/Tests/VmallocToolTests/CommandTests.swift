import ArgumentParser
import Testing

@testable import VmallocTool

@Suite struct CommandTests {
  @Test func inspectReadsTheLiveListUnlessAFileIsNamed() throws {
    let live = try #require(try Vmalloc.parseAsRoot(["inspect"]) as? Inspect)
    #expect(live.file == "/proc/vmallocinfo")
  }
}
