import Checks
import Foundation
import Processes

/// Proves three things of the core, on every bare-metal target:
///
/// 1. It allocates nothing: `-no-allocations` makes the compiler refuse all that would reach for a heap.
/// 2. It drops no retired memory. A value that holds such memory calls `cmachine_dropped_memory` in its
///    deinit, and no kernel defines that symbol. So the core is linked here as a kernel links it, with every
///    strong global function as a root (weak ones are the Swift runtime's, emitted into each object whether
///    used or not) and with unreachable sections left out. A symbol that is then missing is one that some
///    path needs; the linker names the path. No root are the deinits themselves that do nothing but call the
///    symbol. Generic functions exist only where they are used: those that the kernel uses are proved by its
///    own link.
/// 3. It has no trace of the mistakes that tests can plant in it (the package trait `Ablations`): no symbol
///    has their name. That this would be seen is shown on a build with the trait.
///
/// The link also shows that nothing else is needed: no heap function, no C library but the functions that a
/// compiler may call anywhere.
struct CoreChecks {
  private let report: Report

  init(_ report: Report) { self.report = report }

  func run() throws {
    try prove("x86_64-unknown-none-elf", ["KernelMemory", "BareMetal"])
    // The heap must not be its own customer.
    try prove("x86_64-unknown-none-elf", ["KernelMemory", "RuntimeHeap"])
    try prove("aarch64-none-none-elf", ["KernelMemory", "BareMetal"])
    try prove("riscv64-none-none-eabi", ["KernelMemory", "BareMetal"])
    try seeTraces("x86_64-unknown-none-elf")
  }

  /// Builds modules for a target, and links them together.
  private func prove(_ triple: String, _ modules: [String]) throws {
    let build = BareMetalBuild(triple, in: ".build-lint")
    for module in modules {
      let run = try build.build(module)
      if run.succeeded { continue }
      return report.say(
        Verdict("\(module) does not build for \(triple) without allocations", complaints(run)))
    }
    // What C has of its own is in no header.
    let objects = try build.objects(of: modules + ["CMachine"])
    let traces = try traces(objects)
    if !traces.isEmpty {
      report.say(
        Verdict(
          "\(modules.joined(separator: " ")) for \(triple): mistakes that tests plant are in it", traces))
    }
    let references = References(
      relocations: try Toolchain.text("llvm-objdump", ["--reloc"] + objects))
    let link = try build.link(objects, guards: references.guards)
    let subject = "\(modules.joined(separator: " ")) for \(triple): "
    if link.succeeded {
      report.say(Verdict(subject + "allocates nothing, drops no retired memory", []))
    } else {
      report.say(
        Verdict(subject + "the link lacks a symbol that no kernel defines", try explain(link, references)))
    }
  }

  /// With the trait the core has symbols of planted mistakes, so that without it their absence means
  /// something.
  private func seeTraces(_ triple: String) throws {
    let build = BareMetalBuild(triple, in: ".build-lint/ablations")
    let run = try build.build("KernelMemory", ["--traits", "Ablations"])
    let found = try run.succeeded && !traces(build.objects(of: ["KernelMemory"])).isEmpty
    report.say(
      found
        ? Verdict("planted mistakes would be seen by their symbols, and the core has none", [])
        : Verdict(
          "a build with planted mistakes shows no symbol of them", complaints(run) + ["none is found"]))
  }

  private func traces(_ objects: [String]) throws -> [String] {
    Symbols.traces(try Toolchain.text("llvm-nm", objects))
  }

  private func complaints(_ run: Run) -> [String] {
    let lines = run.lines.filter { line in ["error", "warning", "note"].contains { line.contains($0) } }
    return lines.isEmpty ? run.lines.suffix(5) + ["it says no more"] : Array(Set(lines)).sorted()
  }

  /// The cause in words, then the linker's own.
  private func explain(_ link: Run, _ references: References) throws -> [String] {
    var lines: [String] = []
    if link.text.contains("undefined symbol: \(References.dropped)") {
      lines.append(
        "cause: retired memory is dropped without a completed flush (\(References.dropped)), in")
      lines += try Toolchain.demangle(references.droppers.joined(separator: "\n") + "\n").map { "  " + $0 }
    }
    if link.text.contains(/undefined symbol: (posix_memalign|free|malloc|swift_slow)/) {
      lines.append("cause: a path reaches for a heap")
    }
    return lines + (try Toolchain.demangle(link.text))
  }
}

/// A build as a kernel makes it.
struct BareMetalBuild {
  private let triple: String
  private let scratch: String

  init(_ triple: String, in scratch: String) {
    self.triple = triple
    self.scratch = scratch
  }

  /// Sections per function let the linker leave out what nothing reaches; the stack protector would ask for
  /// symbols that the core has no use for.
  func build(_ target: String, _ more: [String] = []) throws -> Run {
    let swift = ["-enable-experimental-feature", "Embedded", "-wmo", "-no-allocations"]
    let frontend = ["-function-sections", "-disable-stack-protector"]
    let flags =
      swift.flatMap { ["-Xswiftc", $0] }
      + frontend.flatMap { ["-Xswiftc", "-Xfrontend", "-Xswiftc", $0] } + ["-Xcc", "-ffreestanding"]
    let arguments =
      [
        "build", "--quiet", "--target", target, "--triple", triple, "--build-system", "native", "-c",
        "release",
        "--scratch-path", scratch,
      ] + flags + more
    // SwiftPM now and then plans by the description of an earlier build, and says that a target is not in it;
    // the second time it plans anew.
    let run = try Run("swift", arguments)
    return run.succeeded ? run : try Run("swift", arguments)
  }

  private var folder: String { "\(scratch)/\(triple)/release" }

  /// The object files of modules that have sources today: an incremental build leaves those of deleted files
  /// behind.
  func objects(of modules: [String]) throws -> [String] {
    try modules.flatMap { module in
      let sources =
        FileManager.default.enumerator(atPath: "Sources/\(module)")?.compactMap { $0 as? String } ?? []
      let names = Set(sources.map { ($0 as NSString).lastPathComponent + ".o" })
      let built = "\(folder)/\(module).build"
      return try FileManager.default.contentsOfDirectory(atPath: built).filter(names.contains).sorted()
        .map { "\(built)/\($0)" }
    }
  }

  /// memcpy and its kin are what LLVM turns loops into on any target. arc4random_buf comes with the
  /// conformance to Hashable: it seeds the hash of a client that puts our values into a set.
  private static let mayBeMissing = ["memcpy", "memmove", "memset", "memcmp", "arc4random_buf"]

  /// Succeeds if nothing but those is missing.
  func link(_ objects: [String], guards: Set<Substring>) throws -> Run {
    let symbols = try Toolchain.text(
      "llvm-nm", ["--defined-only", "--extern-only", "--no-weak"] + objects)
    let roots = Symbols.functions(symbols).filter { !guards.contains($0) }
    guard !roots.isEmpty else { throw Unable("no function is found in the objects") }
    try roots.map { "-u \($0)\n" }.joined().write(
      toFile: "\(folder)/roots", atomically: true, encoding: .utf8)
    return try Run(
      Toolchain.path("ld.lld"),
      ["--gc-sections", "--entry", "0", "--error-limit=0", "-o", "\(folder)/proof", "@\(folder)/roots"]
        + Self.mayBeMissing.flatMap { ["--defsym", "\($0)=0"] } + objects)
  }
}
