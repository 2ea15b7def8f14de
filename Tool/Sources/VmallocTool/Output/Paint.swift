import ArgumentParser

/// What a piece of text is, for those who see colours.
enum Style {
  case plain, heading, quiet, warning, growth, decrease

  fileprivate var code: String? {
    switch self {
    case .plain: nil
    case .heading: "1"
    case .quiet: "2"
    case .warning: "33"
    case .growth: "31"
    case .decrease: "32"
    }
  }
}

/// When colours are used.
enum ColorChoice: String, ExpressibleByArgument, CaseIterable {
  case auto, always, never
}

/// Colours text, or leaves it alone.
struct Paint {
  let isOn: Bool

  /// Colours belong on a terminal that can show them; `NO_COLOR` turns them off.
  init(_ choice: ColorChoice) {
    switch choice {
    case .always: isOn = true
    case .never: isOn = false
    case .auto:
      isOn =
        isatty(STDOUT_FILENO) == 1 && Environment.value("NO_COLOR").isEmpty
        && Environment.value("TERM") != "dumb"
    }
  }

  func callAsFunction(_ text: String, _ style: Style) -> String {
    guard isOn, let code = style.code else { return text }
    return "\u{1B}[\(code)m\(text)\u{1B}[0m"
  }
}

/// Variables of the environment.
enum Environment {
  static func value(_ name: String) -> String {
    unsafe getenv(name).map { unsafe String(cString: $0) } ?? ""
  }
}
