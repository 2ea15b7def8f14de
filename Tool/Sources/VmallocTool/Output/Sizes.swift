/// Numbers as people read them.
enum Sizes {
  /// `7.2 MiB`: three digits at most before the point, one behind it.
  static func human(_ bytes: UInt64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    var unit = 0
    var scale: UInt64 = 1
    while unit < units.count - 1, bytes / scale >= 1024 {
      scale = scale &* 1024
      unit += 1
    }
    if unit == 0 { return "\(bytes) B" }
    // Tenths, rounded: the remainder is below the scale, which is at most 2^60, so that nothing overflows.
    let tenths = bytes / scale * 10 + (bytes % scale * 10 + scale / 2) / scale
    return tenths >= 10_240 && unit < units.count - 1
      ? "1.0 \(units[unit + 1])" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
  }

  /// With a sign, as growth has one.
  static func change(_ bytes: Int64) -> String {
    bytes == 0 ? "0" : (bytes < 0 ? "-" : "+") + human(bytes.magnitude)
  }

  /// With a sign.
  static func change(_ count: Int) -> String { count > 0 ? "+\(count)" : "\(count)" }

  /// `12 %` of a whole.
  static func share(_ part: UInt64, of whole: UInt64) -> String {
    if whole == 0 { return "0 %" }
    let percent = Double(part) / Double(whole) * 100
    if percent > 0 && percent < 1 { return "<1 %" }
    return "\(Int(percent.rounded())) %"
  }

  /// The bytes of `64`, `64K`, `64KiB`, `1.5G`; nil where it is none of these.
  static func parse(_ text: String) -> UInt64? {
    let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    guard let number = Double(digits), number >= 0 else { return nil }
    var unit = text.dropFirst(digits.count).drop { $0 == " " }.lowercased()
    if unit.hasSuffix("ib") { unit.removeLast(2) } else if unit.hasSuffix("b") { unit.removeLast() }
    guard let power = ["", "k", "m", "g", "t", "p"].firstIndex(of: unit) else { return nil }
    let bytes = number * Double(UInt64(1) << UInt64(10 * power))
    return bytes < 9e18 ? UInt64(bytes) : nil
  }
}
