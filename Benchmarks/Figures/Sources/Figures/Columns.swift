import Foundation

/// A line of cells, each of at least so many characters: aligned to the left where the width is negative.
func columns(_ cells: (text: String, width: Int)...) -> String {
  var line = ""
  for (text, width) in cells {
    let padding = String(repeating: " ", count: max(0, abs(width) - text.count))
    line += width < 0 ? text + padding : padding + text
  }
  return line
}

extension Double {
  func fixed(_ digits: Int) -> String { String(format: "%.\(digits)f", self) }

  /// Without digits behind the point, and with a comma before every third before it.
  var grouped: String {
    let digits = Array(fixed(0))
    var text = ""
    for (place, digit) in digits.enumerated() {
      if place > 0, (digits.count - place) % 3 == 0, digits[place - 1] != "-" { text.append(",") }
      text.append(digit)
    }
    return text
  }
}

/// Whether a figure is as low as its goal.
func verdict(_ value: Double, _ goal: Double) -> String { value <= goal ? "met" : "not met" }
