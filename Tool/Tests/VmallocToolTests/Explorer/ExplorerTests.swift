import Foundation
import LinuxMemory
import Testing
import VmallocReplay

@testable import VmallocTool

@Suite struct ExplorerDataTests {
  @Test func numbersTakeAsFewBytesAsTheyNeed() {
    var bytes = Varints()
    for value in [0, 127, 128, 300, UInt64.max] as [UInt64] { bytes.append(value) }
    #expect(bytes.bytes == [0, 127, 128, 1, 172, 2] + [UInt8](repeating: 255, count: 9) + [1])
  }

  @Test(arguments: ["", "a", "ab", "abc", "any carnal pleasure."])
  func base64IsThatOfOthers(_ text: String) {
    #expect(Base64.text(Array(text.utf8)) == Data(text.utf8).base64EncodedString())
  }

  /// A name cannot end the script that it stands in.
  @Test func namesAreQuoted() throws {
    var picture = Picture(title: "</script><b>\"\\\n")
    picture.owners = ["<!--"]
    let page = ExplorerPage.html(picture)
    #expect(!page.contains("</script><b>") && page.contains("\"\\u003c/script>\\u003cb>\\\"\\\\ \""))
    #expect(!page.contains("/*HEAD*/") && !page.contains("/*DATA*/") && !page.contains("/*SCRIPT*/"))
  }

  @Test func aHundredThousandAreasAreSmall() {
    let page = ExplorerPage.html(Picture.large(areas: 100_000))
    #expect(page.utf8.count < 5_000_000)
  }

  /// Nothing of a page comes from elsewhere.
  @Test func nothingIsFetched() {
    let page = ExplorerPage.html(Picture(title: "x"))
    #expect(
      !page.contains("http:") && !page.contains("https:") && !page.contains("import ")
        && !page.contains("fetch("))
  }

  @Test func aListWithHashedAddressesIsLaidOutInItsOrder() throws {
    let list = """
      0x00000000f5d3d0a9-0x000000003b2a1a77   20480 kernel_clone+0x94/0x3b0 pages=4 vmalloc N0=4
      0x000000006f0d1c55-0x00000000aa11bb22    8192 acpi_os_map_iomem+0x1/0x2 phys=0x00000000fee00000 ioremap

      """
    let picture = Picture(try Snapshot.read(Array(list.utf8), keepingAreas: true))
    #expect(picture.areas.map(\.firstPage) == [16, 22] && picture.areas.map(\.pages) == [5, 2])
    #expect(picture.areas.map(\.guardPages) == [1, 0] && picture.areas.map(\.frames) == [4, 0])
    #expect(picture.owners.contains("kernel_clone") && picture.notes.contains { $0.contains("not real") })
    #expect(picture.areas[1].runs.first?.frame == 0xfee00)
  }
}

extension Picture {
  /// So many areas of a trace, with frames in two runs each.
  static func large(areas count: Int) -> Picture {
    var picture = Picture(title: "large")
    var random = Seeded(1)
    var page: UInt64 = 0xf_ffc9_0000_0000
    picture.owners = (0..<200).map { "owner_\($0)" }
    picture.kinds = ["area"]
    for index in 0..<count {
      var area = PictureArea(
        firstPage: page, pages: UInt64(2 + random.below(30)), owner: UInt32(random.below(200)))
      area.guardPages = 1
      area.frames = area.pages - 1
      area.born = UInt32(index)
      area.died = random.below(2) == 0 ? UInt32(index + 1 + random.below(count)) : nil
      area.runs = [(UInt64(random.below(1 << 20)), 1), (UInt64(random.below(1 << 20)), area.frames)]
      page += area.pages + UInt64(random.below(20))
      picture.areas.append(area)
    }
    picture.times = (0..<UInt64(2 * count)).map { $0 * 700 }
    return picture
  }
}

struct Seeded {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 }

  mutating func below(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % max(1, bound)
  }
}

