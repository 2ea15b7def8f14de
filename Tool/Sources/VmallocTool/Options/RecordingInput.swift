import LinuxMemory

/// Reads what can be replayed: a trace, or a list of areas.
enum RecordingInput {
  static func read(_ path: String, isStrict: Bool, _ bar: ProgressBar) throws -> Recording {
    let recording = try Recording.readAny(path: path, isStrict: isStrict) { done, total in
      if let total { bar.show("reading", done, of: total) }
    }
    bar.clear()
    return recording
  }
}
