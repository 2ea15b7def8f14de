import Foundation
import Processes

/// Pairs of vmalloc and vfree per second on threads of the host, beside the same under one lock, and
/// kmalloc beside mimalloc and jemalloc: tables to read (Benchmarks/README.md).
public enum HostThreads {
  public static func run(_ arguments: [String], _ variables: Variables) throws -> Int32 {
    // What the dynamic linker sets aside for variables of threads is too little for jemalloc, unless it is
    // asked for more.
    let more = "glibc.rtld.optional_static_tls=16384"
    let tunables = [variables["GLIBC_TUNABLES"], more].compactMap(\.self).joined(separator: ":")
    let program = HostProgram(
      name: "HostThreads", package: "Benchmarks",
      flags: ["-c", "release", "-Xswiftc", "-cross-module-optimization"],
      variables: variables.with(["GLIBC_TUNABLES": tunables]))
    guard try program.build() else { return 1 }
    return try program.command(arguments).run().status
  }
}
