import Foundation
import Processes

/// Where the instructions of a pair go: boots the kernel with an emulator that logs every instruction's
/// address, counts those between the kernel's two marks, and prints how many a pair takes, by function.
public struct Profile {
  enum Grouping: String {
    /// As the linker knows functions; as the sources have them, so that what was inlined counts where it
    /// was written; by line of the sources.
    case symbol, source, line
  }

  private static let folder = ".build/profile"
  private static let usage = "usage: Scripts/profile.sh [MODE] [PAGES] [PAIRS]"
  private let mode: String
  private let pages: String
  private let pairs: Int
  private let grouping: Grouping
  private let rows: Int
  private let run: KernelRun
  private let countsAgain: Bool

  /// Usually more pairs than one batch of freed areas has.
  public init(_ arguments: [String], _ variables: Variables) throws(Failure) {
    let words = arguments + ["lazy", "1", "4200"].dropFirst(arguments.count)
    guard words.count == 3, let pairs = Int(words[2]), pairs > 0 else { throw Failure(Self.usage, status: 2) }
    (mode, pages, self.pairs) = (words[0], words[1], pairs)
    let by = variables["BY"] ?? "symbol"
    guard let grouping = Grouping(rawValue: by) else {
      throw Failure("profile: BY is symbol, source or line, not \"\(by)\"", status: 2)
    }
    guard let rows = Int(variables["ROWS"] ?? "40"), rows > 0 else {
      throw Failure("profile: ROWS is a number above zero", status: 2)
    }
    (self.grouping, self.rows) = (grouping, rows)
    countsAgain = variables["AGAIN"] == nil
    // A small machine boots soonest.
    run = try KernelRun(
      variables.with([
        "MEMORY": variables["MEMORY"] ?? "96", "OPTIONS": "mode=\(mode) profile=\(pairs) pages=\(pages)",
      ]))
  }

  public func print() throws {
    if countsAgain { try count() }
    let counts = Self.read(contents(Self.folder + "/counts") ?? "")
    guard !counts.isEmpty else { throw Failure("profile: nothing was counted") }
    let names = try grouping == .symbol ? symbols(counts.map(\.site)) : places(counts.map(\.site))
    let table = Self.table(zip(names, counts.map(\.count)), pairs: pairs)
    for line in table.prefix(rows + 1) { Console.say(String(line.prefix(160))) }
  }

  private func symbols() throws -> [Symbol] {
    Symbol.all(try Toolchain.text("llvm-nm", ["--numeric-sort", run.kernel.image]))
  }

  /// Counts a run whose log goes through a pipe, since it is long. With -singlestep a block of instructions
  /// is one.
  private func count() throws {
    guard try run.kernel.build() else { throw Failure("profile: the kernel does not build") }
    let log = Self.folder + "/log"
    try write("", to: log)
    try FileManager.default.removeItem(atPath: log)
    guard mkfifo(log, 0o644) == 0 else { throw Failure("profile: cannot make a pipe at \(log)") }
    defer { try? FileManager.default.removeItem(atPath: log) }
    let serial = Self.folder + "/serial"
    let emulator = try run.command(["-singlestep", "-d", "exec,nochain", "-D", log]).writing(to: serial)
    var counter = ProfileCounter(try symbols())
    let child = try emulator.start()
    try read(log) { counter.count($0) }
    guard try KernelRun.status(ofEmulator: child.wait().status) == 0 else {
      Console.write(contents(serial) ?? "")
      throw Failure("profile: the kernel's run failed")
    }
    let lines = counter.counts.map { "\(String($0.key.address, radix: 16)) \($0.value) \($0.key.callee)\n" }
    try write(lines.joined(), to: Self.folder + "/counts")
  }

  private func read(_ log: String, _ body: (UInt64) -> Void) throws {
    guard let file = fopen(log, "r") else { throw Failure("profile: cannot read \(log)") }
    defer { fclose(file) }
    var line: UnsafeMutablePointer<CChar>?
    var capacity = 0
    defer { free(line) }
    while getline(&line, &capacity, file) > 0 {
      if let line, let address = ProfileCounter.address(line) { body(address) }
    }
  }

  typealias Count = (site: ProfileCounter.Site, count: Int)

  /// What the last run counted, a line an address.
  static func read(_ text: String) -> [Count] {
    text.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: " ")
      guard fields.count >= 2, let address = UInt64(fields[0], radix: 16), let count = Int(fields[1]) else {
        return nil
      }
      return (ProfileCounter.Site(address: address, callee: fields.count > 2 ? fields[2] : ""), count)
    }
  }

  /// The names of sites, as the linker knows them.
  private func symbols(_ sites: [ProfileCounter.Site]) throws -> [String] {
    let symbols = try symbols()
    return try demangle(sites.map { Self.name($0, among: symbols.filter(\.isFunction)) })
  }

  /// - Parameter functions: in the order of addresses.
  static func name(_ site: ProfileCounter.Site, among functions: [Symbol]) -> String {
    var (low, high) = (0, functions.count)
    while low < high {
      let middle = (low + high) / 2
      if functions[middle].address <= site.address { low = middle + 1 } else { high = middle }
    }
    let name = low > 0 ? String(functions[low - 1].name) : "?"
    return site.callee.isEmpty ? name : "\(name), \(site.callee)"
  }

  private func demangle(_ names: [String]) throws -> [String] {
    let tool = try Toolchain.path("swift-demangle")
    let text = try Run.text(tool, ["--simplified"], input: names.joined(separator: "\n") + "\n")
    return text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  private func places(_ sites: [ProfileCounter.Site]) throws -> [String] {
    let arguments = ["--obj=\(run.kernel.image)", "--inlines", "--basenames"]
    let input = sites.map { "0x\(String($0.address, radix: 16))\n" }.joined()
    let text = try Run.text(Toolchain.path("llvm-symbolizer"), arguments, input: input)
    return try demangle(Self.places(text, byLine: grouping == .line))
  }

  /// The symbolizer answers with a group of lines for an address and an empty line behind it: function and
  /// place, what is inlined first.
  static func places(_ text: String, byLine: Bool) -> [String] {
    text.split(separator: "\n\n").map { group in
      let lines = group.split(separator: "\n", maxSplits: 2)
      let place = lines.count > 1 ? lines[1].split(separator: ":") : []
      return place.prefix(byLine ? 2 : 1).joined(separator: ":") + " " + (lines.first ?? "?")
    }
  }

  /// How many instructions a pair takes in all, and in each function, most first.
  static func table(_ counts: some Sequence<(String, Int)>, pairs: Int) -> [String] {
    var sums: [String: Int] = [:]
    for (name, count) in counts { sums[name, default: 0] += count }
    func line(_ count: Int, _ name: String) -> String {
      let number = String(format: "%.1f", Double(count) / Double(pairs))
      return String(repeating: " ", count: max(0, 10 - number.count)) + number + "  " + name
    }
    return [line(sums.values.reduce(0, +), "a pair, of all")]
      + sums.sorted { ($0.value, $1.key) > ($1.value, $0.key) }.map { line($0.value, $0.key) }
  }
}
