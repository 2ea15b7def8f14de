/// A bar on standard error while something long goes on; nothing where that is no terminal.
final class ProgressBar {
  private let isOn: Bool
  private var last = -1

  init(isOn: Bool = isatty(STDERR_FILENO) == 1 && Environment.value("TERM") != "dumb") { self.isOn = isOn }

  deinit { clear() }

  /// Shows the share that is done; a step of less than one percent is not shown.
  func show(_ label: String, _ done: Int, of total: Int) {
    guard isOn, total > 0 else { return }
    let percent = min(100, Int(Double(done) / Double(total) * 100))
    guard percent != last else { return }
    last = percent
    let text = Self.text(label, percent)
    Screen.tell("\r\(text)\u{1B}[K")
  }

  static func text(_ label: String, _ percent: Int) -> String {
    let filled = percent * 30 / 100
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 30 - filled)
    return "\(Table.shortened(label, to: 30)) \(bar) \(percent) %"
  }

  /// Takes the bar away.
  func clear() {
    if isOn, last >= 0 { Screen.tell("\r\u{1B}[K") }
    last = -1
  }
}
