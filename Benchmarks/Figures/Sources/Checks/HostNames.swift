/// What only one system's C library or kernel has, in files that are built for a host.
///
/// A file may name it where there is another way: an import of one C library beside those of the others, a
/// name inside a condition that asks for it, or for the system (`canImport(Darwin)`, `__APPLE__`), or a name
/// that the file gives a meaning where it has none.
struct HostNames {
  private static let libraries = ["Glibc", "Musl", "Darwin"]
  /// Conditions by the system itself.
  private static let systems = ["__linux__", "__linux", "__gnu_linux__", "os(Linux)"]
  private static let linux = [
    "memfd_create", "mremap", "MADV_NOHUGEPAGE", "MADV_HUGEPAGE", "MAP_NORESERVE", "MAP_POPULATE",
    "MAP_HUGETLB", "MAP_FIXED_NOREPLACE", "futex", "SYS_futex", "gettid", "tgkill", "SIGRTMIN", "signalfd",
    "eventfd", "timerfd_create", "epoll_create1", "epoll_wait", "inotify_init1", "prctl", "getrandom",
    "sched_setaffinity", "pthread_setaffinity_np", "pthread_mutex_timedlock", "sem_init", "sem_timedwait",
    "O_TMPFILE", "_sifields", "__sigaction_handler",
  ]

  private let file: SourceFile
  /// Without comments.
  private let code: [Substring]

  init(_ file: SourceFile) {
    self.file = file
    code = file.lines.map { line in line.firstRange(of: "//").map { line[..<$0.lowerBound] } ?? line }
  }

  var offences: [String] {
    let found = Set(lonelyImports + names)
    return found.isEmpty ? [] : file.offences(found.contains)
  }

  /// The lines that import a C library which is not the only one.
  private var lonelyImports: [Int] {
    let imports = Self.libraries.map { library in
      code.indices.filter { code[$0].contains("import ") && code[$0].hasWord(library[...]) }
        .filter { !code[$0].contains("canImport") }
    }
    return imports.contains { $0.isEmpty } ? imports.flatMap(\.self) : []
  }

  private var names: [Int] {
    var conditions: [Substring] = []
    var found: [Int] = []
    for number in code.indices {
      let line = code[number].drop { $0 == " " }
      if Self.systems.contains(where: { line.contains($0) }) { found.append(number) }
      if line.hasPrefix("#if") {
        conditions.append(line)
      } else if line.hasPrefix("#endif") {
        _ = conditions.popLast()
      } else if let name = Self.linux.first(where: { line.hasWord($0[...]) }),
        !conditions.contains(where: { Self.asks($0, for: name) }), !isDefinedHere(name)
      {
        found.append(number)
      }
    }
    return found
  }

  private static func asks(_ condition: Substring, for name: String) -> Bool {
    condition.contains("canImport(Darwin)") || condition.contains("__APPLE__") || condition.hasWord(name[...])
  }

  private func isDefinedHere(_ name: String) -> Bool {
    code.contains { $0.hasPrefix("#if") && $0.contains("!defined(\(name))") }
  }
}
