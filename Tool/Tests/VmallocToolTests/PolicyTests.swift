import LinuxMemory
import Testing
import VmallocReplay

@testable import VmallocTool

@Suite struct PolicyTests {
  private static let recording = Result { try Recording.read(path: Boot.trace) }

  @Test func aPolicyIsReadWordByWord() throws {
    let policy = try Policy("lazy,guard=0,leaves=base,bound=64M,flush=10,format=x86-64-no-1g")
    #expect(
      policy.mode == .lazy && policy.guardPages == 0 && policy.leaves == .base && !policy.hasGigabyteLeaves)
    #expect(policy.bound == 64 << 20 && policy.flushThreshold == 10)
    #expect(try Policy("strict").guardPages == nil)
  }

  @Test(arguments: ["", "lazy,", "guard=", "guard=70000", "bound=x", "flush=0", "leaves=huge", "Strict"])
  func whatIsNoPolicyIsRefused(_ text: String) {
    let refusal = #expect(throws: Policy.Refusal.self) { try Policy(text) }
    #expect(refusal?.description.contains("strict, lazy or warm") == true)
  }

  /// The figures are those of `make run`: the same replay, the same report.
  @Test func aStrictReplayOfTheRecordedBootIsTheMainJob() throws {
    let run = try PolicyRun(try Self.recording.get(), try Policy("strict"))
    #expect(run.isPassed && run.refusal.isEmpty)
    #expect(run["areas.total"] == 707 && run["areas.live"] == 281 && run["bytes.peak"] == 23_318_528)
    #expect(run["words.read"] == 4 * 18_080 && run["touches.freed"] == 2 * 14_798 && run["violations"] == 0)
    #expect(run["addresses.live"] == run["bytes.live"] && run["addresses.unflushed_peak"] == 0)
    #expect(run.report.contains("PASS: every area") && run.report.contains("verdict=pass\n"))
  }

  @Test func policiesDifferWhereTheyMust() throws {
    let recording = try Self.recording.get()
    let strict = try PolicyRun(recording, try Policy("strict"))
    let lazy = try PolicyRun(recording, try Policy("lazy"))
    let bound = try PolicyRun(recording, try Policy("lazy,bound=1M"))
    let bare = try PolicyRun(recording, try Policy("warm,guard=0,leaves=base"))
    let flushes = { (run: PolicyRun) in run["flushes.page"] + run["flushes.ranges"] + run["flushes.all"] }
    for run in [strict, lazy, bound, bare] { #expect(run.isPassed) }
    #expect(flushes(strict) == 426 && flushes(lazy) < 5 && flushes(bound) > flushes(lazy))
    #expect(lazy["addresses.unflushed_peak"] > bound["addresses.unflushed_peak"])
    #expect(bound["addresses.unflushed_peak"] < 4 << 20 && bound["addresses.peak"] < lazy["addresses.peak"])
    #expect(bare["addresses.live"] == strict["addresses.live"] - 281 * 4096)
    #expect(bare["touches.guard"] == 0 && bare["words.read"] == strict["words.read"])
    #expect(bare["entries.written"] > strict["entries.written"] - 1000)
  }

  @Test func nothingIsTouchedWithoutVerification() throws {
    var settings = ReplaySettings()
    settings.isVerified = false
    settings.laps = 2
    let run = try PolicyRun(try Self.recording.get(), try Policy("warm"), settings)
    #expect(run.isPassed && run["words.written"] == 0 && run["areas.total"] == 2 * 707 && run["laps"] == 2)
  }

  @Test func aMachineThatIsTooSmallIsToldWithTheLine() throws {
    var settings = ReplaySettings()
    settings.memory = 16 << 20
    let run = try PolicyRun(try Self.recording.get(), try Policy("strict"), settings)
    #expect(!run.isPassed && run.refusal.hasPrefix("line ") && run.refusal.contains(" was refused: "))
    settings.memory = 1 << 20
    #expect(throws: ReplayFailure.self) {
      _ = try PolicyRun(try Self.recording.get(), try Policy("strict"), settings)
    }
  }

  @Test func theTableHasAColumnForEachPolicy() throws {
    let recording = try Self.recording.get()
    let runs = try ["strict", "lazy"].map { try PolicyRun(recording, try Policy($0)) }
    let lines = PolicyTable.lines(runs, width: nil, Paint(.never))
    #expect(lines[0].hasSuffix("strict      lazy"))
    #expect(lines.contains("areas allocated                707       707"))
    #expect(lines.contains("verdict                       pass      pass"))
    let json = PolicyTable.json(runs)
    #expect(json.contains("\"policy\": \"lazy\", \"passed\": true") && json.contains("\"areas.live\": 281"))
  }

  @Test func aListIsReplayedAsItIs() throws {
    let run = try PolicyRun(try Recording.readAny(path: Boot.list), try Policy("strict"))
    #expect(run.isPassed && run["areas.live"] == 277 && run["areas.freed"] == 0)
  }

  @Test func theBarShowsItsShare() {
    #expect(ProgressBar.text("lazy", 50) == "lazy ███████████████░░░░░░░░░░░░░░░ 50 %")
    #expect(ProgressBar.text("x", 0).filter { $0 == "░" }.count == 30)
  }
}

/// The recording that comes with the project.
enum Boot {
  private static let folder =
    #filePath.split(separator: "/").dropLast(4).map { "/" + $0 }.joined()
    + "/Examples/traces/debian-6.12-boot"
  static let trace = folder + "/trace.txt"
  static let list = folder + "/vmallocinfo.txt"
  static let meminfo = folder + "/meminfo.txt"
}
