internal import KernelMemory

/// kmalloc of the package, with every check that is always on.
final class Kmalloc: Heap {
  private let kernel: SimulatedKernel<NoLock, Warm>

  init(cpus: Int) throws { kernel = try SimulatedKernel(cpus: cpus, liveAreas: 1) }

  func play(_ cpu: Int, _ body: () throws -> Void) rethrows { try kernel.play(cpu, body) }

  @inline(__always)
  func poll(_ cpu: Int) { kernel.poll(cpu) }

  @inline(__always)
  func allocate(_ byteCount: Int) throws -> UnsafeMutableRawPointer { try kernel.manager.kmalloc(byteCount) }

  @inline(__always)
  func free(_ object: UnsafeMutableRawPointer) throws { try kernel.manager.kfree(object) }
}

/// A library of the host that has a malloc, by the name under which Debian installs it.
protocol HeapLibrary {
  static var file: String { get }
  /// What stands before the names of its functions.
  static var prefix: String { get }
}

enum Mimalloc: HeapLibrary {
  static let file = "libmimalloc.so.2"
  static let prefix = "mi_"
}

enum Jemalloc: HeapLibrary {
  static let file = "libjemalloc.so.2"
  static let prefix = ""
}

/// A library's malloc, beside which the process keeps its own.
final class HostMalloc<Library: HeapLibrary>: Heap {
  private typealias Allocate = @convention(c) (Int) -> UnsafeMutableRawPointer?
  private typealias Free = @convention(c) (UnsafeMutableRawPointer?) -> Void

  private let mallocOfLibrary: Allocate
  private let freeOfLibrary: Free

  init(cpus: Int) throws {
    guard let library = dlopen(Library.file, RTLD_NOW | RTLD_LOCAL) else { throw Mistake(Self.lastError) }
    guard let allocate = dlsym(library, Library.prefix + "malloc"),
      let free = dlsym(library, Library.prefix + "free")
    else { throw Mistake(Self.lastError) }
    mallocOfLibrary = unsafeBitCast(allocate, to: Allocate.self)
    freeOfLibrary = unsafeBitCast(free, to: Free.self)
  }

  /// Why this host has no such library; nil where it has one.
  static var absence: String? {
    do {
      _ = try Self(cpus: 1)
      return nil
    } catch {
      return (error as? Mistake)?.text ?? "\(error)"
    }
  }

  private static var lastError: String { dlerror().map { String(cString: $0) } ?? "it has no malloc" }

  func play(_ cpu: Int, _ body: () throws -> Void) rethrows { try body() }

  @inline(__always)
  func poll(_ cpu: Int) {}

  @inline(__always)
  func allocate(_ byteCount: Int) throws -> UnsafeMutableRawPointer {
    guard let object = mallocOfLibrary(byteCount) else { throw Mistake("no memory for \(byteCount) bytes") }
    return object
  }

  @inline(__always)
  func free(_ object: UnsafeMutableRawPointer) throws { freeOfLibrary(object) }
}
