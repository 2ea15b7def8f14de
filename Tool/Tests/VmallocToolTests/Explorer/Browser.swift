import Foundation

/// A headless Chromium, if there is one.
enum Browser {
  static let path = find()
  static let isPresent = path != nil
  static let absence = "chromium is not installed (Debian's package chromium)"

  private static func find() -> String? {
    let folders = ProcessInfo.processInfo.environment["PATH"]?.split(separator: ":") ?? []
    let names = ["chromium", "chromium-browser", "google-chrome"]
    return names.lazy.flatMap { name in folders.map { "\($0)/\(name)" } }
      .first(where: FileManager.default.isExecutableFile)
  }

  /// Opens a page, with this script at its end, and gives what the script returned, as JSON. `frame()` draws
  /// what waits to be drawn, so that nothing depends on time. Errors of the page are in it, under `errors`.
  static func run(_ page: String, script: String, dark: Bool = false) throws -> [String: Any] {
    let folder = FileManager.default.temporaryDirectory.appending(path: "explorer-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let watch = """
      <script>var errors = [], drawings = [];
      window.requestAnimationFrame = f => drawings.push(f);
      const frame = () => { while (drawings.length) drawings.shift()(performance.now()); };
      window.addEventListener("error", e => errors.push(String(e.message)));
      for (const name of ["error", "warn"]) {
        const old = console[name];
        console[name] = (...parts) => { errors.push(parts.join(" ")); old(...parts); };
      }</script>
      """
    let test = """
      <script>(async () => {
      let result = {};
      try { result = await (async () => { \(script) })(); } catch (e) { errors.push(String(e.stack)); }
      result.errors = errors;
      const out = document.createElement("pre");
      out.id = "test-result";
      out.textContent = "RESULT" + btoa(unescape(encodeURIComponent(JSON.stringify(result)))) + "-END-";
      document.body.append(out);
      })();</script></body>
      """
    let tested = page.replacing("<head>", with: "<head>" + watch).replacing("</body>", with: test)
    let file = folder.appending(path: "page.html")
    try tested.write(to: file, atomically: false, encoding: .utf8)
    let dom = try output(
      [
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-extensions", "--disable-background-networking", "--window-size=1280,800",
        "--user-data-dir=\(folder.path)/profile",
      ] + (dark ? ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] : []) + [
        "--dump-dom", file.absoluteString,
      ])
    guard let start = dom.range(of: "RESULT", options: .backwards),
      let end = dom.range(of: "-END-", range: start.upperBound..<dom.endIndex),
      let data = Data(base64Encoded: String(dom[start.upperBound..<end.lowerBound])),
      let object = try JSONSerialization.jsonObject(with: data) as? [String: Any]
    else { throw NoResult(end: String(dom.suffix(1500))) }
    return object
  }

  struct NoResult: Error {
    /// The end of the page as it was then.
    let end: String
  }

  private static func output(_ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: path ?? "")
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self)
  }
}
