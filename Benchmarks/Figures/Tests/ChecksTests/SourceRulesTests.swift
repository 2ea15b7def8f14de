import Checks
import Testing

@Suite struct SourceRulesTests {
  /// The offences that all rules together find in one file.
  private func offences(_ path: String, _ text: String) -> [String] {
    SourceRules([SourceFile(path, text)]).verdicts.flatMap(\.offences)
  }

  private let core = "Sources/KernelMemory/Slab/Slab.swift"

  @Test(arguments: [
    "final class Cache {}", "indirect enum Tree {}", "func f(_ x: any P)", "import Foundation",
    "cell.exchange(1, ordering: .relaxed)", "count.add(1, ordering: .relaxed)",
    "word.weakCompareExchange(expected: 0)", "word.bitwiseOr(1, ordering: .relaxed)", "#if arch(arm64)",
    "  // " + String(repeating: "x", count: 110),
  ])
  func isFoundInTheCore(line: String) {
    #expect(offences(core, "let a = 1\n\(line)\n") == ["\(core):2: \(line)"])
  }

  @Test(arguments: [
    "// class Cache, import Foundation", "let klass = subclass Of", "manyP P", "a.wrappingAdd(b)",
    "if x.load(ordering: .relaxed).max(y, ordering: z)",
    "let x = \"" + String(repeating: "x", count: 120) + "\"",
    "//   " + String(repeating: "x", count: 120),
  ])
  func isNoOffence(line: String) { #expect(offences(core, line) == []) }

  @Test func anUpdateThatIsCountedIsNone() {
    #expect(offences(core, "updating(word) {\n  $0.exchange(1)\n}\n") == [])
    #expect(offences(core, "updating(word) {\n\n  $0.exchange(1)\n}\n").count == 1)
  }

  /// Each file has one line more than it may have.
  @Test(arguments: [
    ("Tests/A.swift", 400), ("Sources/KernelMemory/PageTables/Walker.swift", 300),
    ("Sources/KernelMemory/PageTables/Formats/Odd.swift", 150),
  ])
  func aFileMayBeSoLong(path: String, limit: Int) {
    let lines = String(repeating: "x\n", count: limit)
    #expect(offences(path, lines) == [])
    #expect(offences(path, lines + "x") == ["\(path): \(limit + 1) lines, at most \(limit)"])
  }

  @Test func whatMayChooseByArchitecture() {
    #expect(offences("Sources/BareMetal/Boot.swift", "#if arch(x86_64)") == [])
    #expect(offences("Sources/KernelMemory/PageTables/Formats.swift", "#if arch(x86_64)") == [])
    #expect(offences("Sources/RuntimeHeap/Heap.swift", "#elseif os(X) && arch(x)").count == 1)
  }

  private let imports =
    "#if canImport(Darwin)\nimport Darwin\n#elseif canImport(Musl)\nimport Musl\n#else\nimport Glibc\n#endif\n"

  @Test(arguments: ["import Glibc", "internal import Musl", "import Darwin", "import struct Glibc.stat"])
  func oneCLibraryIsNotAll(line: String) {
    #expect(offences("Tool/A.swift", "import Foundation\n\(line)\n") == ["Tool/A.swift:2: \(line)"])
    #expect(offences("Tool/A.swift", "// \(line)\n") == [])
  }

  @Test func allCLibrariesAreWellTogether() {
    #expect(offences("Tool/A.swift", imports) == [])
    #expect(offences("Tool/A.swift", imports.replacing("import Musl\n", with: "")).count == 2)
  }

  @Test(arguments: [
    "memfd_create(\"a\", 0)", "sem_init(&a, 0, 0)", "info._sifields._sigfault", "#if os(Linux)",
    "#if defined(__linux__)", "  madvise(p, n, MADV_NOHUGEPAGE)",
  ])
  func whatLinuxAloneHas(line: String) {
    for path in ["Sources/MachineSimulator/A.swift", "Sources/CHost/host.c", "Tests/A.swift"] {
      #expect(offences(path, "a\n\(line)\n") == ["\(path):2: \(line)"])
      #expect(offences(path, "a // \(line)\n") == [])
    }
    #expect(offences("Sources/MachineSimulator/A.swift", imports + line).count == 1)
  }

  @Test(arguments: [
    "#if defined(MAP_NORESERVE)\nx(MAP_NORESERVE);\n#endif",
    "#if !defined(MAP_NORESERVE)\n#define MAP_NORESERVE 0\n#endif\nx(MAP_NORESERVE);",
    "#if !defined(__APPLE__)\nx(sem_init);\n#else\ny();\n#endif",
    "#if canImport(Darwin)\ny()\n#else\npthread_mutex_timedlock(a)\n#endif", "my_sem_init(a), gettides",
  ])
  func whatHasAnotherWay(text: String) { #expect(offences("Sources/CHost/host.c", text) == []) }

  @Test func aFormatIsNamedInTheListAlone() {
    let format = SourceFile("Sources/KernelMemory/PageTables/Formats/Sv39.swift", "struct Sv39 {}")
    let list = SourceFile("Sources/KernelMemory/PageTables/Formats.swift", "let a = Sv39()")
    let other = SourceFile(core, "let a = Sv39()\nlet b = Sv390(), aSv39")
    #expect(
      SourceRules([format, list, other]).verdicts.flatMap(\.offences) == ["\(core):1: let a = Sv39()"])
  }
}