/// The page in a real browser.
@Suite(.enabled(if: Browser.isPresent, Comment(rawValue: Browser.absence)), .serialized)
struct ExplorerPageTests {
  private func number(_ result: [String: Any], _ name: String) -> Int? {
    (result[name] as? NSNumber)?.intValue
  }

  private func errors(_ result: [String: Any]) -> [String] { result["errors"] as? [String] ?? ["no result"] }

  /// Replayed, so with frames, samples and time: counts, hover, zoom, search, slider, keys.
  @Test func aReplayIsExplored() throws {
    var settings = ReplaySettings()
    settings.keepsPicture = true
    settings.isVerified = false
    let run = try PolicyRun(try Recording.read(path: Boot.trace), try Policy("strict"), settings)
    let picture = try #require(run.picture)
    let result = try Browser.run(ExplorerPage.html(picture), script: try Self.script)
    #expect(errors(result).isEmpty, "\(errors(result))")
    #expect(number(result, "total") == 707 && number(result, "areas") == Int(run["areas.live"]))
    #expect(number(result, "spanBytes") == Int(run["addresses.live"]))
    #expect(
      number(result, "frames") == Int(run["pages.live"]) && number(result, "runs") == Int(run["frames.runs"]))
    #expect(result["tile"] as? String == "281")
    #expect((result["tip"] as? String)?.contains("busybox") == true)
    #expect((result["tip"] as? String)?.contains(" in 1 run") == true)
    #expect(number(result, "hoveredOwnerIsBusybox") == 1 && number(result, "tipIsShown") == 1)
    let shifts = try #require(result["shifts"] as? [Int])
    #expect(shifts[1] == shifts[0] - 1 && shifts[2] == shifts[0] && shifts[3] == shifts[0] + 1)
    #expect(number(result, "pageUnderPointerMoved") == 0)
    #expect(result["searched"] as? [String] == ["kthreadd"] && number(result, "dimmed") == 1)
    #expect(number(result, "selectedByAddress") == 1)
    let early = try #require(number(result, "early"))
    #expect(early > 0 && early < 281 && number(result, "earlyExpected") == early)
    #expect(number(result, "cleared") == 1 && number(result, "treeRows") == 4)
    #expect(number(result, "treeEntries") == number(result, "treeExpected"))
    #expect(number(result, "painted") == 1)
  }

  private static var script: String {
    get throws {
      let folder = URL(filePath: #filePath).deletingLastPathComponent()
      return try String(contentsOf: folder.appending(path: "replay.js"), encoding: .utf8)
    }
  }

  /// A list has no time, and its kinds are told.
  @Test func aListIsExplored() throws {
    let snapshot = try Snapshot.read(path: Boot.list, keepingAreas: true)
    let script = """
      await frame();
      const e = explorer, s = e.stateAt(0), r = { areas: s.areas, frames: s.frames };
      r.timeIsHidden = +(getComputedStyle(document.getElementById("time")).display === "none");
      r.kinds = e.head.kinds.length; r.dark = +matchMedia("(prefers-color-scheme: dark)").matches;
      r.ground = getComputedStyle(document.body).backgroundColor;
      return r;
      """
    let result = try Browser.run(ExplorerPage.html(Picture(snapshot)), script: script)
    #expect(errors(result).isEmpty, "\(errors(result))")
    #expect(number(result, "areas") == snapshot.areaCount)
    #expect(number(result, "frames") == Int(snapshot.areas.reduce(0) { $0 + ($1.pages ?? 0) }))
    #expect(number(result, "timeIsHidden") == 1 && number(result, "kinds") == AreaKind.allCases.count)
  }

  /// Whichever theme the reader has, words and owners can be told from their ground (WCAG 2.2: 4.5 for words,
  /// 3 for what is no word).
  @Test(arguments: [false, true])
  func bothThemesCanBeRead(_ isDark: Bool) throws {
    let script = """
      await frame();
      const e = explorer, r = { dark: +matchMedia("(prefers-color-scheme: dark)").matches };
      const spot = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
      const light = colour => {
        spot.fillStyle = colour;
        spot.fillRect(0, 0, 1, 1);
        const part = v => (v /= 255, v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        const [red, green, blue] = spot.getImageData(0, 0, 1, 1).data;
        return 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue);
      };
      const contrast = (a, b) => {
        const [x, y] = [light(a), light(b)];
        return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
      };
      const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
      const [ground, panel, row] = ["--ground", "--panel", "--row"].map(style);
      r.groundLight = light(getComputedStyle(document.body).backgroundColor);
      r.ink = Math.min(contrast(style("--ink"), ground), contrast(style("--ink"), panel));
      r.quiet = Math.min(contrast(style("--quiet"), ground), contrast(style("--quiet"), panel));
      r.owners = 100;
      for (let i = 0; i < e.model.n; i++) r.owners = Math.min(r.owners, contrast(e.colourOf(i), row));
      // What is drawn is in the theme, too: by far the most of the canvas is panel, row or an owner.
      const canvas = document.getElementById("map");
      const pixels = canvas.getContext("2d").getImageData(canvas.width - 40, 0, 30, canvas.height).data;
      let sum = 0, count = 0;
      for (let k = 0; k < pixels.length; k += 4) if (pixels[k + 3] > 200) { sum += pixels[k + 1]; count++; }
      r.drawn = sum / Math.max(1, count);
      document.getElementById("search").value = "owner_1";
      document.getElementById("search").dispatchEvent(new Event("input", { bubbles: true }));
      await frame();
      r.dimmed = contrast(e.colourOf(e.model.owner.findIndex(o => !e.head.owners[o].includes("owner_1"))), row);
      return r;
      """
    let page = ExplorerPage.html(Picture.large(areas: 3000))
    let result = try Browser.run(page, script: script, dark: isDark)
    func value(_ name: String) -> Double { (result[name] as? NSNumber)?.doubleValue ?? -1 }
    #expect(errors(result).isEmpty, "\(errors(result))")
    #expect(value("dark") == (isDark ? 1 : 0))
    #expect(isDark ? value("groundLight") < 0.05 : value("groundLight") > 0.9)
    #expect(isDark ? value("drawn") < 128 : value("drawn") > 128, "\(value("drawn"))")
    #expect(value("ink") > 7 && value("quiet") > 4.5, "\(result)")
    #expect(value("owners") > 3 && value("dimmed") < value("owners"), "\(result)")
  }

  /// The first picture of 100,000 areas, and sixty drawings of it at different places and zooms.
  @Test func aHundredThousandAreasAreFluid() throws {
    let script = """
      await frame();
      const e = explorer, r = { first: e.firstPicture, n: e.model.n };
      const real = () => performance.now();
      let slowest = 0, most = 0, count = 0;
      for (const name of ["fillRect", "drawImage", "strokeRect", "fillText"]) {
        const draw = CanvasRenderingContext2D.prototype[name];
        CanvasRenderingContext2D.prototype[name] = function (...box) { count++; draw.apply(this, box); };
      }
      const pixel = () => e.map.canvas.getContext("2d").getImageData(9, 9, 1, 1);
      for (let k = 0; k < 60; k++) {
        e.map.zoom(4 + k % 24, e.model.start[(k * 1613) % e.model.n]);
        const from = real();
        count = 0;
        e.map.draw(e.look());
        pixel();
        most = Math.max(most, count);
        slowest = Math.max(slowest, real() - from);
      }
      Object.assign(r, { slowest, most });
      const from = real(); e.stateAt(120000); r.state = real() - from;
      return r;
      """
    let result = try Browser.run(ExplorerPage.html(Picture.large(areas: 100_000)), script: script)
    #expect(errors(result).isEmpty, "\(errors(result))")
    #expect(number(result, "n") == 100_000)
    // However many areas are in sight: a row in which they are smaller than a pixel is drawn at once.
    #expect(number(result, "most") ?? .max < 12_000)
    print("explorer of 100,000 areas, in ms:", result.filter { $0.key != "errors" })
  }
}
