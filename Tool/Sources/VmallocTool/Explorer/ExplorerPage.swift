// The explorer's page
//
// One HTML file with everything in it. Areas are columns of numbers, each of as few bytes as it needs (seven
// bits a byte, differences where a column grows), in base64: an area of a trace is some 20 bytes. The page's
// parts are files of their own beside this one, and are built into the program.
import VmallocReplay

enum ExplorerPage {
  /// The whole file.
  static func html(_ picture: Picture) -> String {
    var page = text(PackageResources.page_html)
    let scripts = [
      PackageResources.model_js, PackageResources.map_js, PackageResources.side_js, PackageResources.page_js,
    ]
    let columns = ExplorerData(picture)
    replace("/*STYLE*/", by: text(PackageResources.page_css), in: &page)
    replace("/*SCRIPT*/", by: scripts.map(text).joined(separator: "\n"), in: &page)
    replace("/*HEAD*/", by: columns.head, in: &page)
    replace("/*DATA*/", by: columns.data, in: &page)
    return page
  }

  private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  /// Replaces the one place; what is put there is not searched again.
  private static func replace(_ mark: String, by text: String, in page: inout String) {
    let parts = page.split(separator: mark, maxSplits: 1, omittingEmptySubsequences: false)
    if parts.count == 2 { page = parts[0] + text + parts[1] }
  }
}

/// The areas of a picture as text that the page decodes.
struct ExplorerData {
  let head: String
  let data: String

  init(_ picture: Picture) {
    let areas = picture.areas.sorted { ($0.firstPage, $0.born) < ($1.firstPage, $1.born) }
    var bytes = Varints()
    var last: UInt64 = 0
    for area in areas {
      bytes.append(area.firstPage - last)
      last = area.firstPage
    }
    for area in areas { bytes.append(area.pages) }
    for area in areas { bytes.append(area.guardPages) }
    for area in areas { bytes.append(area.frames) }
    for area in areas { bytes.append(UInt64(area.owner)) }
    for area in areas { bytes.append(UInt64(area.kind)) }
    for area in areas { bytes.append(UInt64(area.born)) }
    for area in areas { bytes.append(area.died.map { UInt64($0 - area.born) } ?? 0) }
    Self.append(areas, to: &bytes)
    var time: UInt64 = 0
    for moment in picture.times {
      bytes.append(moment > time ? moment - time : 0)
      time = max(time, moment)
    }
    data = Base64.text(bytes.bytes)
    head = Self.head(picture, count: areas.count)
  }

  /// For each area how many runs of frames, and each as a difference from the one before, the sign in its
  /// lowest bit.
  private static func append(_ areas: [Picture.PictureArea], to bytes: inout Varints) {
    var frame: Int64 = 0
    for area in areas {
      bytes.append(UInt64(area.runs.count))
      for run in area.runs {
        let step = Int64(bitPattern: run.frame) - frame
        bytes.append(UInt64(bitPattern: step << 1 ^ step >> 63))
        bytes.append(run.count)
        frame = Int64(bitPattern: run.frame)
      }
    }
  }

  private static func head(_ picture: Picture, count: Int) -> String {
    let samples = picture.samples
    func numbers(_ values: [UInt64]) -> String { "[" + values.map(String.init).joined(separator: ",") + "]" }
    let columns = [
      "\"step\":" + numbers(samples.map { UInt64($0.step) }), "\"tables\":" + numbers(samples.map(\.tables)),
      "\"flushes\":" + numbers(samples.map(\.flushes)), "\"unflushed\":" + numbers(samples.map(\.unflushed)),
    ]
    let parts = [
      "\"title\":" + Quoted.text(picture.title), "\"notes\":" + Quoted.list(picture.notes),
      "\"owners\":" + Quoted.list(picture.owners), "\"kinds\":" + Quoted.list(picture.kinds),
      "\"count\":\(count)",
      "\"steps\":\(picture.times.count)", "\"seconds\":\(picture.hasSeconds)",
      "\"pageShift\":\(picture.pageShift)",
      "\"samples\":{" + columns.joined(separator: ",") + "}",
    ]
    return "{" + parts.joined(separator: ",") + "}"
  }
}

/// Numbers of seven bits a byte, the lowest first.
struct Varints {
  private(set) var bytes: [UInt8] = []

  mutating func append(_ value: UInt64) {
    var rest = value
    while rest >= 128 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 128)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}

enum Base64 {
  private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  static func text(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count / 3 * 4 + 4)
    var index = 0
    while index < bytes.count {
      let count = min(3, bytes.count - index)
      var word: UInt32 = 0
      for offset in 0..<3 { word = word << 8 | (offset < count ? UInt32(bytes[index + offset]) : 0) }
      for place in 0..<4 {
        let letter = letters[Int(word >> UInt32(18 - 6 * place) & 63)]
        text.append(place <= count ? letter : UInt8(ascii: "="))
      }
      index += 3
    }
    return String(decoding: text, as: UTF8.self)
  }
}

/// Strings of JSON, which may stand inside a page.
enum Quoted {
  static func list(_ texts: [String]) -> String { "[" + texts.map(text).joined(separator: ",") + "]" }

  static func text(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      // A name must not end the script that it stands in.
      case "<": quoted += "\\u003c"
      case "\u{2028}", "\u{2029}": quoted += " "
      case _ where scalar.value < 0x20: quoted += " "
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
